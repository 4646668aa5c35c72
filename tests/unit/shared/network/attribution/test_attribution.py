"""The methods of attribution: definitions on small networks, completeness, and the sanity check."""

from __future__ import annotations

import numpy as np
import pytest

from shared.network.attribution import baselines
from shared.network.attribution.attribution import METHODS, Method, Smoothing, attribute, work
from shared.network.attribution.integration import RULES, Rule
from shared.network.attribution.score import Score
from tests.support.objects.networks import NETWORKS, random_network


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", NETWORKS)
def test_integrated_gradients_sum_to_the_difference_of_the_scores(
    kind: str, rule: Rule, rng: np.random.Generator
) -> None:
    network, parameters = random_network(kind, rng)
    image, baseline = rng.random((2, *network.image_shape))
    score = Score(network, parameters, 0, against=1, images=64)

    found = attribute(score, image, baseline, steps=200, rule=rule)

    assert found.values.shape == network.image_shape
    assert found.completeness is not None
    values = [float(score.values(each.reshape(1, -1))[0]) for each in (image, baseline)]
    assert found.completeness.difference == values[0] - values[1]
    assert found.completeness.sum == pytest.approx(found.values.sum())
    error = found.completeness.gap - found.completeness.correction
    assert abs(error) < 0.01 * max(abs(found.completeness.difference), 0.1)
    if rule == "midpoint":
        assert found.completeness.correction == 0


def test_a_linear_network_has_the_same_attribution_by_every_complete_method(rng: np.random.Generator) -> None:
    network, parameters = random_network("softmax regression", rng, standardize=False)
    image = rng.random(network.image_shape)
    score = Score(network, parameters, 2)
    weights = parameters["layer1.weights"][:, 2].reshape(image.shape)

    def values(method: Method) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
        found = attribute(score, image, baselines.black(image), method, steps=3)
        assert found.completeness is None or found.completeness.gap == pytest.approx(0, abs=1e-12)
        return found.values

    np.testing.assert_allclose(values("gradient"), weights)
    np.testing.assert_allclose(values("gradient_x_input"), weights * image)
    np.testing.assert_allclose(values("integrated_gradients"), weights * image)
    np.testing.assert_allclose(values("occlusion"), weights * image)  # squares of one pixel, at this size


def test_occlusion_is_the_mean_drop_over_the_squares_that_cover_a_pixel(rng: np.random.Generator) -> None:
    network, parameters = random_network("dense", rng, (14, 10))
    image, baseline = rng.random((2, 14, 10))
    score = Score(network, parameters, 1, images=3)
    expected, covering = np.zeros((14, 10)), np.zeros((14, 10))
    for row in range(13):  # squares of 2 × 2 rows, and single columns
        for column in range(10):
            occluded = image.copy()
            occluded[row : row + 2, column] = baseline[row : row + 2, column]
            values = [float(score.values(each.reshape(1, -1))[0]) for each in (image, occluded)]
            expected[row : row + 2, column] += values[0] - values[1]
            covering[row : row + 2, column] += 1

    found = attribute(score, image, baseline, "occlusion")

    np.testing.assert_allclose(found.values, expected / covering)
    assert found.completeness is None


def test_smoothing_is_the_mean_over_copies_with_noise(rng: np.random.Generator) -> None:
    network, parameters = random_network("dense", rng)
    image = rng.random(network.image_shape)
    smoothing = Smoothing(samples=7, seed=3)
    results = [
        attribute(Score(network, parameters, 0, images=size), image, image, "gradient", smoothing=smoothing).values
        for size in (1, 4, 64)
    ]

    copies = [
        image + np.random.default_rng([3, sample]).normal(0, 0.15 * np.ptp(image), image.size).reshape(image.shape)
        for sample in range(7)
    ]
    score = Score(network, parameters, 0)
    expected = np.mean([score.gradients(copy.reshape(1, -1))[0].copy() for copy in copies], axis=0)
    for found in results:
        np.testing.assert_allclose(found, expected.reshape(image.shape))


@pytest.mark.parametrize("method", METHODS)
def test_the_check_is_called_and_the_evaluations_are_counted(method: Method, rng: np.random.Generator) -> None:
    network, parameters = random_network("convolutional", rng)
    image = rng.random(network.image_shape)
    calls: list[None] = []

    attribute(Score(network, parameters, 0), image, 0 * image, method, steps=5, check=lambda: calls.append(None))

    assert len(calls) == sum(work(method, network.image_shape, steps=5))


class TestBaselines:
    def test_a_blurred_image_of_one_colour_is_itself(self, rng: np.random.Generator) -> None:
        colour = rng.random(3)
        image = np.tile(colour, (9, 6, 1))
        np.testing.assert_allclose(baselines.blurred(image), image)

    def test_a_blurred_point_spreads_by_a_seventh_of_the_side(self) -> None:
        image = np.zeros((71, 71))
        image[35, 35] = 1
        result = baselines.blurred(image)
        places = np.arange(71) - 35
        profile = result.sum(axis=0) / result.sum()
        assert np.sqrt((profile * places**2).sum()) == pytest.approx(71 / 7, rel=0.05)

    def test_the_mean_is_one_colour(self) -> None:
        colour = np.array([0.1, 0.2, 0.3])
        assert (baselines.mean(np.zeros((4, 5, 3)), colour) == colour).all()
        assert (baselines.mean(np.zeros((4, 5)), colour[:1]) == 0.1).all()
