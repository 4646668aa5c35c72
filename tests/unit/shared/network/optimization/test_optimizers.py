from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from shared.network.errors import ConfigurationError
from shared.network.optimization.optimizers import OPTIMIZERS, SGD, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSProp

STEPS = 25
START = 0.7


def gradients() -> Iterator[float]:
    """Yield a gradient for each step, with changing sign and size."""
    return (math.sin(3 * t) * (1 + t % 4) - 0.2 for t in range(1, STEPS + 1))


def sgd(rate: float) -> Iterator[float]:
    p = START
    for g in gradients():
        p = p - rate * g
        yield p


def momentum(rate: float, mu: float) -> Iterator[float]:
    p, v = START, 0.0
    for g in gradients():
        v = mu * v + g
        p = p - rate * v
        yield p


def nesterov(rate: float, mu: float) -> Iterator[float]:
    p, v = START, 0.0
    for g in gradients():
        v = mu * v + g
        p = p - rate * (g + mu * v)
        yield p


def rmsprop(rate: float, rho: float, epsilon: float) -> Iterator[float]:
    p, s = START, 0.0
    for g in gradients():
        s = rho * s + (1 - rho) * g * g
        p = p - rate * g / (math.sqrt(s) + epsilon)
        yield p


def adam(rate: float, beta1: float, beta2: float, epsilon: float, decay: float = 0) -> Iterator[float]:
    p, m, s = START, 0.0, 0.0
    for t, g in enumerate(gradients(), start=1):
        p = p - rate * decay * p
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g * g
        p = p - rate * (m / (1 - beta1**t)) / (math.sqrt(s / (1 - beta2**t)) + epsilon)
        yield p


def path(optimizer: Optimizer, dtype: str = "float64") -> list[float]:
    P = np.full(3, START, dtype)
    slots = tuple(np.zeros_like(P) for _ in optimizer.slots)
    values = []
    for t, g in enumerate(gradients(), start=1):
        optimizer.update(P, np.full(3, g, dtype), slots, optimizer.learning_rate, t)
        assert P[0] == P[1] == P[2]
        values.append(float(P[0]))
    return values


CASES = [
    (SGD(learning_rate=0.1), sgd(0.1)),
    (Momentum(learning_rate=0.1, momentum=0.8), momentum(0.1, 0.8)),
    (Nesterov(learning_rate=0.1, momentum=0.8), nesterov(0.1, 0.8)),
    (RMSProp(learning_rate=0.1, decay=0.9, epsilon=1e-3), rmsprop(0.1, 0.9, 1e-3)),
    (Adam(learning_rate=0.1, beta1=0.8, beta2=0.95, epsilon=1e-2), adam(0.1, 0.8, 0.95, 1e-2)),
    (
        AdamW(learning_rate=0.1, beta1=0.8, beta2=0.95, epsilon=1e-2, weight_decay=0.3),
        adam(0.1, 0.8, 0.95, 1e-2, decay=0.3),
    ),
]


@pytest.mark.parametrize(("optimizer", "expected"), CASES, ids=lambda case: getattr(case, "name", ""))
def test_each_step_follows_the_textbook_formula(optimizer: Optimizer, expected: Iterator[float]) -> None:
    np.testing.assert_allclose(path(optimizer), list(expected), rtol=1e-12)


def test_every_optimizer_is_compared_with_a_textbook_formula() -> None:
    assert {optimizer.name for optimizer, _ in CASES} == OPTIMIZERS.keys()


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_single_precision_is_kept_and_close_to_double(name: str) -> None:
    optimizer = OPTIMIZERS[name](learning_rate=0.01)
    np.testing.assert_allclose(path(optimizer, "float32"), path(optimizer), rtol=1e-4)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_an_update_uses_the_learning_rate_of_the_step(name: str) -> None:
    values = []
    for own in (0.5, 0.01):
        optimizer = OPTIMIZERS[name](learning_rate=own)
        P, dP = np.ones(2), np.full(2, 0.3)
        optimizer.update(P, dP, tuple(np.zeros(2) for _ in optimizer.slots), 0.01, 1)
        values.append(P.tolist())
    assert values[0] == values[1] != [1, 1]


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("rate", [0, -0.1, math.nan, math.inf, True, "0.1", None, 10**400])
def test_an_invalid_learning_rate_is_refused(name: str, rate: float) -> None:
    with pytest.raises(ConfigurationError) as error:
        OPTIMIZERS[name](learning_rate=rate)
    assert error.value.field == "optimizer.learning_rate"


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("momentum", "momentum", 1),
        ("nesterov", "momentum", -0.1),
        ("rmsprop", "decay", 1.0),
        ("rmsprop", "epsilon", 0),
        ("adam", "beta1", 1),
        ("adam", "beta2", -1),
        ("adam", "epsilon", -1e-8),
        ("adamw", "weight_decay", -0.01),
        ("adamw", "beta1", math.nan),
    ],
)
def test_other_invalid_settings_are_refused(name: str, field: str, value: float) -> None:
    with pytest.raises(ConfigurationError) as error:
        OPTIMIZERS[name](**{field: value})
    assert error.value.field == f"optimizer.{field}"
