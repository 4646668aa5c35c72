"""Options and arguments of several commands."""

from __future__ import annotations

from typing import Annotated

import typer

from glassbox.cli.completion import model_names, versions

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Submit the job and do not wait for it.")]
Force = Annotated[bool, typer.Option("--force", help="Delete even if it is in use.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="Maximum number of entries.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job.", show_default=False)]
Reference = Annotated[
    str,
    typer.Argument(
        metavar="MODEL[@VERSION]",
        help="Model version: digits (the newest version), digits@3, or an alias, digits@champion.",
        autocompletion=versions,
        show_default=False,
    ),
]
OnModel = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL[@VERSION]",
        help="Model version: digits (the newest version), digits@3, or an alias, digits@champion.",
        autocompletion=versions,
        show_default=False,
    ),
]
ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of a model.", autocompletion=model_names, show_default=False)
]
