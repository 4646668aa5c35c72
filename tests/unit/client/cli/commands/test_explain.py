"""What `glassbox explain` prints."""

from __future__ import annotations

from typing import Any

from glassbox.cli.commands.explain import facts
from glassbox.http.reading import read
from glassbox.records.explanations import Explanation

ATTRIBUTION: dict[str, Any] = {
    "method": "integrated_gradients",
    "target": "9",
    "against": "4",
    "baseline": "black",
    "steps": 64,
    "smooth": 0,
    "values": [[0.5]],
    "completeness": {"sum": 10.969, "difference": 10.966, "gap": 0.003},
    "control": {"seed": 3, "values": [[0.1]], "rank_correlation": 0.123},
}
FOUND: dict[str, Any] = {
    "model": "digits",
    "version": 3,
    "input": {"pixels": [[255]], "inverted": False, "label": None},
    "prediction": {"label": "9", "confidence": 0.98765},
    "classes": ["4", "9"],
    "logits": [0.0, 5.0],
    "probabilities": [0.01235, 0.98765],
    "layers": [],
    "attribution": ATTRIBUTION,
}


def printed(**attribution: Any) -> dict[str, str | None]:
    return dict(facts(read(Explanation, FOUND | {"attribution": ATTRIBUTION | attribution})))


def test_the_sum_and_the_control_are_printed_beside_the_prediction() -> None:
    assert printed() == {
        "model": "digits@3",
        "inverted": None,
        "changed": None,
        "prediction": "9 (98.77%)",
        "explained": "the logit of 9 minus that of 4",
        "method": "integrated gradients, 64 steps, baseline black",
        "completeness": "the map sums to 10.969, the score differs by 10.966 (gap 0.003, 0.03%)",
        "random weights": "rank correlation of both maps 0.12 (seed 3)",
    }


def test_what_a_method_does_not_have_is_not_printed() -> None:
    found = printed(
        method="gradient", against=None, baseline=None, steps=None, smooth=5, completeness=None, control=None
    )

    assert (found["explained"], found["method"]) == ("the logit of 9", "gradient, mean of 5 copies with noise")
    assert (found["completeness"], found["random weights"]) == (None, None)


def test_a_difference_of_0_has_no_relative_gap() -> None:
    found = printed(completeness={"sum": 0.1, "difference": 0.0, "gap": 0.1})
    assert found["completeness"] == "the map sums to 0.100, the score differs by 0.000 (gap 0.100)"


def test_a_corrected_sum_is_printed_with_the_error_before() -> None:
    sums = {"sum": 10.966, "difference": 10.966, "gap": 0.0, "correction": 0.02}
    found = printed(rule="adaptive", completeness=sums)
    assert found["method"] == "integrated gradients, 64 steps by the rule adaptive, baseline black"
    assert found["completeness"] == (
        "the map sums to 10.966, the score differs by 10.966 (error of the integral -0.020, 0.18%; corrected)"
    )
