"""Attributions compared with Captum's, and gradients with PyTorch's automatic ones, if both are installed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.network import Network, Parameters
from shared.network.attribution import baselines
from shared.network.attribution.attribution import attribute
from shared.network.attribution.score import Score
from shared.network.convolutions.convolution import margins
from shared.network.layers.activations import ACTIVATIONS
from tests.support.objects.networks import NETWORKS, random_network
from tests.support.pytorch_counterparts import activations

torch: Any = pytest.importorskip("torch", reason="PyTorch, which these tests compare with, is not installed")

captum: Any = pytest.importorskip("captum.attr", reason="Captum, which these tests compare with, is not installed")

MODULES = activations(torch)
STEPS = 16


def logits_of(network: Network, parameters: Parameters, images: Any) -> Any:
    """Return the logits of images (n, H, W, C) as PyTorch computes them, with batch normalization as in inference."""
    tensors = {name: torch.from_numpy(array) for name, array in parameters.items()}
    activation = MODULES[network.activation.name]()
    A = images
    if network.configuration.standardize:
        A = (A - tensors["input.mean"]) / tensors["input.deviation"]
    for number, block in enumerate(network.configuration.convolutions, start=1):
        P = {name.partition(".")[2]: array for name, array in tensors.items() if name.startswith(f"layer{number}.")}
        A = A.permute(0, 3, 1, 2)
        sides = (margins(side, block.kernel_size, block.strides, block.padding) for side in A.shape[:1:-1])
        A = torch.nn.functional.pad(A, [zeros for side in sides for zeros in side])
        A = torch.nn.functional.conv2d(A, P["weights"].permute(3, 2, 0, 1), P.get("biases"), block.strides)
        if block.batch_norm:
            A = torch.nn.functional.batch_norm(A, P["mean"], P["variance"], P["scale"], P["shift"], training=False)
        A = activation(torch.nn.functional.max_pool2d(A, block.pool_size)).permute(0, 2, 3, 1)
    A = A.flatten(1)
    *hidden, (W, b) = network.dense_layers(parameters)
    for each in hidden:
        A = activation(A @ torch.from_numpy(each[0]) + torch.from_numpy(each[1]))
    return A @ torch.from_numpy(W) + torch.from_numpy(b)


class Counterpart:
    """A network, and its score as a function of PyTorch's tensors."""

    def __init__(self, kind: str, rng: np.random.Generator, shape: Any = None, **settings: Any) -> None:
        self.network, self.parameters = random_network(kind, rng, shape, **settings)
        self.image = rng.random(self.network.image_shape)
        self.score = Score(self.network, self.parameters, target=2, against=0, images=STEPS)

    def values(self, images: Any) -> Any:
        """Return F of images (n, *image_shape)."""
        H, W = self.network.image_shape[:2]
        Z = logits_of(self.network, self.parameters, images.reshape(len(images), H, W, -1))
        return Z[:, 2] - Z[:, 0]

    def assert_equal(self, method: Any, found: Any, baseline: Any, tolerance: float = 1e-9) -> None:
        """Check that this package's attribution is Captum's, a tensor (1, *image_shape)."""
        own = attribute(self.score, self.image, baseline, method, steps=STEPS, rule="midpoint").values
        np.testing.assert_allclose(own, found.detach().numpy()[0], rtol=1e-6, atol=tolerance)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_methods_with_gradients_are_captums(activation: str, kind: str, rng: np.random.Generator) -> None:
    other = Counterpart(kind, rng, activation=activation)
    baseline = baselines.blurred(other.image)
    X, B = (torch.from_numpy(each)[np.newaxis] for each in (other.image, baseline))
    integrated = captum.IntegratedGradients(other.values)

    found = integrated.attribute(X, B, n_steps=STEPS, method="riemann_middle")

    other.assert_equal("integrated_gradients", found, baseline)
    X.requires_grad_()
    other.assert_equal("gradient_x_input", captum.InputXGradient(other.values).attribute(X), baseline)
    other.assert_equal("gradient", captum.Saliency(other.values).attribute(X, abs=False), baseline)


@pytest.mark.parametrize(("side", "window", "stride"), [(28, 4, 2), (25, 4, 2), (17, 2, 1)])
def test_occlusion_is_captums(side: int, window: int, stride: int, rng: np.random.Generator) -> None:
    other = Counterpart("dense", rng, shape=(side, side))
    baseline = baselines.blurred(other.image)
    X, B = (torch.from_numpy(each)[np.newaxis] for each in (other.image, baseline))
    occlusion = captum.Occlusion(other.values)

    found = occlusion.attribute(X, (window, window), strides=(stride, stride), baselines=B)

    other.assert_equal("occlusion", found, baseline, 1e-6)  # Captum counts in single precision


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_difference_of_the_scores_is_pytorchs(kind: str, rng: np.random.Generator) -> None:
    other = Counterpart(kind, rng)
    baseline = baselines.black(other.image)
    values = other.values(torch.from_numpy(np.stack([other.image, baseline]))).tolist()

    found = attribute(other.score, other.image, baseline).completeness

    assert found is not None
    assert found.difference == pytest.approx(values[0] - values[1])


@pytest.mark.parametrize("kind", NETWORKS)
def test_in_single_precision_integrated_gradients_are_captums_to_1e_4(kind: str, rng: np.random.Generator) -> None:
    other = Counterpart(kind, rng, activation="relu")
    X = torch.from_numpy(other.image)[np.newaxis]
    found = captum.IntegratedGradients(other.values).attribute(X, n_steps=STEPS, method="riemann_middle")
    single = replace(other.network.configuration, dtype="float32")
    network = Network(other.network.image_shape, other.network.classes, single)
    parameters = {name: array.astype(np.float32) for name, array in other.parameters.items()}
    image = other.image.astype(np.float32)

    score = Score(network, parameters, 2, 0, images=STEPS)
    own = attribute(score, image, 0 * image, steps=STEPS, rule="midpoint")

    np.testing.assert_allclose(own.values, found.numpy()[0], atol=1e-4)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_adaptive_rule_converges_to_captums_integral(kind: str, rng: np.random.Generator) -> None:
    other = Counterpart(kind, rng, activation="tanh")
    X = torch.from_numpy(other.image)[np.newaxis]
    found = captum.IntegratedGradients(other.values).attribute(X, n_steps=64, method="gausslegendre").numpy()[0]

    own = attribute(other.score, other.image, 0 * other.image, steps=256).values

    np.testing.assert_allclose(own, found, atol=1e-4 * np.abs(found).max())
