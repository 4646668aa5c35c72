"""`glassbox serve`: starts the embedded stack, as `make up` does in a checkout of Glassbox."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from glassbox.errors import LocalFileError

UP = Path("services", "embedded", "up.py")  # a folder with this file is a checkout

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
            help="Folder of the repository (default: the one that contains the current folder or this command).",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the API (default: GLASSBOX_PORT, else 8000).")
    ] = None,
    volume: Annotated[
        Path | None, typer.Option(help="Folder for the data (default: GLASSBOX_VOLUME, else var/volume).")
    ] = None,
) -> None:
    """Start Redis, the workers and the API. They run on this machine until Ctrl-C, as with `make up`."""
    folder = checkout_folder(checkout)
    make = shutil.which("make")
    if make is None:
        raise LocalFileError(f"make is not installed: install it, or run {UP} in {folder} as its README says")
    environment = dict(os.environ)
    if port is not None:
        environment["GLASSBOX_PORT"] = str(port)
    if volume is not None:
        environment["GLASSBOX_VOLUME"] = str(volume.expanduser().resolve())
    os.execve(make, [make, "--no-print-directory", "-C", str(folder), "up"], environment)  # noqa: S606


def checkout_folder(given: Path | None) -> Path:
    """Return the given checkout, else the one that contains the current folder or this file.

    Raises `LocalFileError`, which says how to get a checkout.
    """
    if given is not None:
        if (given.expanduser() / UP).is_file():
            return given.expanduser().resolve()
        raise LocalFileError(f"{given} is not a checkout of Glassbox: it has no {UP}")
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / UP).is_file():
                return folder
    raise LocalFileError(
        "only the client is installed, without the server: clone the Glassbox repository and run"
        " `glassbox serve --checkout FOLDER` (or `make up` there), or use a running server with --url"
    )


serve.__doc__ = f"{serve.__doc__}\n\n{EXAMPLES}"
