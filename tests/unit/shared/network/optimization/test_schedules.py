from __future__ import annotations

import math

import pytest

from shared.network.errors import ConfigurationError
from shared.network.optimization.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    Schedule,
    StepDecay,
)


def test_constant_schedule_has_factor_1() -> None:
    assert [Constant().factor(time, 4) for time in (0, 1.5, 3.9)] == [1, 1, 1]


def test_step_drops_at_each_multiple_of_every() -> None:
    schedule = StepDecay(every=2, decay=0.1)
    assert [schedule.factor(time, 6) for time in (0, 1.99, 2, 3.5, 4)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_exponential_falls_by_the_same_factor_in_every_epoch() -> None:
    schedule = Exponential(decay=0.5)
    assert [schedule.factor(time, 4) for time in (0, 1, 2, 2.5)] == pytest.approx([1, 0.5, 0.25, 0.25 * math.sqrt(0.5)])


def test_cosine_falls_to_its_final_value_by_the_end() -> None:
    schedule = Cosine(final=0.2)
    assert schedule.factor(0, 4) == 1
    assert schedule.factor(2, 4) == pytest.approx(0.6)
    assert schedule.factor(4 - 1e-9, 4) == pytest.approx(0.2)


def test_one_cycle_rises_to_its_peak_and_falls_to_its_final_value() -> None:
    schedule = OneCycle(rise=0.25, start=0.1, final=0.01)
    assert schedule.factor(0, 8) == pytest.approx(0.1)
    assert schedule.factor(1, 8) == pytest.approx(0.55)
    assert schedule.factor(2, 8) == 1
    assert schedule.factor(5, 8) == pytest.approx(0.505)
    assert schedule.factor(8 - 1e-9, 8) == pytest.approx(0.01)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_warms_up_from_zero_before_its_own_course(name: str) -> None:
    cold, warm = SCHEDULES[name](), SCHEDULES[name](warmup=0.25)
    assert [warm.factor(time, 8) for time in (0, 0.5, 1)] == [0, 0.25, 0.5]
    for time in (0, 1.25, 5.5):
        assert warm.factor(2 + time, 8) == cold.factor(time, 6)


def test_a_step_decay_without_a_drop_before_the_end_is_refused() -> None:
    schedule = StepDecay(every=3, warmup=0.25)
    schedule.check(epochs=5)
    with pytest.raises(ConfigurationError) as error:
        schedule.check(epochs=4)
    assert error.value.field == "schedule.every"


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (Constant, "warmup", -0.1),
        (Cosine, "warmup", 1),
        (StepDecay, "every", 0),
        (StepDecay, "decay", 0),
        (Exponential, "decay", -1),
        (Cosine, "final", -1),
        (OneCycle, "rise", 0),
        (OneCycle, "rise", 1),
        (OneCycle, "start", -0.1),
        (OneCycle, "final", -0.1),
    ],
)
def test_invalid_settings_are_refused(kind: type[Schedule], field: str, value: float) -> None:
    with pytest.raises(ConfigurationError) as error:
        kind(**{field: value})
    assert error.value.field == f"schedule.{field}"
