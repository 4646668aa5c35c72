from __future__ import annotations

import json
import math

import numpy as np
import pytest

from shared.network import Evaluation
from shared.network.arrays import Array, Labels

CLASSES = 4


@pytest.fixture(name="P")
def probabilities(rng: np.random.Generator) -> Array:
    """Return probabilities of four classes; the last class is never predicted."""
    weights: Array = rng.random((60, CLASSES)) * [1, 2, 1.5, 0]
    weights /= weights.sum(axis=1, keepdims=True)
    weights += 1e-9
    return weights


@pytest.fixture
def y(rng: np.random.Generator) -> Labels:
    return rng.integers(1, CLASSES, 60)  # the first class has no images


def counts(P: Array, y: Labels, label: int) -> tuple[int, int, int]:
    """Return true positives, false positives and false negatives, counted image by image."""
    predictions = [int(np.argmax(row)) for row in P]
    pairs = list(zip(predictions, y.tolist(), strict=True))
    hits = sum(prediction == truth == label for prediction, truth in pairs)
    return hits, sum(a == label != t for a, t in pairs), sum(t == label != a for a, t in pairs)


def test_accuracy_and_loss_are_averages_over_the_images(P: Array, y: Labels) -> None:
    evaluation = Evaluation.of(P, y)
    assert evaluation.samples == 60
    assert evaluation.accuracy == np.mean([row.argmax() == label for row, label in zip(P, y, strict=True)])
    assert evaluation.loss == pytest.approx(-sum(math.log(P[i, label]) for i, label in enumerate(y)) / 60)


def test_the_confusion_counts_each_pair_of_class_and_prediction(P: Array, y: Labels) -> None:
    expected = np.zeros((CLASSES, CLASSES), int)
    for row, label in zip(P, y, strict=True):
        expected[label, row.argmax()] += 1
    np.testing.assert_array_equal(Evaluation.of(P, y).confusion, expected)


@pytest.mark.parametrize("label", range(CLASSES))
def test_precision_recall_and_f1_follow_their_definitions(label: int, P: Array, y: Labels) -> None:
    evaluation = Evaluation.of(P, y)
    hits, false_alarms, misses = counts(P, y, label)
    assert evaluation.precision[label] == (hits / (hits + false_alarms) if hits + false_alarms else 0)
    assert evaluation.recall[label] == (hits / (hits + misses) if hits + misses else 0)
    assert evaluation.f1[label] == pytest.approx(2 * hits / (2 * hits + false_alarms + misses))


def test_a_class_without_images_and_predictions_has_measures_of_zero() -> None:
    evaluation = Evaluation.of(np.array([[0.9, 0.1, 0.0]]), np.array([0]))
    assert [shares[2] for shares in (evaluation.precision, evaluation.recall, evaluation.f1)] == [0, 0, 0]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_top_k_counts_images_whose_class_is_among_the_k_most_probable(k: int, P: Array, y: Labels) -> None:
    best = np.argsort(-P, axis=1, kind="stable")[:, :k]
    expected = np.mean([label in row for row, label in zip(best.tolist(), y.tolist(), strict=True)])
    assert Evaluation.of(P, y).top(k) == expected


def test_classes_of_equal_probability_rank_in_their_order() -> None:
    P = np.full((4, 4), 0.25)
    evaluation = Evaluation.of(P, np.arange(4))
    assert [evaluation.top(k) for k in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1]
    assert evaluation.top(1) == evaluation.accuracy


def test_the_sum_of_two_evaluations_covers_all_images(P: Array, y: Labels) -> None:
    whole, parts = Evaluation.of(P, y), Evaluation.of(P[:13], y[:13]) + Evaluation.of(P[13:], y[13:])
    assert parts.to_dict()["confusion"] == whole.to_dict()["confusion"]
    assert parts.samples == whole.samples
    assert parts.loss == pytest.approx(whole.loss)
    assert parts.ranks.tolist() == whole.ranks.tolist()
    assert parts.calibration.expected_error == pytest.approx(whole.calibration.expected_error)


def test_an_evaluation_is_converted_to_json() -> None:
    evaluation = Evaluation.of(
        np.array([[0.75, 0.25], [0.25, 0.75], [0.75, 0.25], [0.25, 0.75]]), np.array([0, 0, 1, 1])
    )
    measures = json.loads(json.dumps(evaluation.to_dict()))
    bins = measures["calibration"].pop("bins")
    assert measures == {
        "samples": 4,
        "loss": pytest.approx(-math.log(0.75 * 0.25) / 2),
        "accuracy": 0.5,
        "top": {"1": 0.5, "2": 1.0},
        "classes": [{"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}] * 2,
        "confusion": [[1, 1], [1, 1]],
        "calibration": {"expected_error": 0.25},
    }
    assert [bar["count"] for bar in bins] == [0] * 11 + [4, 0, 0, 0]
    assert bins[11] == {"above": 11 / 15, "to": 12 / 15, "count": 4, "confidence": 0.75, "accuracy": 0.5}
    assert bins[0]["accuracy"] is bins[0]["confidence"] is None
