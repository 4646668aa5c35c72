"""The derivatives of a score with respect to the pixels, beside central differences, for every kind of network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.network.attribution import score as scores
from shared.network.attribution.score import Score
from shared.network.layers.activations import ACTIVATIONS
from tests.support.objects.networks import NETWORKS, random_network
from tests.unit.shared.network.conftest import Slope


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gradients_are_the_derivatives_of_the_values(
    activation: str, kind: str, rng: np.random.Generator, slope: Slope
) -> None:
    network, parameters = random_network(kind, rng, activation=activation)
    rows = rng.random((3, *network.image_shape)).reshape(3, -1)
    score = Score(network, parameters, target=1, against=2, images=3)

    expected = slope(lambda: float(score.values(rows).sum()), rows)

    np.testing.assert_allclose(score.gradients(rows), expected, rtol=1e-5, atol=1e-8)


def test_the_value_of_a_class_is_its_logit_and_against_another_class_the_difference(rng: np.random.Generator) -> None:
    network, parameters = random_network("dense", rng)
    rows = rng.random((4, *network.image_shape)).reshape(4, -1)
    P = network.probabilities(parameters, rows)

    difference = Score(network, parameters, 0, 2, images=4).values(rows)

    np.testing.assert_allclose(difference, np.log(P[:, 0] / P[:, 2]))
    alone = [Score(network, parameters, target, images=4).values(rows) for target in (0, 2)]
    np.testing.assert_allclose(alone[0] - alone[1], difference)


@pytest.mark.parametrize("kind", NETWORKS)
def test_fewer_rows_than_a_pass_holds_have_the_same_gradients(kind: str, rng: np.random.Generator) -> None:
    network, parameters = random_network(kind, rng)
    rows = rng.random((5, *network.image_shape)).reshape(5, -1)
    score = Score(network, parameters, 0, images=5)
    expected = score.gradients(rows).copy()

    np.testing.assert_allclose(score.gradients(rows[:2]), expected[:2], rtol=1e-12)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_pass_of_a_network_with_large_layers_has_fewer_images(
    kind: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, parameters = random_network(kind, rng)
    monkeypatch.setattr(scores, "PASS_BYTES", 100)

    assert Score(network, parameters, 0, images=64).size == 1


@pytest.mark.parametrize("classes", [(3, None), (-1, None), (0, 3), (1, 1)])
def test_a_class_that_does_not_exist_is_an_error(classes: tuple[int, Any], rng: np.random.Generator) -> None:
    network, parameters = random_network("dense", rng)
    with pytest.raises(ValueError, match="target and against must be"):
        Score(network, parameters, *classes)
