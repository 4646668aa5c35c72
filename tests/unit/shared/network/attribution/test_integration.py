"""The rules of the integral of integrated gradients."""

from __future__ import annotations

import numpy as np
import pytest

from shared.network.attribution.attribution import Attribution, Completeness, attribute
from shared.network.attribution.integration import Rule
from shared.network.attribution.score import Score
from tests.support.objects.networks import random_network

IMAGES = 6


@pytest.mark.parametrize(("kind", "steps"), [("dense", 8), ("dense", 64), ("convolutional", 16)])
def test_the_adaptive_rule_is_nearer_to_the_integral_than_the_midpoint_rule(
    kind: str, steps: int, rng: np.random.Generator
) -> None:
    network, parameters = random_network(kind, rng, (12, 12), activation="relu")
    score = Score(network, parameters, 0, images=64)
    errors: dict[Rule, list[float]] = {"adaptive": [], "midpoint": []}

    for image in rng.random((IMAGES, *network.image_shape)):
        exact = attribute(score, image, 0 * image, steps=500, rule="midpoint").values
        for rule, found in errors.items():
            values = attribute(score, image, 0 * image, steps=steps, rule=rule).values
            found.append(float(np.abs(values - exact).sum() / np.abs(exact).sum()))

    assert np.mean(errors["adaptive"]) < 0.9 * np.mean(errors["midpoint"])


@pytest.mark.parametrize("steps", [2, 5, 64])
@pytest.mark.parametrize("size", [1, 64])
def test_the_corrected_sum_is_the_difference_of_the_scores(size: int, steps: int, rng: np.random.Generator) -> None:
    found = _attribution(steps, rng, size)
    assert found.gap == pytest.approx(0, abs=1e-12)
    assert found.correction != 0


def test_a_single_step_is_the_gradient_at_the_middle(rng: np.random.Generator) -> None:
    network, parameters = random_network("dense", rng)
    image = rng.random(network.image_shape)
    score = Score(network, parameters, 1)

    found = attribute(score, image, 0 * image, steps=1)

    middle = score.gradients(0.5 * image.reshape(1, -1))[0].reshape(image.shape)
    np.testing.assert_allclose(found.values, image * middle)
    assert found.completeness is not None
    assert found.completeness.correction == 0


def test_the_result_does_not_depend_on_how_many_images_pass_together(rng: np.random.Generator) -> None:
    network, parameters = random_network("convolutional", rng)
    image = rng.random(network.image_shape)
    one, many = (
        attribute(Score(network, parameters, 0, images=size), image, 0 * image, steps=20).values for size in (1, 64)
    )
    np.testing.assert_allclose(one, many, atol=1e-12)


def test_the_image_itself_as_baseline_has_an_attribution_of_zeros(rng: np.random.Generator) -> None:
    network, parameters = random_network("dense", rng)
    image = rng.random(network.image_shape)
    found: Attribution = attribute(Score(network, parameters, 0), image, image)
    assert not found.values.any()
    assert found.completeness == Completeness(0.0, 0.0, 0.0)


def _attribution(steps: int, rng: np.random.Generator, size: int) -> Completeness:
    network, parameters = random_network("dense", rng, activation="tanh")
    image = rng.random(network.image_shape)
    found = attribute(Score(network, parameters, 0, images=size), image, 0 * image, steps=steps)
    assert found.completeness is not None
    return found.completeness
