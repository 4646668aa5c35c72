"""The format of rows and errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Malformed
from shared.results.lines import RowWriter, error_line, parsed_rows

LABELS, PROBABILITIES = np.array([[1, 0]]), np.array([[0.75, 1e-10]], np.float32)


def test_a_row_has_the_format_of_the_contract() -> None:
    [line] = RowWriter(["cat", "dog"], 2).rows(["a.png"], LABELS, PROBABILITIES)

    assert line == (
        '{"path": "a.png", "label": "dog", "confidence": 0.75, '
        '"top": [{"label": "dog", "probability": 0.75}, {"label": "cat", "probability": 1e-10}]}\n'
    )


@given(path=st.text(st.characters(exclude_categories=["Cs"])), name=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_path_and_any_class_survive_the_round_trip(path: str, name: str) -> None:
    labels, probabilities = np.array([[1], [1]]), np.ones((2, 1), np.float32)

    lines = RowWriter(["cat", name], 1).rows([path, path], labels, probabilities)

    assert [(row["path"], row["label"]) for row in parsed_rows("".join(lines).encode())] == [(path, name)] * 2


@given(probability=st.floats(2**-33, 1, width=32))
def test_a_probability_keeps_seven_digits(probability: float) -> None:
    [line] = RowWriter(["cat"], 1).rows(["a"], np.array([[0]]), np.array([[probability]], np.float32))

    assert json.loads(line)["confidence"] == pytest.approx(probability, rel=5e-7)


def test_an_error_has_path_code_and_detail() -> None:
    line = error_line("ü.png", Malformed("image_damaged", "cut short"))

    assert json.loads(line) == {"path": "ü.png", "code": "image_damaged", "detail": "cut short"}
    assert "ü" in line


def test_empty_content_has_no_rows() -> None:
    assert parsed_rows(b"") == []
