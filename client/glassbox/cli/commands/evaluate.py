"""`glassbox evaluate`: evaluates a version on a data set, and prints the confusion matrix and each class's metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassbox.cli import options
from glassbox.cli.commands.train import name_and_value
from glassbox.cli.display.accuracy import accuracy_text, print_warnings
from glassbox.cli.display.evaluation import print_evaluation
from glassbox.cli.display.watching import watched
from glassbox.cli.output import plain, print_facts, print_json
from glassbox.cli.session import client_of

if TYPE_CHECKING:
    from glassbox.records.evaluations import Evaluation

EXAMPLES = """\b
Examples:
  glassbox evaluate digits@champion mnist
  glassbox evaluate digits@3 mnist --split train
  glassbox evaluate digits@3 mnist --json
"""


def evaluate(
    context: typer.Context,
    reference: options.Reference,
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="Name or id of a data set on the server (digits, mnist and fashion-mnist are built in).",
            show_default=False,
        ),
    ],
    split: Annotated[
        str, typer.Option(metavar="train|validation|test", help="Part of the data set to evaluate on.")
    ] = "test",
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="NAME=TEXT", help="Label that is kept with the job; repeatable."),
    ] = None,
    priority: options.Priority = None,
    detach: options.Detach = False,
    as_json: options.Json = False,
) -> None:
    """Evaluate a version on a data set."""
    chosen: dict[str, Any] = {"split": split}
    if priority:
        chosen["priority"] = priority
    if labels:
        chosen["labels"] = dict(name_and_value(label, "--label") for label in labels)
    with client_of(context) as client:
        job = client.evaluate(reference, dataset, **chosen)
        if not detach:
            job = watched(client, job, quiet=as_json)
        evaluation = None if detach else job.evaluation()
    if as_json:
        print_json(job if evaluation is None else {**plain(job), "evaluation": plain(evaluation)})
    elif evaluation is None:
        typer.echo(job.id)
    else:
        print_facts(facts(evaluation))
        print_evaluation(evaluation)
        print_warnings(job.warnings)


def facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the facts of an evaluation in one line each."""
    return [
        ("version", f"{evaluation.model}@{evaluation.version}"),
        ("data set", evaluation.dataset),
        ("images", f"{evaluation.samples:,} {evaluation.split} images"),
        ("accuracy", accuracy_text(evaluation.accuracy, evaluation.accuracy_interval)),
        ("loss", f"{evaluation.loss:.4f}"),
        ("calibration error", f"{evaluation.calibration['expected_error']:.4f}"),
    ]


evaluate.__doc__ = f"{evaluate.__doc__}\n\n{EXAMPLES}"
