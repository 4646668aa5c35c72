"""Convolutional networks compared with PyTorch's CPU build, if it is installed: the same numbers, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.network import Network, preset
from shared.network.convolutions.blocks import Block
from shared.network.convolutions.convolution import margins
from shared.network.convolutions.layer import CHUNK
from shared.network.training.steps import step_for
from tests.support.pytorch_counterparts import activations, optimizer, optimizers

torch: Any = pytest.importorskip("torch", reason="PyTorch, which these tests compare with, is not installed")

torch.set_num_threads(1)  # more threads only wait for each other at these sizes

MODULES = activations(torch)
RULES = optimizers(torch)

SHAPE, CLASSES, SAMPLES, STEPS = (11, 10, 3), 4, 150, 10
TOLERANCE = 1e-5

NETWORKS: dict[str, list[dict[str, Any]]] = {
    "valid": [{"filters": 5, "kernel_size": 4, "padding": "valid"}],
    "same and pooled": [{"filters": 4, "kernel_size": 3, "pool_size": 2}, {"filters": 6, "kernel_size": 3}],
    "strided": [{"filters": 4, "kernel_size": 3, "strides": 2}, {"filters": 6, "kernel_size": 2, "strides": 2}],
    "pooled by 3": [{"filters": 4, "kernel_size": 5, "pool_size": 3}],
    "normalized": [
        {"filters": 4, "batch_norm": True, "pool_size": 2},
        {"filters": 6, "kernel_size": 2, "batch_norm": True, "padding": "valid"},
    ],
}


class SameUpper(torch.nn.Module):  # type: ignore[misc]
    """Zeros around an image, the odd one at the end."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.block = block

    def forward(self, images: Any) -> Any:
        block = self.block
        sides = (margins(side, block.kernel_size, block.strides, block.padding) for side in images.shape[:1:-1])
        return torch.nn.functional.pad(images, [zeros for side in sides for zeros in side])


class ChannelsLast(torch.nn.Module):  # type: ignore[misc]
    """The order (row, column, channel) of the vector after the last block."""

    def forward(self, images: Any) -> Any:
        return images.permute(0, 2, 3, 1).flatten(1)


class Pair:
    """A step of this package and a PyTorch model, with the same initial parameters and the same batches."""

    def __init__(self, rng: np.random.Generator, blocks: list[dict[str, Any]], batch: int, **overrides: Any) -> None:
        values = {"hidden": [7], "activation": "tanh", "batch_size": batch, "dtype": "float64"} | overrides
        self.network = Network(SHAPE, CLASSES, preset("fast", convolutions=blocks, **values))
        self.images = rng.random((SAMPLES, *SHAPE))
        self.labels = rng.integers(0, CLASSES, SAMPLES)
        initial = self.network.initialize(rng)
        self.step = step_for(self.network, initial, self.images.reshape(SAMPLES, -1), self.labels, rng)
        self.rng = rng
        self.batch = batch
        self.model = self._model()
        self._copy()

    def _model(self) -> Any:
        activation = MODULES[self.network.activation.name]
        modules: list[Any] = []
        channels = SHAPE[2]
        for block in self.network.configuration.convolutions:
            modules.append(SameUpper(block))
            modules.append(
                torch.nn.Conv2d(channels, block.filters, block.kernel_size, block.strides, bias=not block.batch_norm)
            )
            if block.batch_norm:
                modules.append(torch.nn.BatchNorm2d(block.filters))
            if block.pool_size > 1:
                modules.append(torch.nn.MaxPool2d(block.pool_size))
            modules.append(activation())
            channels = block.filters
        modules.append(ChannelsLast())
        dense = self.network.dense_layers(self.network.layout.views(self.step.P))
        for W, _ in dense:
            modules += [torch.nn.Linear(*W.shape), activation()]
        return torch.nn.Sequential(*modules[:-1]).double()

    def tensors(self) -> list[tuple[str, Any]]:
        """Return the model's tensors with the names of this package's parameters."""
        kinds = {
            torch.nn.Conv2d: {"weights": "weight", "biases": "bias"},
            torch.nn.Linear: {"weights": "weight", "biases": "bias"},
            torch.nn.BatchNorm2d: {
                "scale": "weight",
                "shift": "bias",
                "mean": "running_mean",
                "variance": "running_var",
            },
        }
        found, number = [], 0
        for module in self.model:
            names = kinds.get(type(module), {})
            number += "weights" in names
            found += [
                (f"layer{number}.{ours}", getattr(module, theirs))
                for ours, theirs in names.items()
                if getattr(module, theirs) is not None
            ]
        return found

    def _copy(self) -> None:
        parameters = self.network.layout.views(self.step.P)
        with torch.no_grad():
            for name, tensor in self.tensors():
                tensor.copy_(torch.from_numpy(pytorchs_order(parameters[name])))

    def compare_steps(self, rule: Any, *, smoothing: float = 0.0) -> None:
        """Check that the loss before each step and all parameters after it are the same."""
        smoothed = torch.nn.CrossEntropyLoss(label_smoothing=smoothing, reduction="sum")
        plain = torch.nn.CrossEntropyLoss(reduction="sum")
        for _ in range(STEPS):
            batch = self.rng.permutation(SAMPLES)[: self.batch]
            loss, _ = self.step.run(batch, 1.0)
            rule.zero_grad()
            expected = 0.0
            for chunk in np.array_split(batch, -(-len(batch) // CHUNK)):
                logits, y = self.logits(self.images[chunk]), torch.from_numpy(self.labels[chunk])
                (smoothed(logits, y) / len(batch)).backward()
                expected += plain(logits, y).item()
            rule.step()
            assert loss == pytest.approx(expected, rel=TOLERANCE)
            self.compare_parameters()

    def logits(self, images: Any) -> Any:
        return self.model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))

    def compare_parameters(self) -> None:
        parameters = self.network.layout.views(self.step.P)
        for name, tensor in self.tensors():
            if self.batch > CHUNK and name.endswith((".mean", ".variance")):
                continue  # PyTorch averages chunk after chunk, this package once for each mini-batch
            expected = tensor.detach().numpy()
            actual = pytorchs_order(parameters[name])
            np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


def pytorchs_order(array: Any) -> Any:
    """Return weights (k, k, in, out) as (out, in, k, k), and (in, out) as (out, in)."""
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T)


@pytest.mark.parametrize("batch", [12, 80])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_block_has_pytorchs_steps(name: str, batch: int, rng: np.random.Generator) -> None:
    pair = Pair(rng, NETWORKS[name], batch, optimizer=optimizer("momentum"))
    pair.compare_steps(RULES["momentum"](pair.model.parameters()))


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_optimizer_has_pytorchs_steps(name: str, rng: np.random.Generator) -> None:
    pair = Pair(rng, NETWORKS["normalized"], 32, optimizer=optimizer(name))
    pair.compare_steps(RULES[name](pair.model.parameters()))


@pytest.mark.parametrize("activation", sorted(MODULES))
def test_every_activation_has_pytorchs_steps(activation: str, rng: np.random.Generator) -> None:
    pair = Pair(rng, NETWORKS["same and pooled"], 40, activation=activation, optimizer=optimizer("sgd"))
    pair.compare_steps(RULES["sgd"](pair.model.parameters()), smoothing=0.0)


def test_label_smoothing_has_pytorchs_steps(rng: np.random.Generator) -> None:
    pair = Pair(rng, NETWORKS["valid"], 40, label_smoothing=0.1, optimizer=optimizer("sgd"))
    pair.compare_steps(RULES["sgd"](pair.model.parameters()), smoothing=0.1)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_trained_network_has_pytorchs_probabilities(name: str, rng: np.random.Generator) -> None:
    pair = Pair(rng, NETWORKS[name], 32, optimizer=optimizer("sgd"))
    pair.compare_steps(RULES["sgd"](pair.model.parameters()))
    pair.model.eval()
    expected = torch.softmax(pair.logits(pair.images), 1).detach().numpy()
    actual = pair.network.probabilities(pair.network.layout.views(pair.step.P), pair.images)
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)
