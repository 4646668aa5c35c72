"""`glassbox doctor`: what is wrong with my server, its workers, my key; and what to do about each."""

from __future__ import annotations

import typer

from glassbox.cli import options
from glassbox.cli.output import print_json
from glassbox.cli.session import client_of

EXAMPLES = """\b
Examples:
  glassbox doctor
  glassbox --url https://glassbox.example doctor --json
"""


def doctor(context: typer.Context, as_json: options.Json = False) -> None:
    """Look at the server, its workers and this key, and say what to do where something is wrong."""
    from glassbox.cli.checks import examined  # noqa: PLC0415 - see the package's docstring

    with client_of(context) as client:
        found = list(examined(client))
    if as_json:
        print_json(found)
    else:
        for check in found:
            typer.echo(f"{'ok ' if check.ok else 'BAD'}  {check.what}: {check.told}")
            if check.remedy:
                typer.echo(f"     → {check.remedy}")
    status = next((check.status for check in found if not check.ok), 0)
    raise typer.Exit(status)


doctor.__doc__ = f"{doctor.__doc__}\n\n{EXAMPLES}"
