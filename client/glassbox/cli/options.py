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
Invert = Annotated[
    str | None,
    typer.Option(
        metavar="never|always|auto",
        help="Invert light and dark; auto inverts images that look inverted against the training images (default).",
    ),
]
Priority = Annotated[
    str | None,
    typer.Option(metavar="interactive|batch", help="Interactive jobs start first (default: by the kind and size)."),
]
ImageShape = Annotated[
    str | None,
    typer.Option(
        metavar="HEIGHTxWIDTH",
        help="Resize the images of an archive or folder, for example to 28x28 (default: chosen from their sizes).",
    ),
]
Channels = Annotated[
    int | None,
    typer.Option(
        metavar="1|3",
        help="1: convert the images of an archive or folder to grayscale, 3: to colour (default: 3 if any image is in"
        " colour).",
    ),
]
OnUnreadable = Annotated[
    str | None,
    typer.Option(
        metavar="refuse|skip",
        help="Images that cannot be read: refuse the upload, or skip them (default: skip at most 1 % of the images).",
    ),
]
ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of a model.", autocompletion=model_names, show_default=False)
]
