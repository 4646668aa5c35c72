from __future__ import annotations

import numpy as np
import pytest

from shared.network.optimization import parameter_update
from shared.network.optimization.optimizers import OPTIMIZERS, SGD
from shared.network.optimization.parameter_update import Update


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_updates_in_blocks_give_the_bits_of_one_sweep(
    name: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, results = rng.normal(size=100), []
    steps = rng.normal(size=(4, 100))
    for block in (1000, 7):
        monkeypatch.setattr(parameter_update, "BLOCK", block)
        P, dP = start.copy(), np.empty(100)
        update = Update(OPTIMIZERS[name](learning_rate=0.1), P, dP, [slice(0, 100)])
        for gradient in steps:
            dP[:] = gradient
            update.begin_step(1.0)
            update.apply_all()
        results.append(P)
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_updates_part_by_part_equal_an_update_of_all_parts(name: str, rng: np.random.Generator) -> None:
    start, gradient = rng.normal(size=10), rng.normal(size=10)
    results = []
    for parts in ([], [1, 0]):
        P, dP = start.copy(), gradient.copy()
        update = Update(OPTIMIZERS[name](learning_rate=0.1), P, dP, [slice(0, 4), slice(4, 10)])
        update.begin_step(1.0)
        for part in parts:
            update.apply(part)
        if not parts:
            update.apply_all()
        results.append(P)
    np.testing.assert_array_equal(results[0], results[1])


def test_the_update_of_one_part_does_not_change_the_others() -> None:
    P, dP = np.zeros(5), np.ones(5)
    update = Update(SGD(learning_rate=1), P, dP, [slice(0, 2), slice(2, 5)])
    update.begin_step(1.0)
    update.apply(1)
    assert P.tolist() == [0, 0, -1, -1, -1]


def test_the_schedules_factor_scales_the_step() -> None:
    P, dP = np.zeros(1), np.ones(1)
    update = Update(SGD(learning_rate=0.5), P, dP, [])
    update.begin_step(0.25)
    update.apply_all()
    assert P.tolist() == [-0.125]


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_a_restored_update_continues_with_the_same_bits(name: str, rng: np.random.Generator) -> None:
    optimizer = OPTIMIZERS[name](learning_rate=0.1)
    P, dP = rng.normal(size=10), np.empty(10)
    update = Update(optimizer, P, dP, [])
    gradients = rng.normal(size=(6, 10))
    for gradient in gradients[:3]:
        dP[:] = gradient
        update.begin_step(1.0)
        update.apply_all()
    P_later, dP_later = P.copy(), np.empty(10)
    later = Update(optimizer, P_later, dP_later, [])
    later.restore(update.state())
    for gradient in gradients[3:]:
        dP[:] = dP_later[:] = gradient
        for each in (update, later):
            each.begin_step(1.0)
            each.apply_all()
    np.testing.assert_array_equal(P_later, P)


def test_a_state_is_a_copy() -> None:
    P, dP = np.zeros(2), np.ones(2)
    update = Update(OPTIMIZERS["momentum"](learning_rate=0.1), P, dP, [])
    state = update.state()
    update.begin_step(1.0)
    update.apply_all()
    assert int(state["steps"]) == 0
    assert not state["velocity"].any()
