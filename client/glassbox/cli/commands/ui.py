"""`glassbox ui`: opens the server's dashboard in a browser."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from glassbox.cli.output import print_line
from glassbox.cli.session import client_of

EXAMPLES = """\b
Examples:
  glassbox ui
  glassbox ui --model digits
  glassbox --url https://glassbox.example ui --job 01k8z4y6w9m3n5p7q1r2s4t6v8 --print
"""


def ui(
    context: typer.Context,
    job: Annotated[str | None, typer.Option(help="Open the page of this job.")] = None,
    model: Annotated[str | None, typer.Option(help="Open the page of this model.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Open the page of this data set.")] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Print the address, and open nothing.")] = False,
) -> None:
    """Open the dashboard in a browser, or print its address if there is none."""
    pages = {"jobs": job, "models": model, "datasets": dataset}
    chosen = [f"{kind}/{quote(name, safe='')}" for kind, name in pages.items() if name is not None]
    if len(chosen) > 1:
        raise typer.BadParameter("name one of --job, --model and --dataset")
    with client_of(context) as client:
        client.ready()  # says what is wrong, if the server is not there
        address = f"{client.url.rstrip('/')}/ui/{''.join(chosen)}"
    print_line(address)
    if not only_print:
        import webbrowser  # noqa: PLC0415 - see the package's docstring

        webbrowser.open(address)


ui.__doc__ = f"{ui.__doc__}\n\n{EXAMPLES}"
