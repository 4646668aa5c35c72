"""The training gives the result of the plain reference loop on each of its fast paths."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.network import Network, Training, preset
from shared.network.arrays import Array, Images, Labels
from shared.network.training import reference

Function = Callable[[Array], Array]

PAGE = Path(__file__).resolve().parents[6] / "docs" / "mathematics.md"

ACTIVATIONS: dict[str, tuple[Function, Function]] = {
    "sigmoid": (reference.sigmoid, reference.sigmoid_slope),
    "tanh": (np.tanh, lambda A: 1 - A**2),
    "relu": (lambda Z: np.maximum(Z, 0), lambda A: np.where(A > 0, 1.0, 0.0)),
    "leaky_relu": (lambda Z: np.where(Z > 0, Z, 0.01 * Z), lambda A: np.where(A > 0, 1.0, 0.01)),
    "identity": (lambda Z: Z, np.ones_like),
}


def data(samples: int, pixels: int, classes: int, seed: int) -> tuple[Images, Labels]:
    """Return labels, and images as bytes; most pixels are 0, and some columns are 0 in all images."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (samples, pixels), dtype=np.uint8)
    images[rng.random(images.shape) < 0.6] = 0
    images[:, rng.random(pixels) < 0.3] = 0
    return images, rng.integers(0, classes, samples)


def compare(images: Images, labels: Labels, classes: int, rounding: float = 1e-11, **changes: Any) -> None:
    """Train both ways from one seed; the parameters and the epochs' losses must agree to rounding."""
    configuration = preset("article", dtype="float64", **changes)
    network = Network(images.shape[1:], classes, configuration)
    training = Training(network, images, labels)
    for _ in training:
        pass

    activation, slope = ACTIVATIONS[configuration.activation]
    rng = np.random.Generator(np.random.PCG64(configuration.seed))
    layers = reference.initialize(list(network.widths), rng)
    losses = reference.train(
        layers,
        images / 255,
        labels,
        rng,
        epochs=configuration.epochs,
        batch_size=configuration.batch_size,
        rate=configuration.optimizer.learning_rate,
        layerwise=configuration.update_order == "layerwise",
        activation=activation,
        slope=slope,
    )

    np.testing.assert_allclose([report.train_loss for report in training.history], losses, rtol=rounding)
    for (W, b), (W_expected, b_expected) in zip(network.dense_layers(training.parameters), layers, strict=True):
        np.testing.assert_allclose(W, W_expected, rtol=0, atol=rounding)
        np.testing.assert_allclose(b, b_expected, rtol=0, atol=rounding)


def test_preset_article_trains_like_the_reference() -> None:
    images, labels = data(150, 784, 10, seed=1)

    compare(images, labels, 10, epochs=2)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 150])
@pytest.mark.parametrize("update_order", ["layerwise", "together"])
def test_article_network_trains_like_the_reference_in_each_batch_size(update_order: str, batch_size: int) -> None:
    images, labels = data(150, 784, 10, seed=2)

    compare(images, labels, 10, epochs=2, batch_size=batch_size, update_order=update_order)


@settings(max_examples=80)
@given(
    samples=st.integers(2, 90),
    pixels=st.integers(1, 40),
    classes=st.integers(2, 6),
    hidden=st.lists(st.integers(1, 9), max_size=3),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    update_order=st.sampled_from(["layerwise", "together"]),
    batch_share=st.floats(0, 1),
    rate=st.sampled_from([0.001, 0.01, 0.1]),
    seed=st.integers(0, 1000),
)
def test_any_shape_trains_like_the_reference(
    samples: int, pixels: int, classes: int, batch_share: float, rate: float, seed: int, **changes: Any
) -> None:
    images, labels = data(samples, pixels, classes, seed)
    batch_size = 1 + round(batch_share * (samples - 1))

    compare(
        images,
        labels,
        classes,
        epochs=3,
        batch_size=batch_size,
        seed=seed,
        optimizer={"learning_rate": rate},
        **changes,
    )


def test_saturated_probabilities_are_clipped_like_in_the_reference() -> None:
    images = np.full((6, 4), 255, np.uint8)
    labels = np.array([0, 0, 0, 0, 0, 1])

    for batch_size in (1, 2):
        compare(
            images,
            labels,
            2,
            rounding=1e-9,
            hidden=[],
            epochs=8,
            batch_size=batch_size,
            optimizer={"learning_rate": 40},
        )


def test_reference_step_equals_a_step_by_hand() -> None:
    W, b = np.zeros((1, 2)), np.zeros(2)

    losses = reference.train(
        [(W, b)], np.array([[1.0]]), np.array([0]), np.random.default_rng(0), epochs=1, rate=0.5
    )  # P = (½, ½), dZ = (-½, ½)

    assert losses == [pytest.approx(np.log(2))]
    np.testing.assert_allclose(W, [[0.25, -0.25]])
    np.testing.assert_allclose(b, [0.25, -0.25])


@pytest.mark.parametrize("function", [reference.sigmoid, reference.sigmoid_slope, reference.softmax])
def test_page_shows_the_functions_of_the_reference(function: Function) -> None:
    assert without_docstring(function) in PAGE.read_text()


def test_page_shows_the_loop_of_the_reference() -> None:
    source = inspect.getsource(reference.train)
    loop = inspect.cleandoc("\n" + source[source.index("    onehot =") :])

    assert f"```python\n{loop}\n```\n" in PAGE.read_text()


def without_docstring(function: Function) -> str:
    return inspect.getsource(function).replace(f'    """{function.__doc__}"""\n', "")
