"""`glassbox datasets`: what there is to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glassbox.cli import options
from glassbox.cli.output import moment, print_facts, print_json, print_table
from glassbox.cli.session import client_of
from glassbox.cli.transfer import transfer
from glassbox.errors import WrongArgument

if TYPE_CHECKING:
    from glassbox.datasets import Dataset

EXAMPLES = """\b
Examples:
  glassbox datasets upload mnist.npz
  glassbox datasets upload pets/ --name pets --image-shape 28x28
  glassbox datasets delete mnist
"""

app = typer.Typer(help=f"List, upload, show and delete data sets.\n\n{EXAMPLES}", no_args_is_help=True)

DatasetReference = Annotated[
    str, typer.Argument(metavar="DATASET", help="A data set's name or id.", show_default=False)
]


@app.command("list")
def list_datasets(context: typer.Context, limit: options.Limit = 50, as_json: options.Json = False) -> None:
    """List the data sets, the newest first."""
    with client_of(context) as client:
        found = list(client.datasets.list(limit))
    if as_json:
        print_json(found)
        return
    print_table(
        ("data set", "images>", "classes>", "shape", "bytes>", "made"),
        [
            (d.name, f"{sum(d.splits.values()):,}", len(d.classes), shape(d), f"{d.bytes:,}", moment(d.created_at))
            for d in found
        ],
        empty="none yet; `glassbox datasets upload` adds one, and digits, mnist and fashion-mnist are built in",
    )


@app.command()
def upload(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="An .npz, an archive of class folders, or such a folder.", show_default=False
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What it is called; by default as the file.")] = None,
    image_shape: Annotated[
        str | None, typer.Option(metavar="HEIGHTxWIDTH", help="Resize the images of an archive, as in 28x28.")
    ] = None,
    test_fraction: Annotated[
        float | None, typer.Option(help="The share to set aside for testing, where the file does not say.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides which images are set aside.")] = None,
    as_json: options.Json = False,
) -> None:
    """Upload a data set."""
    size = parsed_shape(image_shape)
    with client_of(context) as client, transfer(f"uploading {path}", quiet=as_json) as on_bytes:
        dataset = client.datasets.upload(
            path, name, test_fraction=test_fraction, seed=seed, image_shape=size, on_bytes=on_bytes
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
    """Delete a data set by its id, or a name of it."""
    with client_of(context) as client:
        client.datasets.delete(reference, force=force)
    if as_json:
        print_json({"deleted": reference})
    else:
        typer.echo(f"{reference} is deleted")


def print_dataset(dataset: Dataset, *, as_json: bool) -> None:
    """The facts about a data set."""
    if as_json:
        print_json(dataset)
        return
    print_facts(
        [
            ("name", dataset.name),
            ("id", dataset.id),
            ("images", ", ".join(f"{count:,} {split}" for split, count in dataset.splits.items())),
            ("shape", shape(dataset)),
            ("classes", ", ".join(dataset.classes)),
            ("bytes", f"{dataset.bytes:,}"),
            ("source", dataset.source),
            ("made", moment(dataset.created_at)),
        ]
    )


def shape(dataset: Dataset) -> str:
    """Height × width of its images."""
    return "×".join(map(str, dataset.image_shape))


def parsed_shape(text: str | None) -> tuple[int, int] | None:
    """`28x28` as numbers. Raises `WrongArgument`."""
    if text is None:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise WrongArgument(f"--image-shape {text}: write the height, x, and the width, as in 28x28")
    return int(height), int(width)
