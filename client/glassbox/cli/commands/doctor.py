"""`glassbox doctor`: checks the server, its workers and the API key, and prints a remedy for each problem."""

from __future__ import annotations

import typer

from glassbox.cli import options
from glassbox.cli.output import plain, print_json, print_line
from glassbox.cli.session import client_of

EXAMPLES = """\b
Examples:
  glassbox doctor
  glassbox --url https://glassbox.example doctor --json
"""


def doctor(context: typer.Context, as_json: options.Json = False) -> None:
    """Check the server, its workers and the API key. Prints what to do about each problem."""
    from glassbox.cli.checks import examined  # noqa: PLC0415 - see the package's docstring

    with client_of(context) as client:
        found = list(examined(client))
    if as_json:
        print_json([{**plain(check), "told": check.finding} for check in found])  # `told`: until 0.3
    else:
        for check in found:
            print_line(f"{'ok ' if check.ok else 'BAD'}  {check.what}: {check.finding}")
            if check.remedy:
                print_line(f"     → {check.remedy}")
    status = next((check.status for check in found if not check.ok), 0)
    raise typer.Exit(status)


doctor.__doc__ = f"{doctor.__doc__}\n\n{EXAMPLES}"
