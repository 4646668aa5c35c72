"""`glassbox serve`: the embedded stack, which is `make up` in a checkout of Glassbox."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from glassbox.errors import LocalFileError

UP = Path("services", "embedded", "up.py")  # what tells a checkout

EXAMPLES = """\b
Examples:
  glassbox serve
  glassbox serve --checkout ~/glassbox --port 9000 --volume ~/glassbox-data
"""


def serve(
    checkout: Annotated[
        Path | None,
        typer.Option(
            envvar="GLASSBOX_CHECKOUT",
            help="The folder of the repository; else the one that this command, or the current folder, lies in.",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Where to listen; else GLASSBOX_PORT, 8000.")
    ] = None,
    volume: Annotated[Path | None, typer.Option(help="Where data are kept; else GLASSBOX_VOLUME, var/volume.")] = None,
) -> None:
    """Start Redis, the workers and the API on this machine, until Ctrl-C: the same as make up."""
    folder = found(checkout)
    make = shutil.which("make")
    if make is None:
        raise LocalFileError(f"there is no make here: install it, or run {UP} in {folder} as its README says")
    environment = dict(os.environ)
    if port is not None:
        environment["GLASSBOX_PORT"] = str(port)
    if volume is not None:
        environment["GLASSBOX_VOLUME"] = str(volume.expanduser().resolve())
    os.execve(make, [make, "--no-print-directory", "-C", str(folder), "up"], environment)  # noqa: S606


def found(named: Path | None) -> Path:
    """The checkout. Raises `LocalFileError`, which says how to come by one."""
    if named is not None:
        if (named.expanduser() / UP).is_file():
            return named.expanduser().resolve()
        raise LocalFileError(f"{named} is no checkout of Glassbox: it has no {UP}")
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / UP).is_file():
                return folder
    raise LocalFileError(
        "this is the client alone, and the server is not a part of it: clone the Glassbox repository and run"
        " `glassbox serve --checkout FOLDER` (or `make up` there), or use a server that runs with --url"
    )


serve.__doc__ = f"{serve.__doc__}\n\n{EXAMPLES}"
