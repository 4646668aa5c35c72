"""The page: what the version is, how it came to be, how good it is, and how to get it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from glassbox.records.evaluations import Evaluation
from glassbox.records.versions import Version
from glassbox.report.curves import calibration, training
from glassbox.report.first_layer import first_layer
from glassbox.report.markup import Html, element
from glassbox.report.mistakes import surest_mistakes
from glassbox.report.tables import classes, confusion_matrix
from glassbox.report.tensors import Tensor

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""A browser loads nothing for the page and runs nothing in it, whatever texts are in it."""


def page(version: Version, evaluation: Evaluation | None, weights: Tensor | None) -> str:
    """The report of a version. evaluation, weights (pixels, units) of the first layer: None where not known."""
    style = Html((files("glassbox.report") / "style.css").read_text(encoding="utf-8"))
    hidden = version.configuration.get("hidden", ())
    sections = [
        _figures(version, evaluation),
        evaluation and training(evaluation),
        evaluation and confusion_matrix(evaluation),
        evaluation and classes(evaluation),
        evaluation and calibration(evaluation),
        weights and first_layer(weights, version.input.image_shape, is_last=not hidden, classes=version.classes),
        evaluation and surest_mistakes(evaluation),
        _origin(version),
    ]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", f"{version.name} – Glassbox"),
        element("style", style),
    )
    body = element(
        "body",
        element("header", _title(version)),
        element("main", [section for section in sections if section]),
        element("footer", element("p", f"{version.name}, SHA-256 {version.weights.sha256}. Made by Glassbox.")),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def _title(version: Version) -> Html:
    aliases = [element("span", alias, class_="alias") for alias in version.aliases]
    height, width = version.input.image_shape
    told = (
        f"{width}×{height} pixels to {len(version.classes)} classes, {_architecture(version)}. "
        f"Trained {version.created_at[:10]}."
    )
    damaged = (
        [element("p", "The server says that this version is damaged.", class_="warning")] if version.damaged else []
    )
    return element("div", element("h1", version.name, " ", aliases), element("p", told), damaged)


def _architecture(version: Version) -> str:
    hidden = version.configuration.get("hidden", ())
    if not hidden:
        return "without a hidden layer"
    return f"by {version.configuration.get('activation', '')} layers of {', '.join(f'{width:,}' for width in hidden)}"


def _figures(version: Version, evaluation: Evaluation | None) -> Html:
    """What one looks for first."""
    accuracy = evaluation.accuracy if evaluation else version.metrics.get("test_accuracy")
    found = [("test accuracy", None if accuracy is None else f"{accuracy:.2%}")]
    if evaluation:
        wrong = evaluation.samples - round(evaluation.accuracy * evaluation.samples)
        second = evaluation.top_accuracy.get("2")
        found += [
            (f"wrong of {evaluation.samples:,}", f"{wrong:,}"),
            ("top-2 accuracy", f"{second:.2%}" if second is not None else None),
            ("test loss", f"{evaluation.loss:.4g}"),
        ]
    seconds = version.metrics.get("training_seconds")
    found += [
        ("parameters", f"{version.parameters:,}"),
        ("training", f"{seconds:,.1f} s" if seconds is not None else None),
    ]
    tiles = [element("div", element("dt", name), element("dd", value)) for name, value in found if value is not None]
    return element("dl", tiles, class_="tiles")


def _origin(version: Version) -> Html:
    """What the version's bits follow from, and its settings."""
    facts = [
        ("data set", version.dataset),
        ("job", version.job),
        ("seed", str(version.seed)),
        ("BLAS threads", str(version.blas_threads)),
        *version.environment.items(),
        ("weights", f"{version.weights.bytes:,} bytes, SHA-256 {version.weights.sha256}"),
    ]
    again = element("p", "The same data, settings, seed and threads give the same bits: ",
                    element("code", f"glassbox models verify {version.name}"), ".")  # fmt: skip
    return element(
        "section",
        element("h2", "Where it comes from", id="origin"),
        again,
        element("div", _table("Origin", facts), _table("Settings", _flat(version.configuration)), class_="columns"),
        aria_labelledby="origin",
    )


def _table(caption: str, facts: list[tuple[str, str]]) -> Html:
    rows = [element("tr", element("th", name, scope="row"), element("td", value)) for name, value in facts]
    return element("table", element("caption", caption), element("tbody", rows), class_="facts")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Settings under their paths, `optimizer.learning_rate`, without those that are off."""
    found: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            found.append((prefix + name, value if isinstance(value, str) else json.dumps(value)))
    return found
