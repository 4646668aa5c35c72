"""`glassbox models report`: writes a version's report as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glassbox.cli import options
from glassbox.cli.output import print_json
from glassbox.cli.session import client_of


def report(
    context: typer.Context,
    reference: options.Reference,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File for the report (default: digits-3.html); - is standard output.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write a version's report. One HTML file with curves, confusion matrix, calibration, weights and errors."""
    with client_of(context) as client:
        version = client.models.version(reference)
        page = client.models.report(version.name)
    if str(output) == "-":
        typer.echo(page, nl=False)
        return
    from glassbox.http.downloads import write_text  # noqa: PLC0415 - see the package's docstring

    path = write_text(output or Path(version.file_name("html")), page)
    if as_json:
        print_json({"path": str(path), "bytes": path.stat().st_size})
    else:
        typer.echo(path)
