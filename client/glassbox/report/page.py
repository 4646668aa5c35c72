"""The report's page: a version's metrics, training, errors, weights and provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from glassbox.records.evaluations import Evaluation
from glassbox.records.versions import Version
from glassbox.report.assessment import baselines, diagnosis
from glassbox.report.curves import calibration, training
from glassbox.report.first_layer import first_layer
from glassbox.report.markup import Html, element
from glassbox.report.mistakes import most_confident_errors
from glassbox.report.selection import selection
from glassbox.report.tables import classes, confusion_matrix
from glassbox.report.tensors import Tensor

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The browser loads no resource and runs no script, even if a text of the server contains one."""


def page(version: Version, evaluation: Evaluation | None, weights: Tensor | None) -> str:
    """Return a version's report. weights: those of the first layer. evaluation, weights: may be missing."""
    style = Html((files("glassbox.report") / "style.css").read_text(encoding="utf-8"))
    is_last = not version.configuration.get("hidden") and not version.configuration.get("convolutions")
    sections = [
        _figures(version, evaluation),
        diagnosis(version),
        evaluation and training(evaluation),
        evaluation and confusion_matrix(evaluation),
        evaluation and classes(evaluation),
        evaluation and calibration(evaluation),
        weights and first_layer(weights, version.input.image_shape, is_last=is_last, classes=version.classes),
        evaluation and most_confident_errors(evaluation),
        version.selection and selection(version.selection),
        _provenance(version),
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
    height, width, *channels = version.input.image_shape
    summary = (
        f"{height}×{width} pixels{' in colour' if channels else ''}, {_architecture(version)}, "
        f"{len(version.classes)} classes. Trained on {version.created_at[:10]}."
    )
    damaged = [element("p", "This version is damaged: it cannot be used.", class_="warning")] if version.damaged else []
    return element("div", element("h1", version.name, " ", aliases), element("p", summary), damaged)


def _architecture(version: Version) -> str:
    configuration = version.configuration
    convolutions = [f"{layer['filters']:,} filters {_square(layer)}" for layer in configuration.get("convolutions", ())]
    hidden = [f"{width:,}" for width in configuration.get("hidden", ())]
    parts = []
    if convolutions:
        parts.append(f"convolutions {', '.join(convolutions)}")
    if hidden:
        parts.append(f"hidden layers {', '.join(hidden)}")
    return f"{', '.join(parts)} ({configuration.get('activation', '')})" if parts else "no hidden layers"


def _square(layer: Mapping[str, Any]) -> str:
    return f"{layer['kernel_size']}×{layer['kernel_size']}"


def _figures(version: Version, evaluation: Evaluation | None) -> Html:
    """Return the tiles with the main metrics."""
    accuracy = evaluation.accuracy if evaluation else version.metrics.get("test_accuracy")
    found = [("test accuracy", None if accuracy is None else f"{accuracy:.2%}"), *baselines(version)]
    if evaluation:
        wrong = evaluation.samples - round(evaluation.accuracy * evaluation.samples)
        second = evaluation.top_accuracy.get("2")
        found += [
            (f"errors of {evaluation.samples:,}", f"{wrong:,}"),
            ("top-2 accuracy", f"{second:.2%}" if second is not None else None),
            ("test loss", f"{evaluation.loss:.4g}"),
        ]
    seconds = version.metrics.get("training_seconds")
    found += [
        ("parameters", f"{version.parameters:,}"),
        ("training time", f"{seconds:,.1f} s" if seconds is not None else None),
    ]
    tiles = [element("div", element("dt", name), element("dd", value)) for name, value in found if value is not None]
    return element("dl", tiles, class_="tiles")


def _provenance(version: Version) -> Html:
    """Return the section with everything that determines the version's bits."""
    facts = [
        ("data set", version.dataset),
        ("job", version.job),
        ("random seed", str(version.seed)),
        ("BLAS threads", str(version.blas_threads)),
        *version.environment.items(),
        ("weights", f"{version.weights.bytes:,} bytes, SHA-256 {version.weights.sha256}"),
    ]
    verify = element("p", "The same data, settings, seed and threads give the same bits: ",
                    element("code", f"glassbox models verify {version.name}"), ".")  # fmt: skip
    return element(
        "section",
        element("h2", "Provenance", id="origin"),
        verify,
        element("div", _table("Inputs", facts), _table("Settings", _flat(version.configuration)), class_="columns"),
        aria_labelledby="origin",
    )


def _table(caption: str, facts: list[tuple[str, str]]) -> Html:
    rows = [element("tr", element("th", name, scope="row"), element("td", value)) for name, value in facts]
    return element("table", element("caption", caption), element("tbody", rows), class_="facts")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return settings by path, such as `optimizer.learning_rate`; those that are None are omitted."""
    found: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            found.append((prefix + name, value if isinstance(value, str) else json.dumps(value)))
    return found
