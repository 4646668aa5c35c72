"""The summary that `glassbox models verify` prints."""

from __future__ import annotations

from typing import Any

from glassbox.cli.commands.verify import summary
from glassbox.http.reading import read
from glassbox.jobs import ReproductionResult

SAME: dict[str, Any] = {
    "model": "digits",
    "version": 3,
    "reproduced": True,
    "weights_sha256_expected": "aa",
    "weights_sha256_got": "aa",
    "threads": 2,
    "differing_numbers": 0,
    "first_difference": None,
    "environment": {},
}
FIRST = {"parameter": "layer1.weights", "index": [3, 1], "expected": 0.5, "got": 0.25}
OTHER = SAME | {"reproduced": False, "differing_numbers": 1234, "first_difference": FIRST}


def lines(result: dict[str, Any]) -> list[str]:
    return summary(read(ReproductionResult, result))


def test_summary_of_the_same_bits_is_one_line() -> None:
    assert lines(SAME) == ["digits@3 is reproduced bit for bit, with 2 BLAS threads: SHA-256 aa"]


def test_summary_of_a_difference_has_its_first_number() -> None:
    verdict, first, advice = lines(OTHER)

    assert verdict == "digits@3 is NOT reproduced, with 2 BLAS threads: 1,234 numbers differ"
    assert first == "first difference: layer1.weights[3, 1] is 0.25, was 0.5"
    assert "compare the manifest" in advice


def test_summary_of_a_difference_reports_an_array_of_another_shape() -> None:
    shape = {"parameter": "layer1.weights", "index": None, "expected": None, "got": None}

    assert lines(OTHER | {"first_difference": shape})[1] == "first difference: layer1.weights has another shape"


def test_summary_of_a_difference_lists_changes_of_the_environment() -> None:
    changed = {"numpy": {"then": "2.4.5", "now": "2.4.6"}, "cpu": {"then": None, "now": "EPYC"}}

    assert lines(OTHER | {"environment": changed})[2:] == [
        "numpy has changed since the training: 2.4.5 → 2.4.6",
        "cpu has changed since the training: not recorded → EPYC",
    ]
