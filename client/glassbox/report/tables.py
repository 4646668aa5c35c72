"""The report's sections with the confusion matrix and the metrics of each class, as accessible tables."""

from __future__ import annotations

from glassbox.records.evaluations import Evaluation
from glassbox.report.markup import Html, element

LARGEST = 36  # classes of a matrix that fits on the page
CONFUSIONS = 20


def confusion_matrix(evaluation: Evaluation) -> Html:
    """Return the section; for many classes, it has only the most frequent confusions."""
    labels = [measures.label for measures in evaluation.classes]
    return element(
        "section",
        element("h2", "Confusion matrix", id="confusion"),
        element(
            "div",
            _matrix(evaluation, labels) if len(labels) <= LARGEST else element("p", f"{len(labels):,} classes."),
            _confusions(evaluation, labels),
            class_="beside",
        ),
        aria_labelledby="confusion",
    )


def _matrix(evaluation: Evaluation, labels: list[str]) -> Html:
    matrix = evaluation.confusion_matrix
    most = max((count for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j), default=0)
    head = element(
        "tr", element("th", "true \\ predicted", scope="col"), [element("th", label, scope="col") for label in labels]
    )
    rows = [
        element(
            "tr",
            element("th", labels[i], scope="row"),
            [_cell(count, sum(row), most, right=i == j) for j, count in enumerate(row)],
        )
        for i, row in enumerate(matrix)
    ]
    caption = f"{evaluation.samples:,} test images: a row for each true class, a column for each predicted class."
    table = element(
        "table", element("caption", caption), element("thead", head), element("tbody", rows), class_="matrix"
    )
    return element("div", table, class_="wide")


def _cell(count: int, support: int, most: int, *, right: bool) -> Html:
    if not count:
        return element("td", "·", class_="none")
    strength = count / support if right else 0.12 + 0.88 * count / most
    kind = "right" if right else "wrong"
    strong = " strong" if strength > 0.75 else ""
    return element("td", f"{count:,}", class_=kind + strong, style=f"--strength: {strength:.2f}")


def _confusions(evaluation: Evaluation, labels: list[str]) -> Html:
    """Return a list of the most frequent confusions."""
    found = [
        (count, labels[i], labels[j])
        for i, row in enumerate(evaluation.confusion_matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    found.sort(key=lambda one: -one[0])
    if not found:
        return element("p", "Every test image is classified correctly.")
    shown = found[: CONFUSIONS if len(labels) > LARGEST else 5]
    items = [element("li", element("b", label), " predicted as ", element("b", other), f", {count:,} times" if count > 1
             else ", once") for count, label, other in shown]  # fmt: skip
    return element("div", element("h3", "Most frequent confusions"), element("ol", items), class_="confusions")


def classes(evaluation: Evaluation) -> Html:
    """Return the section with precision, recall and F1 of each class."""
    columns = ("precision", "recall", "F1")
    head = element(
        "tr",
        element("th", "class", scope="col"),
        [element("th", column, scope="col") for column in columns],
        element("th", "test images", scope="col"),
    )
    rows = [
        element(
            "tr",
            element("th", measures.label, scope="row"),
            [_share(value) for value in (measures.precision, measures.recall, measures.f1)],
            element("td", f"{measures.support:,}"),
        )
        for measures in evaluation.classes
    ]
    caption = (
        "Precision: the share of the images predicted as a class that belong to it. Recall: the share of a class's "
        "images that are predicted as it. F1: their harmonic mean."
    )
    return element(
        "section",
        element("h2", "Metrics of each class", id="classes"),
        element("table", element("caption", caption), element("thead", head), element("tbody", rows), class_="classes"),
        aria_labelledby="classes",
    )


def _share(value: float) -> Html:
    return element("td", element("span", f"{value:.1%}", class_="share", style=f"--share: {value:.4f}"))
