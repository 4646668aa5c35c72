"""`glassbox models`: lists, shows, compares and changes models, their versions and aliases; downloads weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from glassbox.cli import options
from glassbox.cli.commands import report, verify
from glassbox.cli.display.accuracy import accuracy_text
from glassbox.cli.display.evaluation import print_evaluation
from glassbox.cli.messages import without_api_syntax
from glassbox.cli.output import moment, plain, print_facts, print_json, print_line, print_table, share
from glassbox.cli.session import client_of
from glassbox.cli.transfer import transfer
from glassbox.errors import NotFound
from glassbox.records.selections import COLUMNS

if TYPE_CHECKING:
    from glassbox.models import Models
    from glassbox.records.predictions import Comparison
    from glassbox.records.selections import Selection
    from glassbox.records.versions import Version

EXAMPLES = """\b
Examples:
  glassbox models list
  glassbox models show digits@champion
  glassbox models promote digits@3 --alias champion
  glassbox models compare digits@champion digits@latest
  glassbox models report digits@champion -o report.html
  glassbox models download digits@3 -o digits.npz
  glassbox models download digits@3 --format onnx
  glassbox models verify digits@3
"""

WeightsFormat = Literal["npz", "safetensors", "onnx"]

app = typer.Typer(
    help=f"List, show, compare, promote, download, verify and delete versions of models.\n\n{EXAMPLES}",
    no_args_is_help=True,
)


@app.command("list")
def list_models(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="Model whose versions to list; by default the models are listed.",
            autocompletion=options.model_names,
            show_default=False,
        ),
    ] = None,
    limit: options.Limit = 50,
    as_json: options.Json = False,
) -> None:
    """List the models, or one model's versions."""
    with client_of(context) as client:
        models = None if name else list(client.models.list(limit))
        versions = list(client.models.versions(name, limit)) if name else [model.latest for model in models or []]
    if as_json:
        print_json(versions if models is None else models)
        return
    rows: list[tuple[Any, ...]]
    if models is None:
        columns = ("version", "aliases", "test accuracy>", "parameters>", "created")
        rows = [
            (v.name, ", ".join(v.aliases), accuracy(v), f"{v.parameters:,}", moment(v.created_at)) for v in versions
        ]
    else:
        columns = ("model", "versions>", "aliases", "test accuracy>", "newest")
        rows = [
            (m.name, m.versions, pointers(m.aliases), accuracy(m.latest), moment(m.latest.created_at)) for m in models
        ]
    print_table(columns, rows, empty="no models; `glassbox train` trains one")


@app.command()
def show(context: typer.Context, reference: options.Reference, as_json: options.Json = False) -> None:
    """Show a version: its configuration, metrics, confusion matrix and training curves."""
    from glassbox.models import evaluation_of  # noqa: PLC0415 - see the package's docstring

    with client_of(context) as client:
        version = client.models.version(reference)
        evaluation = evaluation_of(client.models, version.name)
    if as_json:
        print_json({**plain(version), "evaluation": plain(evaluation)})
        return
    print_version(version)
    if version.selection is not None:
        print_selection(version.selection)
    if evaluation is not None:
        print_evaluation(evaluation)


@app.command()
def compare(
    context: typer.Context,
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL[@VERSION]…",
            help="Two or more versions.",
            autocompletion=options.versions,
            show_default=False,
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Compare versions. Shows their metrics, the settings that differ, and the test images that only one gets right."""
    with client_of(context) as client:
        versions = [client.models.version(reference) for reference in references]
        comparisons = [] if as_json else [compared(client.models, versions[0], version) for version in versions[1:]]
    if as_json:
        print_json(versions)
        return
    rows = [*differences(versions), *image_counts(versions[0], comparisons)]
    print_table(("", *(version.name for version in versions)), rows, empty="")


@app.command()
def promote(
    context: typer.Context,
    reference: options.Reference,
    alias: Annotated[str, typer.Option("--alias", "-a", help="Alias that is moved to the version.")] = "champion",
    as_json: options.Json = False,
) -> None:
    """Point an alias to a version."""
    with client_of(context) as client:
        moved = client.models.promote(reference, alias)
    if as_json:
        print_json(moved)
    else:
        print_line(f"{moved.model}@{moved.alias} is version {moved.version}")


@app.command()
def download(
    context: typer.Context,
    reference: options.Reference,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File for the weights (default: digits-3.npz).", show_default=False
        ),
    ] = None,
    weights_format: Annotated[
        WeightsFormat | None,
        typer.Option("--format", "-f", help="Format (default: by the file's ending, else npz).", show_default=False),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Download a version's weights. Their SHA-256 is verified."""
    with client_of(context) as client, transfer(f"downloading {reference}", quiet=as_json) as on_bytes:
        path = client.models.download(reference, output, on_bytes, weights_format)
    if as_json:
        print_json({"path": str(path), "bytes": path.stat().st_size})
    else:
        typer.echo(path)


app.command("report")(report.report)
app.command("verify")(verify.verify)


@app.command()
def delete(
    context: typer.Context, reference: options.Reference, force: options.Force = False, as_json: options.Json = False
) -> None:
    """Delete a version, digits@3, or a model with all its versions, digits."""
    with client_of(context) as client:
        client.models.delete(reference, force=force)
    if as_json:
        print_json({"deleted": reference})
    else:
        print_line(f"{reference} is deleted")


def print_version(version: Version) -> None:
    """Print a version's facts."""
    print_facts(
        [
            ("version", version.name + (", DAMAGED: it cannot be used" if version.damaged else "")),
            ("aliases", ", ".join(version.aliases)),
            ("created", moment(version.created_at)),
            ("job", version.job),
            ("data set", version.dataset),
            ("images", "×".join(map(str, version.input.image_shape))),
            ("classes", ", ".join(version.classes)),
            ("parameters", f"{version.parameters:,}"),
            (
                "test accuracy",
                accuracy_text(version.metrics.get("test_accuracy"), version.accuracy_interval, version.baselines),
            ),
            ("test loss", loss(version)),
            ("weights", f"{version.weights.bytes:,} bytes, SHA-256 {version.weights.sha256}"),
            ("configuration", ", ".join(f"{name}={value}" for name, value in flat(version.configuration))),
            *(
                ("warning", f"{without_api_syntax(finding.message)} ({finding.code})")
                for finding in version.diagnosis or ()
            ),
        ]
    )


def print_selection(selection: Selection) -> None:
    """Print what the preset `auto` tried."""
    print()
    print_line(f"Selection: {selection.summary}")
    print_table(COLUMNS, selection.rows(), empty="")


def differences(versions: list[Version]) -> list[tuple[str, ...]]:
    """Return a row for each metric, and for each setting that differs between the versions."""
    rows = [
        ("test accuracy", *(accuracy_text(v.metrics.get("test_accuracy"), v.accuracy_interval) for v in versions)),
        *_assessments(versions),
        ("test loss", *map(loss, versions)),
        ("parameters", *(f"{version.parameters:,}" for version in versions)),
        ("weights, bytes", *(f"{version.weights.bytes:,}" for version in versions)),
        ("created", *(moment(version.created_at) for version in versions)),
        ("data set", *(version.dataset[:19] for version in versions)),
    ]
    settings = [dict(flat(version.configuration)) for version in versions]
    for name in dict.fromkeys(name for each in settings for name in each):
        values = [str(each.get(name, "")) for each in settings]
        if len(set(values)) > 1:
            rows.append((name, *values))
    return rows


def compared(models: Models, first: Version, other: Version) -> Comparison | None:
    """Return the comparison on the same test images; None if these differ, or an older release published a version."""
    if first.dataset != other.dataset:
        return None
    try:
        return models.compare(first.name, other.name)
    except NotFound as error:
        if error.code != "predictions_not_found":
            raise
        return None


def image_counts(first: Version, comparisons: list[Comparison | None]) -> list[tuple[str, ...]]:
    """Return the rows with the counts of images that only one of the first and each other version gets right."""
    if not any(comparisons):
        return []
    return [
        (
            f"right where {first.name} is wrong",
            "",
            *("" if each is None else f"{each.counts.only_other_right:,}" for each in comparisons),
        ),
        (
            f"wrong where {first.name} is right",
            "",
            *("" if each is None else f"{each.counts.only_this_right:,}" for each in comparisons),
        ),
        ("p value (McNemar)", "", *("" if each is None else f"{each.p_value:.3g}" for each in comparisons)),
    ]


def _assessments(versions: list[Version]) -> list[tuple[str, ...]]:
    """Return the rows with the baselines and the codes of the diagnoses, without those that no version has."""
    rows = [
        ("linear model", *(share(version.baselines and version.baselines.linear) for version in versions)),
        (
            "most frequent class",
            *(share(version.baselines and version.baselines.majority_class) for version in versions),
        ),
        ("warnings", *(", ".join(finding.code for finding in version.diagnosis or ()) for version in versions)),
    ]
    return [row for row in rows if any(row[1:])]


def flat(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return a configuration's settings by path; those that are None are omitted.

    Paths are like `optimizer.learning_rate` and `convolutions[0].filters`.
    """
    found = []
    for name, value in settings.items():
        if isinstance(value, dict):
            found += flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
            for number, each in enumerate(value):
                found += flat(each, f"{prefix}{name}[{number}].")
        elif value is not None:
            found.append((f"{prefix}{name}", value))
    return found


def accuracy(version: Version) -> str:
    """Return a version's accuracy on the test images as a percentage."""
    return share(version.metrics.get("test_accuracy"))


def loss(version: Version) -> str:
    """Return a version's loss on the test images."""
    value = version.metrics.get("test_loss")
    return "" if value is None else f"{value:.4f}"


def pointers(aliases: dict[str, int]) -> str:
    """Return aliases with the versions that they point to."""
    return ", ".join(f"{alias} → {version}" for alias, version in sorted(aliases.items()))
