"""`glassbox train`: a data set or a file becomes a new version of a model."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from glassbox.cli import options
from glassbox.cli.output import print_json, share
from glassbox.cli.session import client_of
from glassbox.cli.transfer import transfer
from glassbox.cli.watching import watched
from glassbox.errors import WrongArgument

EXAMPLES = """\b
Examples:
  glassbox train mnist.npz --model digits --preset accurate
  glassbox train mnist --model digits --epochs 20 --promote champion
  glassbox train pets.zip --model pets --set optimizer.learning_rate=0.01
"""


def train(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="An .npz, an archive or a folder of class folders, which is uploaded; or the name of a data set that"
            " the server has (digits, mnist and fashion-mnist are built in).",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="The model of which a version is made.",
            autocompletion=options.model_names,
            show_default=False,
        ),
    ],
    preset: Annotated[str | None, typer.Option(metavar="fast|accurate|article", help="Where to start from.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="How often to go through the images.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Where chance starts.")] = None,
    promote: Annotated[
        str | None, typer.Option(metavar="ALIAS", help="An alias to point to the new version, such as champion.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any other setting of a training, as in hidden=[128,64]; repeatable."
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="NAME=TEXT", help="What to remember with the job; repeatable."),
    ] = None,
    detach: options.Detach = False,
    as_json: options.Json = False,
) -> None:
    """Train a new version of a model, and wait for it."""
    wanted: dict[str, Any] = {"preset": preset, "epochs": epochs, "seed": seed, "promote": promote}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    wanted |= parsed_settings(settings or [])
    if labels:
        wanted["labels"] = dict(_halves(label, "--label") for label in labels)
    with client_of(context) as client:
        with transfer(f"uploading {dataset}", quiet=as_json) as on_bytes:
            job = client.train(dataset, model=model, on_bytes=on_bytes, **wanted)
        if not detach:
            job = watched(client, job, quiet=as_json)
        if as_json:
            print_json(job)
        elif detach:
            typer.echo(job.id)
        else:
            seconds = job.metrics.get("training_seconds")
            took = f" after {seconds:.1f} s of training" if seconds is not None else ""
            result: Any = job.result
            typer.echo(f"{result.model}@{result.version}: test accuracy {share(result.test_accuracy)}{took}")


def parsed_settings(texts: list[str]) -> dict[str, Any]:
    """`optimizer.learning_rate=0.01` as a request's fields: values are JSON, or texts where they are none."""
    found: dict[str, Any] = {}
    for text in texts:
        name, value = _halves(text, "--set")
        *path, last = name.split(".")
        place = found
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise WrongArgument(f"--set {text}: {part} has a value of its own already")
        try:
            place[last] = json.loads(value)
        except ValueError:
            place[last] = value
    return found


def _halves(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise WrongArgument(f"{option} {text!r}: write a name, =, and a value")
    return name, value


train.__doc__ = f"{train.__doc__}\n\n{EXAMPLES}"
