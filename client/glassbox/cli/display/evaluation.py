"""A version's evaluation in a terminal: the confusion matrix, the metrics of each class, the training curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from glassbox.cli.display.charts import curve
from glassbox.cli.output import printable, share

if TYPE_CHECKING:
    from rich.text import Text

    from glassbox.records.evaluations import Evaluation

NARROWEST = 80
LONGEST_NAME = 16
SHOWN_CONFUSIONS = 10
FIGURES: dict[str, Callable[[float], str]] = {"loss": lambda value: f"{value:.3g}", "accuracy": share}


def print_evaluation(evaluation: Evaluation) -> None:
    """Print an evaluation; in a pipe as plain text."""
    from rich.console import Console  # noqa: PLC0415 - see the package's docstring

    console = Console(highlight=False, soft_wrap=True)
    images = f"{evaluation.samples:,} {evaluation.split} images"
    parts: list[tuple[str, Sequence[str | Text]]] = [
        (
            f"Confusion matrix: {images} (rows: true class, columns: predicted)",
            [*matrix_lines(evaluation, max(console.width, NARROWEST)), *confusion_lines(evaluation)],
        ),
        ("Metrics of each class", class_lines(evaluation)),
        *curves(evaluation),
    ]
    for title, lines in parts:
        console.print()
        console.print(title, style="bold", markup=False)
        for line in lines:
            console.print(line, markup=False)


def matrix_lines(evaluation: Evaluation, width: int) -> list[Text]:
    """Return the lines of the confusion matrix; if the names are too long for columns, classes have numbers."""
    from rich.text import Text  # noqa: PLC0415

    names = [printable(measures.label) for measures in evaluation.classes]
    numbers = [str(number) for number in range(len(names))]
    numbered = [f"{_short(name)} {number}" for name, number in zip(names, numbers, strict=True)]
    for rows, columns in ((names, names), (numbered, numbers)):
        lines = _matrix(evaluation.confusion_matrix, rows, columns)
        if max(map(len, lines)) <= width:
            return lines
    return [Text(f"({len(names)} classes are too many for a terminal; `glassbox models report` makes a page)", "dim")]


def _matrix(matrix: tuple[tuple[int, ...], ...], labels: list[str], columns: list[str]) -> list[Text]:
    """Return the matrix with correct predictions in blue, errors in red, and frequent errors in bold."""
    from rich.text import Text  # noqa: PLC0415

    margin = max(map(len, labels))
    widths = [max(len(column), *(len(str(row[j])) for row in matrix)) + 1 for j, column in enumerate(columns)]
    most = max((count for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j), default=0)
    head = Text(" " * margin + "".join(f"{each:>{width}}" for each, width in zip(columns, widths, strict=True)), "dim")
    lines = [head]
    for i, row in enumerate(matrix):
        line = Text(f"{labels[i]:>{margin}}", "dim")
        for j, count in enumerate(row):
            style = "bold blue" if i == j else _style(count, most)
            line.append(f"{count or '·':>{widths[j]}}", style)
        lines.append(line)
    return lines


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _style(count: int, most: int) -> str:
    if not count:
        return "dim"
    return "bold red" if 2 * count > most else "red"


def confusion_lines(evaluation: Evaluation) -> list[str]:
    """Return the most frequent confusions in words, if the matrix has many classes; else nothing."""
    labels = [printable(measures.label) for measures in evaluation.classes]
    found = [
        (count, labels[i], labels[j])
        for i, row in enumerate(evaluation.confusion_matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    if len(labels) <= SHOWN_CONFUSIONS:
        return []
    found.sort(key=lambda one: -one[0])
    return [f"{count:>6,} × {label} predicted as {other}" for count, label, other in found[:SHOWN_CONFUSIONS]]


def class_lines(evaluation: Evaluation) -> list[str]:
    """Return a line for each class: precision, recall, F1 and the number of images."""
    names = [_short(printable(measures.label)) for measures in evaluation.classes]
    margin = max(5, *map(len, names))
    lines = [f"{'class':<{margin}}  {'precision':>9}  {'recall':>7}  {'F1':>7}  {'images':>7}"]
    for name, each in zip(names, evaluation.classes, strict=True):
        shares = f"{share(each.precision):>9}  {share(each.recall):>7}  {share(each.f1):>7}"
        lines.append(f"{name:<{margin}}  {shares}  {each.support:>7,}")
    return lines


def curves(evaluation: Evaluation) -> list[tuple[str, list[str]]]:
    """Return titles and charts of loss and accuracy by epoch, of the validation images if there are any."""
    found = []
    for metric, shown in FIGURES.items():
        part = "validation" if f"validation_{metric}" in _measured(evaluation) else "train"
        values = [float(entry[f"{part}_{metric}"]) for entry in evaluation.history if f"{part}_{metric}" in entry]
        if values:
            title = f"{'Validation' if part == 'validation' else 'Training'} {metric} by epoch"
            found.append((f"{title} (last: {shown(values[-1])})", curve(values, shown)))
    return found


def _measured(evaluation: Evaluation) -> set[str]:
    """Return the metrics that the first epoch has."""
    return {name for entry in evaluation.history[:1] for name, value in entry.items() if value is not None}
