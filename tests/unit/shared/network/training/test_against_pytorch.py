"""The network compared with PyTorch's CPU build, if it is installed: the same numbers, step by step."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from shared.network import Network, preset
from shared.network.arrays import Array
from shared.network.layers.dropout import Dropout
from shared.network.optimization.schedules import OneCycle
from shared.network.training.steps import TrainStep, step_for
from tests.support.pytorch_counterparts import activations, optimizer, optimizers

torch: Any = pytest.importorskip("torch", reason="PyTorch, which these tests compare with, is not installed")

PIXELS, CLASSES, SAMPLES, BATCH, STEPS = 20, 5, 60, 12, 30
TOLERANCE = 1e-6

MODULES = activations(torch)
RULES = optimizers(torch)


class Pair:
    """A step of this package and a PyTorch model, with the same initial parameters and the same batches."""

    def __init__(self, rng: np.random.Generator, **overrides: Any) -> None:
        values = {"hidden": [8, 6], "activation": "tanh", "batch_size": BATCH, "dtype": "float64"} | overrides
        self.network = Network((PIXELS,), CLASSES, preset("fast", **values))
        self.images = rng.random((SAMPLES, PIXELS))
        self.labels = rng.integers(0, CLASSES, SAMPLES)
        self.step = step_for(self.network, self.network.initialize(rng), self.images, self.labels, rng)
        self.rng = rng
        self.model = self._model()

    def _model(self) -> Any:
        modules = []
        for n_in, n_out in pairwise(self.network.widths):
            modules += [torch.nn.Linear(n_in, n_out), MODULES[self.network.activation.name]()]
        model = torch.nn.Sequential(*modules[:-1]).double()
        with torch.no_grad():
            linear = [module for module in model if isinstance(module, torch.nn.Linear)]
            for module, (W, b) in zip(linear, self.layers(), strict=True):
                module.weight.copy_(torch.from_numpy(W.T.copy()))
                module.bias.copy_(torch.from_numpy(b.copy()))
        return model

    def layers(self) -> list[tuple[Array, Array]]:
        return self.network.dense_layers(self.network.layout.views(self.step.P))

    def compare_steps(self, rule: Any, *, smoothing: float = 0.0, clip: float | None = None) -> None:
        """Check that the loss before each step and all parameters after it are the same."""
        smoothed = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)
        plain = torch.nn.CrossEntropyLoss(reduction="sum")
        for _ in range(STEPS):
            batch = self.rng.permutation(SAMPLES)[:BATCH]
            loss, _ = self.step.run(batch, 1.0)
            rule.zero_grad()
            y = torch.from_numpy(self.labels[batch])
            logits = self.model(torch.from_numpy(self.images[batch]))
            smoothed(logits, y).backward()
            if clip is not None:
                norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip)
                assert self.step.gradient_norm == pytest.approx(norm.item(), rel=1e-6)
            rule.step()
            assert loss == pytest.approx(plain(logits, y).item(), rel=1e-6)
            self.compare_parameters()

    def compare_parameters(self) -> None:
        theirs = list(self.model.parameters())
        for (W, b), weight, bias in zip(self.layers(), theirs[::2], theirs[1::2], strict=True):
            np.testing.assert_allclose(W.T, weight.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE)
            np.testing.assert_allclose(b, bias.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_optimizer_has_pytorchs_steps(name: str, rng: np.random.Generator) -> None:
    pair = Pair(rng, optimizer=optimizer(name))
    pair.compare_steps(RULES[name](pair.model.parameters()))


@pytest.mark.parametrize("activation", sorted(MODULES))
def test_every_activation_has_pytorchs_gradients(activation: str, rng: np.random.Generator) -> None:
    pair = Pair(rng, activation=activation, optimizer=optimizer("sgd"))
    pair.compare_steps(RULES["sgd"](pair.model.parameters()))


@pytest.mark.parametrize("smoothing", [0.05, 0.3])
def test_label_smoothing_has_pytorchs_gradients(smoothing: float, rng: np.random.Generator) -> None:
    pair = Pair(rng, label_smoothing=smoothing, optimizer=optimizer("sgd"))
    pair.compare_steps(RULES["sgd"](pair.model.parameters()), smoothing=smoothing)


@pytest.mark.parametrize("clip", [0.05, 0.3, 100.0])
def test_a_gradient_is_clipped_as_pytorch_clips_it(clip: float, rng: np.random.Generator) -> None:
    pair = Pair(rng, gradient_clip=clip, optimizer=optimizer("momentum"))
    pair.compare_steps(RULES["momentum"](pair.model.parameters()), clip=clip)


@pytest.mark.parametrize("name", sorted(RULES.keys() - {"adamw"}))
def test_weight_decay_is_equal_to_pytorchs_on_the_weights(name: str, rng: np.random.Generator) -> None:
    pair = Pair(rng, weight_decay=0.02, optimizer=optimizer(name))
    parameters = list(pair.model.parameters())
    groups = [{"params": parameters[::2], "weight_decay": 0.02}, {"params": parameters[1::2], "weight_decay": 0.0}]
    pair.compare_steps(RULES[name](groups))


def test_clipping_precedes_weight_decay_as_in_pytorch(rng: np.random.Generator) -> None:
    pair = Pair(rng, weight_decay=0.1, gradient_clip=0.1, optimizer=optimizer("sgd"))
    parameters = list(pair.model.parameters())
    groups = [{"params": parameters[::2], "weight_decay": 0.1}, {"params": parameters[1::2]}]
    pair.compare_steps(RULES["sgd"](groups), clip=0.1)


def test_the_layerwise_order_reports_the_same_norm_for_a_single_layer(rng: np.random.Generator) -> None:
    pair = Pair(rng, hidden=[], update_order="layerwise", optimizer=optimizer("sgd"))
    assert isinstance(pair.step, TrainStep)
    pair.compare_steps(RULES["sgd"](pair.model.parameters()), clip=1e9)


def test_one_cycle_is_equal_to_pytorchs_schedule() -> None:
    rule = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        rule, max_lr=1.0, total_steps=101, pct_start=0.31, div_factor=20, final_div_factor=1e3, cycle_momentum=False
    )
    rise = (0.31 * 101 - 1) / 100  # PyTorch counts steps from 0, but those of the rise from 1
    ours = OneCycle(rise=rise, start=1 / 20, final=1 / 20 / 1e3)
    for step in range(101):
        assert ours.factor(step, 100) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        rule.step()
        if step < 100:
            theirs.step()


def test_dropout_scales_kept_units_as_pytorch_does(rng: np.random.Generator) -> None:
    A = rng.normal(size=(400, 30))
    ours = Dropout(0.3, A, rng).forward(A)
    theirs = torch.nn.functional.dropout(torch.from_numpy(A), 0.3, training=True).numpy()
    both = (ours != 0) & (theirs != 0)
    assert both.any()
    np.testing.assert_allclose(ours[both], theirs[both], rtol=1e-12)
    assert (ours != 0).mean() == pytest.approx((theirs != 0).mean(), abs=0.02)


def test_the_gradient_of_dropout_is_equal_to_pytorchs_for_the_same_mask(rng: np.random.Generator) -> None:
    A, dA = rng.normal(size=(2, 40, 30))
    dropout = Dropout(0.4, A, rng)
    mask = torch.from_numpy(dropout.forward(A) / A)
    theirs = torch.from_numpy(A.copy()).requires_grad_()
    (theirs * mask).backward(torch.from_numpy(dA))
    dropout.backward(dA)
    np.testing.assert_allclose(dA, theirs.grad.numpy(), rtol=1e-12)
