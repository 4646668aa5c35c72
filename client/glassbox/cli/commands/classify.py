"""`glassbox classify`: classifies an archive or a folder of images, and writes a row for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer

from glassbox.cli import options
from glassbox.cli.display.accuracy import print_warnings
from glassbox.cli.display.watching import watched
from glassbox.cli.exits import say
from glassbox.cli.output import PrintableOutput, print_json, print_line
from glassbox.cli.session import client_of
from glassbox.cli.sorting import check_sorting, sort
from glassbox.cli.transfer import transfer
from glassbox.errors import LocalFileError, WrongArgument
from glassbox.files.formats import Format, format_of
from glassbox.files.references import is_url
from glassbox.files.skip_report import as_line

if TYPE_CHECKING:
    from glassbox.cli.packing import Packing
    from glassbox.client import Client
    from glassbox.jobs import Job
    from glassbox.records.rows import RowFilter

FORMATS = "csv|jsonl|npz|parquet"
SINK_FORMATS = "jsonl|csv|parquet"

EXAMPLES = """\b
Examples:
  glassbox classify images.zip --model digits@champion -o rows.csv
  glassbox classify scans/ --model digits --top-k 3 -o rows.jsonl
  glassbox classify images.zip --model digits -o - | head
  glassbox classify https://data.example.org/images.zip --model digits -o rows.csv
  glassbox classify monday.zip tuesday.zip --model digits -o rows.csv
  glassbox classify scans/ --model digits --sort-into sorted --min-confidence 0.8
  glassbox classify scans.zip --model digits --sink file:///exports/scans/ --sink-format parquet
"""


def classify(
    context: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES",
            help="A zip, tar, .npy or .npz file of images, a folder of images, which is sent as a zip, or an https:,"
            " s3: or file: URL that the server reads itself. Several archives or URLs are classified together.",
            show_default=False,
        ),
    ],
    model: options.OnModel,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File for the rows; - is standard output.", show_default=False
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar=FORMATS, help="Format (default: by the file's ending)."),
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Number of most probable classes in a row.")] = None,
    invert: options.Invert = None,
    error_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of unreadable images above which the job fails.")
    ] = None,
    sort_into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Copy the images into a folder for each label, DIR/LABEL.", show_default=False
        ),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="With --sort-into: symbolic links in place of copies.")] = False,
    min_confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="With --sort-into: images below this confidence go into DIR/_unsure."),
    ] = None,
    sink: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Empty prefix or folder to which the server writes the results: s3://bucket/run-1/, file:///exports/run-1/.",
            show_default=False,
        ),
    ] = None,
    sink_format: Annotated[
        str | None,
        typer.Option(
            metavar=SINK_FORMATS, help="With --sink: format of its parts (default: jsonl).", show_default=False
        ),
    ] = None,
    priority: options.Priority = None,
    detach: options.Detach = False,
    as_json: options.Json = False,
) -> None:
    """Classify images and wait for the rows."""
    check_sink(sink, sink_format)
    to_output = output == "-"
    form = rows_format(output, format_, default="jsonl" if as_json else "csv") if output else None
    if output and not to_output and not Path(output).resolve().parent.is_dir():
        raise LocalFileError(f"{output} cannot be written: there is no folder {Path(output).parent}")
    if output and detach:
        raise WrongArgument("--detach does not wait for rows: omit -o, and download them with `glassbox jobs rows`")
    check_sorting(images, sort_into, link=link, min_confidence=min_confidence, detach=detach)
    batch: dict[str, Any] = {"top_k": top_k, "invert": invert, "error_threshold": error_threshold}
    batch |= {"sink": sink, "sink_format": sink_format, "priority": priority}
    batch = {name: value for name, value in batch.items() if value is not None}
    with packed(images[0]) if len(images) == 1 else nullcontext() as packing, client_of(context) as client:
        with transfer(f"uploading {', '.join(images)}", quiet=as_json) as on_bytes:
            source = packing.opened() if packing else images[0] if len(images) == 1 else images
            job = client.classify(source, model=model, on_bytes=on_bytes, **batch)
        if job.skipped and not as_json:
            say(as_line(job.skipped))
        if not detach:
            job = watched(client, job, quiet=as_json)
            if form:
                fetch(client, job, output or "-", form)
        if sort_into is not None:
            sort(job, sort_into, Path(images[0]), link=link, min_confidence=min_confidence, quiet=as_json or to_output)
        if as_json and not to_output:
            print_json(job)
        elif detach:
            typer.echo(job.id)
        elif not as_json:
            summarize(job, output)
            print_warnings(job.warnings)


def check_sink(sink: str | None, sink_format: str | None) -> None:
    """Raise `WrongArgument` for a format without a sink, or one that the server does not know."""
    if sink_format is not None and sink is None:
        raise WrongArgument("--sink-format needs --sink URL")
    if sink_format is not None and sink_format not in SINK_FORMATS.split("|"):
        raise WrongArgument(f"--sink-format {sink_format}: must be one of {SINK_FORMATS.replace('|', ', ')}")


@contextmanager
def packed(images: str) -> Iterator[Packing | None]:
    """Start to pack a folder; the context's value is None for anything else."""
    if is_url(images) or not Path(images).is_dir():
        yield None
        return
    from glassbox.cli.packing import Packing  # noqa: PLC0415 - see the package's docstring

    with closing(Packing(Path(images))) as packing:
        yield packing


def rows_format(output: str | None, form: str | None, default: str) -> Format:
    """Return the given format, else that of the file's ending. Raises `WrongArgument`."""
    if form is None:
        if output is None or output == "-":
            return cast("Format", default)
        try:
            return format_of(output)
        except WrongArgument as error:
            raise WrongArgument(f"{error} with --format") from error
    if form not in FORMATS.split("|"):
        raise WrongArgument(f"--format {form}: must be one of {FORMATS.replace('|', ', ')}")
    return cast("Format", form)


def fetch(client: Client, job: Job, output: str, form: Format, only: RowFilter | None = None) -> None:
    """Write the rows, or `only` those of a filter, to a file, or to standard output."""
    from glassbox.records.rows import EVERY_ROW  # noqa: PLC0415 - a command starts faster without it

    only = only or EVERY_ROW
    if output == "-":
        is_shown = sys.stdout.isatty() and form in {"csv", "jsonl"}
        rows = cast("IO[bytes]", PrintableOutput(sys.stdout)) if is_shown else sys.stdout.buffer
        client.jobs.copy_rows(job.id, rows, form, rows=only)
        sys.stdout.flush()
    else:
        with transfer(f"downloading {output}") as on_bytes:
            client.jobs.save(job.id, output, form, on_bytes, rows=only)


def summarize(job: Job, output: str | None) -> None:
    """Print a summary of the result, on standard error if the rows are on standard output."""
    result: Any = job.result
    unread = f", {result.failed:,} could not be read (`glassbox jobs errors {job.id}`)" if result.failed else ""
    inverted = result.look_inverted if job.request.get("invert") == "auto" else 0
    matched = f", {inverted:,} of them inverted as the training images" if inverted else ""
    summary = (
        f"{result.succeeded:,} of {result.total:,} images classified by {result.model}@{result.version},"
        f" {result.images_per_second:,.0f} images/s{matched}{unread}"
    )
    if result.sink is not None:
        parts = result.sink.parts
        summary += f"; {parts:,} {'part' if parts == 1 else 'parts'} in {result.sink.url}"
    if output == "-":
        say(summary)
    elif output:
        print_line(f"{summary}; rows in {output}")
    elif result.sink is not None:
        print_line(summary)
    else:
        print_line(f"{summary}; `glassbox jobs rows {job.id} -o rows.csv` downloads the rows")


classify.__doc__ = f"{classify.__doc__}\n\n{EXAMPLES}"
