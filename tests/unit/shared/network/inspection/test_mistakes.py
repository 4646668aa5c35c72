"""The mistakes of which a network is surest."""

from __future__ import annotations

import numpy as np

from shared.network import Network, preset
from shared.network.inspection.mistakes import surest_mistakes

SAMPLES = 2500  # more than go through the network at a time
NETWORK = Network((4, 4), 5, preset("fast", hidden=[]))
PARAMETERS = NETWORK.initialize(np.random.default_rng(1))
IMAGES = np.random.default_rng(2).integers(0, 256, (SAMPLES, 4, 4), dtype=np.uint8)
LABELS = np.random.default_rng(3).integers(0, 5, SAMPLES)


def test_they_are_those_of_all_images_the_surest_first() -> None:
    P = NETWORK.probabilities(PARAMETERS, IMAGES)
    wrong = [i for i in range(SAMPLES) if P[i].argmax() != LABELS[i]]
    expected = sorted(wrong, key=lambda i: -P[i].max())[:10]

    found = surest_mistakes(NETWORK, PARAMETERS, IMAGES, LABELS, 10)

    assert [mistake.index for mistake in found] == expected
    assert [mistake.label for mistake in found] == LABELS[expected].tolist()
    assert [mistake.predicted for mistake in found] == P[expected].argmax(axis=1).tolist()
    assert np.allclose([mistake.confidence for mistake in found], P[expected].max(axis=1))


def test_of_equally_sure_ones_the_first_come() -> None:
    alike = np.repeat(IMAGES[:1], 1500, axis=0)
    wrong = np.full(1500, (NETWORK.probabilities(PARAMETERS, alike[:1]).argmax() + 1) % 5)

    found = surest_mistakes(NETWORK, PARAMETERS, alike, wrong, 3)

    assert [mistake.index for mistake in found] == [0, 1, 2]


def test_where_all_is_right_there_are_none() -> None:
    right = NETWORK.probabilities(PARAMETERS, IMAGES).argmax(axis=1)

    assert surest_mistakes(NETWORK, PARAMETERS, IMAGES, right, 10) == []
