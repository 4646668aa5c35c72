"""`glassbox train`: trains a new version of a model on a data set or a file."""

from __future__ import annotations

import json
from textwrap import TextWrapper
from typing import Annotated, Any, get_args

import typer

from glassbox.cli import options
from glassbox.cli.commands.datasets import checked_on_unreadable, parsed_shape, say_content
from glassbox.cli.display.accuracy import accuracy_text, print_warnings
from glassbox.cli.display.watching import watched
from glassbox.cli.output import print_json, print_line
from glassbox.cli.session import client_of
from glassbox.cli.transfer import transfer
from glassbox.errors import WrongArgument
from glassbox.options import TRAINING, Option, Preset

WIDTH = 100  # of a line of the help
ARGUMENTS = {  # not settings, although fields of the requests
    "dataset": "DATASET",
    "model": "--model",
    "image_shape": "--image-shape",
    "channels": "--channels",
    "on_unreadable": "--on-unreadable",
}
OWN_OPTIONS = ("model", "dataset", "preset", "like", "epochs", "seed", "promote", "labels")
EXAMPLES = """\b
Examples:
  glassbox train mnist.npz --model digits --preset accurate
  glassbox train mnist --model digits --epochs 20 --promote champion
  glassbox train pets.zip --model pets --set optimizer.learning_rate=0.01
  glassbox train photos/ --model photos --image-shape 48x48
  glassbox train pets-2 --model pets --like pets@champion
"""


def train(
    context: typer.Context,
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="An .npz file, an archive with a folder of images for each class, or such a folder; it is uploaded."
            " Or the name of a data set on the server (digits, mnist and fashion-mnist are built in).",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help=f"{TRAINING['model'].description}.",
            autocompletion=options.model_names,
            show_default=False,
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(get_args(Preset)),
            help=f"{TRAINING['preset'].description} (default: {TRAINING['preset'].default}).",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL[@VERSION]",
            help="Train with the settings of this version, in place of a preset's.",
            autocompletion=options.versions,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=TRAINING["epochs"].minimum,
            max=TRAINING["epochs"].maximum,
            help=f"{TRAINING['epochs'].description}.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=TRAINING["seed"].minimum, max=TRAINING["seed"].maximum, help=f"{TRAINING['seed'].description}."
        ),
    ] = None,
    promote: Annotated[
        str | None, typer.Option(metavar="ALIAS", help=f"{TRAINING['promote'].description}, such as champion.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting from the list below; repeatable."),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="NAME=TEXT", help="Label that is kept with the job; repeatable."),
    ] = None,
    image_shape: options.ImageShape = None,
    channels: options.Channels = None,
    on_unreadable: options.OnUnreadable = None,
    priority: options.Priority = None,
    detach: options.Detach = False,
    as_json: options.Json = False,
) -> None:
    """Train a new version of a model and wait for it."""
    from glassbox.datasets import is_file  # noqa: PLC0415 - see the package's docstring

    training: dict[str, Any] = {"preset": preset, "like": like, "epochs": epochs, "seed": seed, "promote": promote}
    training["priority"] = priority
    training = {name: value for name, value in training.items() if value is not None}
    training |= parsed_settings(settings or [])
    if labels:
        training["labels"] = dict(name_and_value(label, "--label") for label in labels)
    upload: dict[str, Any] = {
        "image_shape": parsed_shape(image_shape),
        "channels": channels,
        "on_unreadable": checked_on_unreadable(on_unreadable),
    }
    with client_of(context) as client:
        if is_file(dataset):
            with transfer(f"uploading {dataset}", quiet=as_json) as on_bytes:
                uploaded = client.datasets.upload(dataset, on_bytes=on_bytes, **upload)
            dataset = uploaded.id
            if not as_json:
                say_content(uploaded)
        elif named := [f"--{name.replace('_', '-')}" for name, value in upload.items() if value is not None]:
            raise WrongArgument(
                f"{named[0]}: applies to a file or folder that is uploaded; {dataset} is a data set on the server, and"
                " keeps its shape"
            )
        job = client.train(dataset, model=model, **training)
        if not detach:
            job = watched(client, job, quiet=as_json)
        if as_json:
            print_json(job)
        elif detach:
            typer.echo(job.id)
        else:
            seconds = job.metrics.get("training_seconds")
            took = f" (after {seconds:.1f} s of training)" if seconds is not None else ""
            result: Any = job.result
            accuracy = accuracy_text(result.test_accuracy, result.accuracy_interval, result.baselines)
            print_line(f"{result.model}@{result.version}: test accuracy {accuracy}{took}")
            print_warnings(job.warnings)


def parsed_settings(texts: list[str]) -> dict[str, Any]:
    """Return settings such as `optimizer.learning_rate=0.01` as a request's fields.

    A value is JSON, or a text if it is not JSON. Raises `WrongArgument`.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, value = name_and_value(text, "--set")
        *path, last = name.split(".")
        _check_name([*path, last][0], text)
        group = found
        for part in path:
            group = group.setdefault(part, {})
            if not isinstance(group, dict):
                raise WrongArgument(f"--set {text}: {part} already has a value, {group!r}, which has no settings")
        group[last] = _value(value)
    return found


def _check_name(name: str, text: str) -> None:
    """Raise `WrongArgument` for a name that is an argument of the command or of `Client.train`."""
    if name in ARGUMENTS:
        raise WrongArgument(f"--set {text}: is not a setting; use {ARGUMENTS[name]}")
    if name in {"self", "on_bytes"}:
        raise WrongArgument(f"--set {text}: is not a setting; `glassbox train --help` lists the settings")


def _value(text: str) -> Any:
    """Return the text as JSON, or unchanged if it is not JSON; NaN and infinite numbers are not JSON."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value


def name_and_value(text: str, option: str) -> tuple[str, str]:
    """Return the parts of `NAME=VALUE`; raises `WrongArgument`."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise WrongArgument(f"{option} {text!r}: must be NAME=VALUE")
    return name, value


def settings_help(known: dict[str, Option] = TRAINING) -> str:
    """Return the help on `--set`: all options but those of the command itself, with descriptions and values."""
    column = max(map(len, known)) + 4
    lines = ["\b", "Settings for --set (a value is JSON or text):"]
    for name, option in known.items():
        if name not in OWN_OPTIONS:
            text = f"{option.description}: {option.values}" if option.values else option.description
            wrapper = TextWrapper(WIDTH, initial_indent=f"  {name}".ljust(column), subsequent_indent=" " * column)
            lines += wrapper.wrap(text)
    return "\n".join(lines)


train.__doc__ = f"{train.__doc__}\n\n{EXAMPLES}"
