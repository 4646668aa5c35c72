"""An evaluation in a terminal."""

from __future__ import annotations

import pytest
from glassbox.cli.display.evaluation import class_lines, confusion_lines, curves, matrix_lines, print_evaluation
from glassbox.cli.output import printable

from tests.support.objects.evaluated import an_evaluation

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def test_the_matrix_has_a_row_and_a_column_for_each_class() -> None:
    assert [line.plain for line in matrix_lines(an_evaluation(), 80)] == ["  0 1 2", "0 9 1 ·", "1 · 9 1", "2 1 · 9"]


def test_long_names_are_numbered() -> None:
    lines = [line.plain for line in matrix_lines(an_evaluation(FASHION), 80)]

    assert lines[0].split() == list(map(str, range(10)))
    assert lines[1].split()[:4] == ["T-shirt/top", "0", "9", "1"]
    assert max(map(len, lines)) <= 80


def test_too_many_classes_are_told_in_words() -> None:
    many = an_evaluation(tuple(f"class {number}" for number in range(100)))

    (line,) = matrix_lines(many, 80)

    assert "100 classes" in line.plain
    assert confusion_lines(many)[0].split() == ["1", "×", "class", "0", "taken", "for", "class", "1"]
    assert len(confusion_lines(many)) == 10


def test_classes_have_their_figures() -> None:
    head, first, *_ = class_lines(an_evaluation(FASHION))

    assert head.split() == ["class", "precision", "recall", "F1", "images"]
    assert first.split() == ["T-shirt/top", "90.00%", "90.00%", "90.00%", "10"]


def test_curves_are_those_of_the_validation_images_where_there_are_some() -> None:
    assert [title for title, _ in curves(an_evaluation())] == [
        "validation loss by epoch, 0.275 at last",
        "validation accuracy by epoch, 85.00% at last",
    ]
    history = [{"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.75, "validation_loss": None}]
    assert [title for title, _ in curves(an_evaluation(history=history))] == [
        "train loss by epoch, 0.5 at last",
        "train accuracy by epoch, 75.00% at last",
    ]
    assert curves(an_evaluation(history=[])) == []


@pytest.mark.parametrize("labels", [("0", "1", "2"), FASHION])
def test_in_a_pipe_it_is_plain_and_fits_into_80_columns(
    capsys: pytest.CaptureFixture[str], labels: tuple[str, ...]
) -> None:
    print_evaluation(an_evaluation(labels))

    lines = capsys.readouterr().out.splitlines()

    assert f"confusion matrix, {10 * len(labels)} test images (rows: what they are)" in lines
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)


def test_a_terminal_obeys_no_label(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(an_evaluation(("\x1b[2J\x1b]0;x\x07", "a\nb", "[red]c[/]")))

    out = capsys.readouterr().out

    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[red]c[/]" in out
    assert printable("a\nb\u202e") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
