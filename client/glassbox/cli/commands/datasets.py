"""`glassbox datasets`: the data sets on the server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from glassbox.cli import options
from glassbox.cli.display.accuracy import print_warnings
from glassbox.cli.output import moment, plain, print_facts, print_json, print_line, print_table
from glassbox.cli.session import client_of
from glassbox.cli.transfer import transfer
from glassbox.errors import WrongArgument
from glassbox.files.changes import SPLITS, read_changes
from glassbox.files.skip_report import as_line

if TYPE_CHECKING:
    from glassbox.datasets import Dataset, OnUnreadable
    from glassbox.records.changes import SplitName
    from glassbox.records.datasets import Provenance

EXAMPLES = """\b
Examples:
  glassbox datasets upload mnist.npz
  glassbox datasets upload pets/ --name pets --image-shape 28x28
  glassbox datasets derive pets --add more-pets/ --changes corrections.csv
  glassbox datasets delete mnist
"""

SHAPE = re.compile(r"(?P<height>[1-9][0-9]{0,4})[xX](?P<width>[1-9][0-9]{0,4})")

FIRST_USE = {
    "included": "prepared at its first use",
    "folder": "read from the server's folder at its first use",
    "download": "downloaded at its first use",
}

app = typer.Typer(help=f"List, upload, show, change and delete data sets.\n\n{EXAMPLES}", no_args_is_help=True)

DatasetReference = Annotated[
    str, typer.Argument(metavar="DATASET", help="Name or id of a data set.", show_default=False)
]


@app.command("list")
def list_datasets(context: typer.Context, limit: options.Limit = 50, as_json: options.Json = False) -> None:
    """List the data sets, newest first, then the built-in ones that have not been used yet (in JSON without an id)."""
    with client_of(context) as client:
        found = list(client.datasets.list(limit))
        unused = [one for one in client.datasets.built_in() if not one.prepared]
    if as_json:
        print_json([*plain(found), *({"id": None, **plain(one)} for one in unused)])
        return
    print_table(
        ("data set", "images>", "classes>", "shape", "bytes>", "created"),
        [
            (d.name, f"{sum(d.splits.values()):,}", len(d.classes), shape(d), f"{d.bytes:,}", moment(d.created_at))
            for d in found
        ],
        empty="no data set is stored; `glassbox datasets upload` adds one",
    )
    for one in unused:
        print_line(f"{one.name} is built in: {one.content}; {FIRST_USE[one.origin]}")


@app.command()
def upload(
    context: typer.Context,
    path: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="An .npz file, an archive with a folder of images for each class, such a folder, or an https:, s3: or"
            " file: URL that the server reads itself.",
            show_default=False,
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the data set (default: the file's name).")] = None,
    image_shape: options.ImageShape = None,
    channels: options.Channels = None,
    on_unreadable: options.OnUnreadable = None,
    test_fraction: Annotated[
        float | None, typer.Option(help="Share of the images for testing, if the file has no test images.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Random seed of the split into training and test images.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Upload a data set."""
    size = parsed_shape(image_shape)
    with client_of(context) as client, transfer(f"uploading {path}", quiet=as_json) as on_bytes:
        dataset = client.datasets.upload(
            path,
            name,
            test_fraction=test_fraction,
            seed=seed,
            image_shape=size,
            channels=channels,
            on_unreadable=checked_on_unreadable(on_unreadable),
            on_bytes=on_bytes,
        )
    print_dataset(dataset, as_json=as_json)


@app.command()
def derive(
    context: typer.Context,
    reference: DatasetReference,
    add: Annotated[
        Path | None,
        typer.Option(
            "--add", metavar="FOLDER", help="Images to add: a folder with a folder for each class, or an archive of it."
        ),
    ] = None,
    changes: Annotated[
        Path | None,
        typer.Option(
            "--changes",
            metavar="FILE",
            help="CSV file with the columns action (add, relabel or remove), split, index, label, job, dataset.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the result (default: the data set's name moves to it).")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="train|validation|test", help="Split to which images are added (train).")
    ] = None,
    new_classes: Annotated[
        bool, typer.Option("--new-classes", help="Append labels that are new to the classes.")
    ] = False,
    on_unreadable: options.OnUnreadable = None,
    as_json: options.Json = False,
) -> None:
    """Make a new data set from one: add images, correct labels, remove images."""
    if add is None and changes is None:
        raise WrongArgument("give --add FOLDER, --changes FILE, or both")
    if split not in {None, *SPLITS}:
        raise WrongArgument(f"--split {split}: must be {', '.join(SPLITS)}")
    listed = [] if changes is None else read_changes(changes)
    with client_of(context) as client, transfer(f"uploading {add}", quiet=as_json or add is None) as on_bytes:
        dataset = client.datasets.derive(
            reference,
            listed,
            path=add,
            name=name,
            split=cast("SplitName | None", split),
            new_classes=new_classes,
            on_unreadable=checked_on_unreadable(on_unreadable),
            on_bytes=on_bytes,
        )
    print_dataset(dataset, as_json=as_json)


@app.command()
def show(context: typer.Context, reference: DatasetReference, as_json: options.Json = False) -> None:
    """Show a data set."""
    with client_of(context) as client:
        print_dataset(client.datasets.get(reference), as_json=as_json)


@app.command()
def delete(
    context: typer.Context, reference: DatasetReference, force: options.Force = False, as_json: options.Json = False
) -> None:
    """Delete a data set by its id or one of its names."""
    with client_of(context) as client:
        client.datasets.delete(reference, force=force)
    if as_json:
        print_json({"deleted": reference})
    else:
        print_line(f"{reference} is deleted")


def print_dataset(dataset: Dataset, *, as_json: bool) -> None:
    """Print a data set's facts, or its JSON."""
    if as_json:
        print_json(dataset)
        return
    print_facts(
        [
            ("name", dataset.name),
            ("id", dataset.id),
            ("images", ", ".join(f"{count:,} {split}" for split, count in dataset.splits.items())),
            ("shape", shape(dataset)),
            *(("", f"{option.replace('_', ' ')}: {reason}") for option, reason in dataset.chosen.items()),
            ("", "colour was dropped: images in colour became grayscale" if dataset.colour_dropped else None),
            ("classes", ", ".join(dataset.classes)),
            ("skipped", as_line(dataset.skipped).removeprefix("skipped ") or None),
            ("copies", copies(dataset) or None),
            ("bytes", f"{dataset.bytes:,}"),
            ("source", dataset.source),
            *((("derived", derivation(dataset.provenance)),) if dataset.provenance else ()),
            ("created", moment(dataset.created_at)),
        ]
    )
    print_warnings(dataset.warnings)


def shape(dataset: Dataset) -> str:
    """Return the height × width of a data set's images, with the number of channels if they are in colour."""
    return "×".join(map(str, dataset.image_shape))


def say_content(dataset: Dataset) -> None:
    """Print to standard error the classes and images of an upload, and what the server chose from the images."""
    print_line(f"{dataset.name}: {content(dataset)}", err=True)
    for option, reason in dataset.chosen.items():
        print_line(f"{option.replace('_', ' ')}: {reason}", err=True)
    if dataset.colour_dropped:
        typer.echo("colour was dropped: images in colour became grayscale", err=True)
    for line in (as_line(dataset.skipped), copies(dataset)):
        if line:
            print_line(line, err=True)
    print_warnings(dataset.warnings)


def copies(dataset: Dataset) -> str:
    """Return how many images are exact duplicates, as a sentence; empty if none is."""
    found = dataset.duplicates
    if found is None or not found.images:
        return ""
    text = f"{found.images:,} of {sum(dataset.splits.values()):,} images are exact duplicates of others"
    across = {
        "test images of training images": found.test_in_train,
        "validation images of training images": found.validation_in_train,
        "test images of validation images": found.test_in_validation,
    }
    return ", ".join([text, *(f"{count:,} {images}" for images, count in across.items() if count)])


def derivation(provenance: Provenance) -> str:
    """Return from which data set another one was derived, and how, as a sentence."""
    counts = {"added": provenance.added, "relabelled": provenance.relabelled, "removed": provenance.removed}
    done = ", ".join(f"{count:,} {change}" for change, count in counts.items() if count)
    by = f", by {provenance.by}" if provenance.by else ""
    return f"from {provenance.derived_from}: {done}{by}"


def content(dataset: Dataset) -> str:
    """Return the number of classes and of each split's images, such as `26 classes, 2,600 train images (100 a class)`.

    With unequal classes, the smallest and the largest number: `(3 to 120 a class)`.
    """
    parts = [f"{len(dataset.classes)} classes"]
    for split, count in dataset.splits.items():
        least, most = (of(dataset.class_counts[split]) for of in (min, max))
        span = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        parts.append(f"{count:,} {split} images ({span} a class)")
    return ", ".join(parts)


def checked_on_unreadable(text: str | None) -> OnUnreadable | None:
    """Return `refuse` or `skip`. Raises `WrongArgument` for another text."""
    if text not in {None, "refuse", "skip"}:
        raise WrongArgument(f"--on-unreadable {text}: must be refuse or skip")
    return cast("OnUnreadable | None", text)


def parsed_shape(text: str | None) -> tuple[int, int] | None:
    """Return `28x28` as numbers. Raises `WrongArgument`."""
    if text is None:
        return None
    match = SHAPE.fullmatch(text)
    if match is None:
        raise WrongArgument(f"--image-shape {text}: must be the height, x, and the width in pixels, such as 28x28")
    return int(match["height"]), int(match["width"])
