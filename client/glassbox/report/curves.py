"""How the training went, epoch by epoch, and how far its probabilities can be believed."""

from __future__ import annotations

from collections.abc import Callable

from glassbox.records.evaluations import Evaluation
from glassbox.report.charts import Bin, Curve, line_chart, reliability
from glassbox.report.markup import Html, element


def training(evaluation: Evaluation) -> Html | None:
    """The section with the curves; None where there is no history."""
    charts = [
        chart
        for chart in (
            _chart(evaluation, "loss", "Loss (cross-entropy, nats)", lambda value: f"{value:.3g}"),
            _chart(evaluation, "accuracy", "Accuracy", lambda value: f"{value:.4g}%", scale=100),
        )
        if chart is not None
    ]
    if not charts:
        return None
    return element(
        "section",
        element("h2", "How the training went", id="training"),
        element("div", charts, class_="charts"),
        _epochs(evaluation),
        aria_labelledby="training",
    )


def _chart(
    evaluation: Evaluation, what: str, title: str, shown: Callable[[float], str], scale: float = 1.0
) -> Html | None:
    curves = []
    for part in ("train", "validation"):
        points = [
            (float(entry["epoch"]), scale * float(entry[f"{part}_{what}"]))
            for entry in evaluation.history
            if entry.get(f"{part}_{what}") is not None
        ]
        if points:
            curves.append(Curve(f"{part} {shown(points[-1][1])}", part, points))
    if not curves:
        return None
    described = f"{title} by epoch. " + "; ".join(f"{c.name}, {shown(c.points[0][1])} at first" for c in curves)
    title = f"{title}, at last:"
    return line_chart(title, described, curves, "epoch", shown)


def _epochs(evaluation: Evaluation) -> Html:
    """The same in numbers."""
    columns = {
        "train_loss": "loss",
        "train_accuracy": "accuracy",
        "validation_loss": "validation loss",
        "validation_accuracy": "validation accuracy",
        "gradient_norm": "gradient norm",
        "seconds": "seconds",
    }
    known = {
        name: title
        for name, title in columns.items()
        if any(entry.get(name) is not None for entry in evaluation.history)
    }
    head = element("tr", [element("th", title, scope="col") for title in ("epoch", *known.values())])
    rows = [
        element(
            "tr",
            element("th", str(entry["epoch"]), scope="row"),
            [element("td", "" if entry.get(name) is None else f"{entry[name]:.4g}") for name in known],
        )
        for entry in evaluation.history
    ]
    table = element("table", element("thead", head), element("tbody", rows))
    return element(
        "details", element("summary", "The epochs in numbers"), element("div", table, class_="wide"), class_="numbers"
    )


def calibration(evaluation: Evaluation) -> Html | None:
    """The section with the reliability diagram; None where nothing is known of it."""
    bins = [
        Bin(float(b["above"]), float(b["to"]), int(b["count"]), b.get("accuracy"))
        for b in evaluation.calibration.get("bins", ())
    ]
    if not bins:
        return None
    error = float(evaluation.calibration["expected_error"])
    described = (
        f"Share of right answers by the probability of the answer; the expected calibration error is {error:.2%}"
    )
    return element(
        "section",
        element("h2", "Whether its probabilities can be believed", id="calibration"),
        element(
            "div",
            reliability(bins, described),
            element(
                "p",
                "Of the answers that it gives with a probability of 80%, 80% should be right: then a bar ends on the "
                "line. One that ends above it is right more often than the network says, one below it less often. "
                "On average it is off by ",
                element("b", f"{error:.2%}"),
                " (the expected calibration error).",
            ),
            class_="charts",
        ),
        aria_labelledby="calibration",
    )
