from __future__ import annotations

import numpy as np
import pytest

from shared.network.attribution.attribution import attribute
from shared.network.attribution.randomization import randomized, rank_correlation
from shared.network.attribution.score import Score
from tests.support.objects.networks import NETWORKS, random_network


@pytest.mark.parametrize("kind", NETWORKS)
def test_random_weights_depend_on_the_seed_alone_and_keep_the_standardization(
    kind: str, rng: np.random.Generator
) -> None:
    network, parameters = random_network(kind, rng)

    random = randomized(network, parameters, 7)

    network.check(random)
    others = network.initialize(np.random.default_rng(7))
    for name, array in random.items():
        expected = parameters if name.startswith("input.") else others
        np.testing.assert_array_equal(array, expected[name])
    assert not np.array_equal(random["layer1.weights"], randomized(network, parameters, 8)["layer1.weights"])


def test_an_attribution_changes_with_the_weights(rng: np.random.Generator) -> None:
    network, parameters = random_network("convolutional", rng)
    image = rng.random(network.image_shape)
    maps = [
        attribute(Score(network, each, 0), image, 0 * image).values
        for each in (parameters, randomized(network, parameters, 1))
    ]
    assert rank_correlation(*maps) < 0.9


def test_rank_correlation_compares_signed_values_by_their_order() -> None:
    values = np.array([[0.5, -1.0], [3.0, 0.0]])
    assert rank_correlation(values, values**3) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)
    assert rank_correlation(values, np.ones((2, 2))) == 0
    assert rank_correlation(0 * values, 0 * values) == 0


def test_pixels_that_are_0_in_both_maps_do_not_count() -> None:
    one, other = np.zeros((2, 100))
    one[:4], other[:4] = [1, 2, 3, 4], [2, 4, 1, 3]
    assert rank_correlation(one, other) == pytest.approx(rank_correlation(one[:4], other[:4])) == pytest.approx(0)


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: Pearson's correlation of both is 4.5 / √(4.5 · 5).
    expected = 4.5 / np.sqrt(4.5 * 5)
    assert rank_correlation(np.array([0.0, 1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(expected)
