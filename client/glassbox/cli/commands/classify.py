"""`glassbox classify`: an archive or a folder of images becomes rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from glassbox.cli import options
from glassbox.cli.display.watching import watched
from glassbox.cli.exits import say
from glassbox.cli.output import print_json
from glassbox.cli.session import client_of
from glassbox.cli.transfer import transfer
from glassbox.errors import LocalFileError, WrongArgument
from glassbox.files.formats import Format, format_of

if TYPE_CHECKING:
    from glassbox.cli.packing import Packing
    from glassbox.client import Client
    from glassbox.jobs import Job

FORMATS = "csv|jsonl|npz|parquet"

EXAMPLES = """\b
Examples:
  glassbox classify images.zip --model digits@champion -o rows.csv
  glassbox classify scans/ --model digits --top-k 3 -o rows.jsonl
  glassbox classify images.zip --model digits -o - | head
"""


def classify(
    context: typer.Context,
    images: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGES",
            help="A zip, tar, .npy or .npz of images; or a folder of them, which is packed on the way.",
            show_default=False,
        ),
    ],
    model: options.OnModel,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where the rows go; - is standard output.", show_default=False
        ),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar=FORMATS, help="What the rows are; else by the file's ending.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="How many classes each row has.")] = None,
    invert: Annotated[
        str | None, typer.Option(metavar="never|always|auto", help="Whether to turn light and dark around.")
    ] = None,
    error_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="The share of unreadable images above which the job fails.")
    ] = None,
    detach: options.Detach = False,
    as_json: options.Json = False,
) -> None:
    """Classify images, and wait for the rows."""
    to_output = output == "-"
    form = rows_format(output, format_, default="jsonl" if as_json else "csv") if output else None
    if output and not to_output and not Path(output).resolve().parent.is_dir():
        raise LocalFileError(f"{output} cannot be written: there is no folder {Path(output).parent}")
    if output and detach:
        raise WrongArgument("--detach waits for no rows: leave -o away, and fetch them with `glassbox jobs rows`")
    wanted: dict[str, Any] = {"top_k": top_k, "invert": invert, "error_threshold": error_threshold}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    with packed(images) as packing, client_of(context) as client:
        with transfer(f"uploading {images}", quiet=as_json) as on_bytes:
            source = packing.opened() if packing else images
            job = client.classify(source, model=model, on_bytes=on_bytes, **wanted)
        if not detach:
            job = watched(client, job, quiet=as_json)
            if form:
                fetch(client, job, output or "-", form)
        if as_json and not to_output:
            print_json(job)
        elif detach:
            typer.echo(job.id)
        elif not as_json:
            summarize(job, output)


@contextmanager
def packed(images: Path) -> Iterator[Packing | None]:
    """A folder is packed from now on; what is none is left as it is."""
    if not images.is_dir():
        yield None
        return
    from glassbox.cli.packing import Packing  # noqa: PLC0415 - see the package's docstring

    with closing(Packing(images)) as packing:
        yield packing


def rows_format(output: str | None, form: str | None, default: str) -> Format:
    """The format that is asked for, or that the file's ending stands for. Raises `WrongArgument`."""
    if form is None:
        return cast("Format", default) if output is None or output == "-" else format_of(output)
    if form not in FORMATS.split("|"):
        raise WrongArgument(f"--format {form}: there are {FORMATS.replace('|', ', ')}")
    return cast("Format", form)


def fetch(client: Client, job: Job, output: str, form: Format) -> None:
    """Bring the rows to where they are wanted."""
    if output == "-":
        client.jobs.copy_rows(job.id, sys.stdout.buffer, form)
        sys.stdout.flush()
    else:
        with transfer(f"fetching {output}") as on_bytes:
            client.jobs.save(job.id, output, form, on_bytes)


def summarize(job: Job, output: str | None) -> None:
    """Say what became of the images: on standard error where the rows are on standard output."""
    result: Any = job.result
    unread = f", {result.failed:,} could not be read (`glassbox jobs errors {job.id}`)" if result.failed else ""
    told = (
        f"{result.succeeded:,} of {result.total:,} images classified by {result.model}@{result.version},"
        f" {result.images_per_second:,.0f} a second{unread}"
    )
    if output == "-":
        say(told)
    elif output:
        typer.echo(f"{told}; rows in {output}")
    else:
        typer.echo(f"{told}; `glassbox jobs rows {job.id} -o rows.csv` fetches the rows")


classify.__doc__ = f"{classify.__doc__}\n\n{EXAMPLES}"
