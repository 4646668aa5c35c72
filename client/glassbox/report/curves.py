"""The report's sections on the training (loss and accuracy by epoch) and on the calibration."""

from __future__ import annotations

from collections.abc import Callable

from glassbox.records.evaluations import Evaluation
from glassbox.report.charts import Bin, Curve, line_chart, reliability
from glassbox.report.markup import Html, element


def training(evaluation: Evaluation) -> Html | None:
    """Return the section with the training curves, or None without a history."""
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
        element("h2", "Training", id="training"),
        element("div", charts, class_="charts"),
        _epochs(evaluation),
        aria_labelledby="training",
    )


def _chart(
    evaluation: Evaluation, metric: str, title: str, shown: Callable[[float], str], scale: float = 1.0
) -> Html | None:
    """Return the chart of a metric, or None if no epoch has it."""
    curves = []
    for part in ("train", "validation"):
        points = [
            (float(entry["epoch"]), scale * float(entry[f"{part}_{metric}"]))
            for entry in evaluation.history
            if entry.get(f"{part}_{metric}") is not None
        ]
        if points:
            name = {"train": "training", "validation": "validation"}[part]
            curves.append(Curve(f"{name} {shown(points[-1][1])}", part, points))
    if not curves:
        return None
    ends = (f"{curve.name} in the last epoch, {shown(curve.points[0][1])} in the first" for curve in curves)
    summary = f"{title} by epoch. " + "; ".join(ends)
    title = f"{title}, last epoch:"
    return line_chart(title, summary, curves, "epoch", shown)


def _epochs(evaluation: Evaluation) -> Html:
    """Return the table of all epochs."""
    columns = {
        "train_loss": "training loss",
        "train_accuracy": "training accuracy",
        "validation_loss": "validation loss",
        "validation_accuracy": "validation accuracy",
        "gradient_norm": "gradient norm",
        "learning_rate": "learning rate",
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
    return element("details", element("summary", "All epochs"), element("div", table, class_="wide"), class_="numbers")


def calibration(evaluation: Evaluation) -> Html | None:
    """Return the section with the reliability diagram, or None without bins."""
    bins = [
        Bin(float(b["above"]), float(b["to"]), int(b["count"]), b.get("accuracy"))
        for b in evaluation.calibration.get("bins", ())
    ]
    if not bins:
        return None
    error = float(evaluation.calibration["expected_error"])
    summary = f"Accuracy by predicted probability; the expected calibration error is {error:.2%}"
    return element(
        "section",
        element("h2", "Calibration", id="calibration"),
        element(
            "div",
            reliability(bins, summary),
            element(
                "p",
                "In a calibrated model, 80% of the predictions with a probability of 80% are correct, and each bar "
                "ends on the line. A bar above the line is under-confident, a bar below it over-confident. "
                "The expected calibration error is ",
                element("b", f"{error:.2%}"),
                ".",
            ),
            class_="charts",
        ),
        aria_labelledby="calibration",
    )
