"""An evaluation in a terminal."""

from __future__ import annotations

import pytest
from glassbox.cli.display.evaluation import class_lines, confusion_lines, curves, matrix_lines, print_evaluation
from glassbox.cli.output import printable

from tests.support.objects.evaluated import an_evaluation

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def test_the_matrix_has_a_row_and_a_column_for_each_class() -> None:
    assert [line.plain for line in matrix_lines(an_evaluation(), 80)] == ["  0 1 2", "0 9 1 ·", "1 · 9 1", "2 1 · 9"]


def test_the_matrix_shows_numbers_if_names_are_long() -> None:
    lines = [line.plain for line in matrix_lines(an_evaluation(FASHION), 80)]

    assert lines[0].split() == list(map(str, range(10)))
    assert lines[1].split()[:4] == ["T-shirt/top", "0", "9", "1"]
    assert max(map(len, lines)) <= 80


def test_the_matrix_of_many_classes_is_a_list_of_confusions() -> None:
    many = an_evaluation(tuple(f"class {number}" for number in range(100)))

    (line,) = matrix_lines(many, 80)

    assert "100 classes" in line.plain
    assert confusion_lines(many)[0].split() == ["1", "×", "class", "0", "predicted", "as", "class", "1"]
    assert len(confusion_lines(many)) == 10


def test_each_class_has_a_line_with_its_metrics() -> None:
    head, first, *_ = class_lines(an_evaluation(FASHION))

    assert head.split() == ["class", "precision", "recall", "F1", "images"]
    assert first.split() == ["T-shirt/top", "90.00%", "90.00%", "90.00%", "10"]


def test_curves_show_the_validation_images_if_there_are_any() -> None:
    assert [title for title, _ in curves(an_evaluation())] == [
        "Validation loss by epoch (last: 0.275)",
        "Validation accuracy by epoch (last: 85.00%)",
    ]
    history = [{"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.75, "validation_loss": None}]
    assert [title for title, _ in curves(an_evaluation(history=history))] == [
        "Training loss by epoch (last: 0.5)",
        "Training accuracy by epoch (last: 75.00%)",
    ]
    assert curves(an_evaluation(history=[])) == []


@pytest.mark.parametrize("labels", [("0", "1", "2"), FASHION])
def test_an_evaluation_in_a_pipe_is_plain_and_fits_into_80_columns(
    capsys: pytest.CaptureFixture[str], labels: tuple[str, ...]
) -> None:
    print_evaluation(an_evaluation(labels))

    lines = capsys.readouterr().out.splitlines()

    assert f"Confusion matrix: {10 * len(labels)} test images (rows: true class, columns: predicted)" in lines
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)


def test_an_evaluation_prints_no_control_sequence_of_a_label(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(an_evaluation(("\x1b[2J\x1b]0;x\x07", "a\nb", "[red]c[/]")))

    out = capsys.readouterr().out

    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[red]c[/]" in out
    assert printable("a\nb\u202e") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
