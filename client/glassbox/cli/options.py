"""Options and arguments that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from glassbox.cli.completion import model_names, versions

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Submit the job and do not wait for it.")]
Force = Annotated[bool, typer.Option("--force", help="Also where something still needs it.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at the most.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.", show_default=False)]
Reference = Annotated[
    str,
    typer.Argument(
        metavar="MODEL[@VERSION]",
        help="A version: digits (the newest), digits@3, digits@champion.",
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
        help="digits (the newest version), digits@3, or an alias, digits@champion.",
        autocompletion=versions,
        show_default=False,
    ),
]
ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model's name.", autocompletion=model_names, show_default=False)
]
