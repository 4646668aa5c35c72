"""The command `glassbox`: a module for each command or group of commands, and their common parts.

The client, httpx and rich are imported only when a command that needs them runs, so that `glassbox --help` is quick.
"""

import sys
from typing import Any, cast


def main() -> None:
    """Run the command that the arguments name."""
    # If click is installed, httpx imports a command of its own, which takes as long as the rest of httpx.
    cast("dict[str, Any]", sys.modules).setdefault("httpx._main", None)
    from glassbox.cli.app import app  # noqa: PLC0415 - importing this package must stay quick

    app(prog_name="glassbox")
