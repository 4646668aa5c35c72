"""The most confident errors of a network."""

from __future__ import annotations

import numpy as np

from shared.network import Network, preset
from shared.network.arrays import Images, Labels
from shared.network.assessment.mistakes import most_confident_errors
from shared.network.evaluation.predictions import PredictionColumns

SAMPLES = 2500  # more than one block
NETWORK = Network((4, 4), 5, preset("fast", hidden=[]))
PARAMETERS = NETWORK.initialize(np.random.default_rng(1))
IMAGES = np.random.default_rng(2).integers(0, 256, (SAMPLES, 4, 4), dtype=np.uint8)
LABELS = np.random.default_rng(3).integers(0, 5, SAMPLES)


def predictions(images: Images, labels: Labels) -> PredictionColumns:
    return NETWORK.evaluate_each(PARAMETERS, images, labels)[1]


def test_errors_of_all_images_are_sorted_by_confidence() -> None:
    P = NETWORK.probabilities(PARAMETERS, IMAGES)
    wrong = [i for i in range(SAMPLES) if P[i].argmax() != LABELS[i]]
    expected = sorted(wrong, key=lambda i: -P[i].max())[:10]

    found = most_confident_errors(predictions(IMAGES, LABELS), 10)

    assert [mistake.index for mistake in found] == expected
    assert [mistake.label for mistake in found] == LABELS[expected].tolist()
    assert [mistake.predicted for mistake in found] == P[expected].argmax(axis=1).tolist()
    assert np.allclose([mistake.confidence for mistake in found], P[expected].max(axis=1))


def test_errors_of_equal_confidence_are_sorted_by_index() -> None:
    alike = np.repeat(IMAGES[:1], 1500, axis=0)
    wrong = np.full(1500, (NETWORK.probabilities(PARAMETERS, alike[:1]).argmax() + 1) % 5)

    found = most_confident_errors(predictions(alike, wrong), 3)

    assert [mistake.index for mistake in found] == [0, 1, 2]


def test_correct_predictions_give_no_errors() -> None:
    right = NETWORK.probabilities(PARAMETERS, IMAGES).argmax(axis=1)

    assert most_confident_errors(predictions(IMAGES, right), 10) == []
