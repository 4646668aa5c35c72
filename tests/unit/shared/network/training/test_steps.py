from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from shared.network import Network, preset
from shared.network.arrays import Images, Labels, Parameters
from shared.network.optimization.optimizers import OPTIMIZERS
from shared.network.training.per_image_step import PerImageStep
from shared.network.training.steps import TrainStep, step_for
from tests.unit.shared.network.conftest import Slope

Vector = npt.NDArray[np.float64]

PIXELS, CLASSES, SAMPLES = 30, 10, 250


class Article:
    """The article's network, implemented from its formulas: column vectors, weights (out, in), float64."""

    def __init__(self, parameters: Parameters) -> None:
        count = len(parameters) // 2
        self.W = [parameters[f"layer{n}.weights"].T.astype(np.float64) for n in range(1, count + 1)]
        self.b = [parameters[f"layer{n}.biases"].astype(np.float64) for n in range(1, count + 1)]

    def step(self, x: Vector, label: int, rate: float = 0.01, epsilon: float = 1e-10) -> float:
        h = [x]
        for W, b in zip(self.W[:-1], self.b[:-1], strict=True):
            h.append(1 / (1 + np.exp(-(W @ h[-1] + b))))
        z = self.W[-1] @ h[-1] + self.b[-1]
        p = np.exp(z - max(z))
        p = np.clip(p / sum(p), epsilon, 1 - epsilon)
        onehot = np.zeros(len(p))
        onehot[label] = 1
        loss = -float(np.log(p[label]))
        delta = p - onehot
        for layer in reversed(range(len(self.W))):
            self.W[layer] = self.W[layer] - rate * np.outer(delta, h[layer])
            self.b[layer] = self.b[layer] - rate * delta
            delta = (self.W[layer].T @ delta) * h[layer] * (1 - h[layer])
        return loss


@pytest.fixture
def images(rng: np.random.Generator) -> Images:
    images = rng.integers(0, 256, (SAMPLES, PIXELS), dtype=np.uint8)
    images[rng.random(images.shape) < 0.7] = 0
    return images


@pytest.fixture
def labels(rng: np.random.Generator) -> Labels:
    return rng.integers(0, CLASSES, SAMPLES)


def build(
    kind: type[TrainStep | PerImageStep], network: Network, rng: np.random.Generator, images: Images, labels: Labels
) -> TrainStep | PerImageStep:
    parameters = network.initialize(rng)
    if kind is TrainStep:
        return TrainStep(network, parameters, images, labels, rng)
    return PerImageStep(network, parameters, images, labels)


def start(
    images: Images,
    labels: Labels,
    rng: np.random.Generator,
    kind: type[TrainStep | PerImageStep] = TrainStep,
    **changes: Any,
) -> tuple[Network, TrainStep | PerImageStep]:
    network = Network((PIXELS,), CLASSES, preset("article", **{"dtype": "float64", **changes}))
    return network, build(kind, network, rng, images, labels)


@pytest.mark.parametrize("kind", [TrainStep, PerImageStep])
def test_preset_article_has_the_steps_of_the_articles_loop(
    kind: type[TrainStep | PerImageStep], images: Images, labels: Labels, rng: np.random.Generator
) -> None:
    network, step = start(images, labels, rng, kind)
    parameters = network.layout.views(step.P)
    article = Article(parameters)
    for index in [*range(SAMPLES), *range(0, SAMPLES, 3)]:
        loss, _ = step.run(np.array([index]), 1.0)
        assert loss == pytest.approx(article.step(images[index] / 255, int(labels[index])), rel=1e-11)
        for number, (W, b) in enumerate(zip(article.W, article.b, strict=True), start=1):
            np.testing.assert_allclose(parameters[f"layer{number}.weights"], W.T, rtol=0, atol=1e-12)
            np.testing.assert_allclose(parameters[f"layer{number}.biases"], b, rtol=0, atol=1e-12)


def test_the_articles_order_of_updates_differs_from_the_true_gradient(
    images: Images, labels: Labels, rng: np.random.Generator
) -> None:
    network, step = start(images, labels, rng, update_order="together")
    article = Article(network.layout.views(step.P))
    step.run(np.array([0]), 1.0)
    article.step(images[0] / 255, int(labels[0]))
    last, first = (network.layout.views(step.P)[f"layer{n}.weights"] for n in (3, 1))
    np.testing.assert_allclose(last, article.W[2].T, rtol=0, atol=1e-12)
    assert np.abs(first - article.W[0].T).max() > 1e-8


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_step_of_sgd_descends_along_the_gradient_of_the_mean_loss(
    batch_size: int, images: Images, labels: Labels, rng: np.random.Generator, slope: Slope
) -> None:
    network, step = start(
        images,
        labels,
        rng,
        hidden=[4, 3],
        batch_size=batch_size,
        update_order="together",
        optimizer={"learning_rate": 1},
    )
    batch = rng.permutation(SAMPLES)[:batch_size]
    before = step.P.copy()

    def loss() -> float:
        return network.evaluate(network.layout.views(before), images[batch], labels[batch]).loss

    expected = slope(loss, before)
    step.run(batch, 1.0)
    np.testing.assert_allclose(before - step.P, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("update_order", ["together", "layerwise"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_a_step_returns_the_loss_and_the_correct_predictions_before_it(
    optimizer: str, update_order: str, batch_size: int, images: Images, labels: Labels, rng: np.random.Generator
) -> None:
    settings: dict[str, Any] = {
        "optimizer": {"name": optimizer},
        "update_order": update_order,
        "batch_size": batch_size,
    }
    network, step = start(images, labels, rng, **settings)
    for batch in (np.arange(batch_size), np.arange(batch_size) + 20):
        before = network.evaluate(network.layout.views(step.P), images[batch], labels[batch])
        loss, correct = step.run(batch, 1.0)
        assert loss == pytest.approx(before.loss * batch_size)
        assert correct == before.confusion.trace()


def test_plain_sgd_on_single_images_uses_the_per_image_step(
    images: Images, labels: Labels, rng: np.random.Generator
) -> None:
    def kind(**changes: Any) -> type:
        network, _ = start(images, labels, rng, **changes)
        return type(step_for(network, network.initialize(rng), images, labels, rng, threads=1))

    assert kind() is PerImageStep
    assert kind(batch_size=2) is TrainStep
    assert kind(optimizer={"name": "momentum"}) is TrainStep


@pytest.mark.parametrize("batch_size", [1, 8])
def test_steps_on_the_same_images_reduce_the_loss(
    batch_size: int, images: Images, labels: Labels, rng: np.random.Generator
) -> None:
    _, step = start(images, labels, rng, batch_size=batch_size, optimizer={"learning_rate": 0.5})
    batch = np.arange(batch_size)
    reports = [step.run(batch, 1.0) for _ in range(200)]
    (first, _), (last, correct) = reports[0], reports[-1]
    assert last < first / 4
    assert correct == batch_size
