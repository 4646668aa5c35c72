"""The command `glassbox`: a module for each command or group of commands, and what they share.

Nothing here imports the client, httpx or rich before a command runs that needs it: `glassbox --help` is quick.
"""

import sys
from typing import Any, cast


def main() -> None:
    """Run the command that the arguments name."""
    # Where click is installed httpx brings a command of its own, whose import takes as long as all the rest of httpx.
    cast("dict[str, Any]", sys.modules).setdefault("httpx._main", None)
    from glassbox.cli.app import app  # noqa: PLC0415 - this module is imported for its docstring, too

    app(prog_name="glassbox")
