from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.network import Network, preset
from shared.network.selection.costs import training_cost
from shared.network.selection.plan import FEWEST_IMAGES, SHARE, plan, shortened, trial_cost, trial_epochs


def network(**overrides: Any) -> Network:
    return Network((4, 4), 3, preset("fast", **{"hidden": [8], "epochs": 20, "batch_size": 16, **overrides}))


SIX = [network(hidden=[width]) for width in (8, 9, 10, 11, 12, 13)]


def test_each_rung_halves_the_candidates_and_doubles_the_share() -> None:
    rungs = plan(SIX, 2000).rungs
    assert [rung.entries for rung in rungs] == [6, 3]
    assert [rung.share / rungs[0].share for rung in rungs] == pytest.approx([1, 2])
    assert rungs[0].images < rungs[1].images


def test_candidates_are_measured_on_a_fifth_of_the_images_but_at_most_2000() -> None:
    assert plan(SIX, 1000).validation == 200
    assert plan(SIX, 60_000).validation == 2000


@pytest.mark.parametrize(
    ("own", "validation", "holds_out"), [(19, 200, True), (20, 20, False), (500, 500, False), (9_000, 2000, False)]
)
def test_candidates_are_measured_on_the_validation_split_of_the_data_if_it_suffices(
    own: int, validation: int, holds_out: bool
) -> None:
    made = plan(SIX, 1000, own)
    assert (made.validation, made.holds_out) == (validation, holds_out)
    assert made.rungs
    assert made.cost <= made.budget


def test_validation_split_with_fewer_than_two_images_for_each_class_does_not_suffice() -> None:
    networks = [Network((4, 4), 30, preset("fast", hidden=[width], epochs=20)) for width in (8, 9)]
    assert [plan(networks, 1000, own).holds_out for own in (59, 60)] == [True, False]


def test_one_candidate_needs_no_race() -> None:
    assert plan(SIX[:1], 2000).rungs == ()


@pytest.mark.parametrize("samples", [1, 8, FEWEST_IMAGES])
def test_few_images_allow_no_race(samples: int) -> None:
    made = plan([network(batch_size=1), network(batch_size=1, hidden=[9])], samples)
    assert (made.rungs, made.validation, made.cost) == ((), 0, 0)


def test_training_of_one_epoch_allows_no_race_on_few_images() -> None:
    assert plan([network(epochs=1), network(epochs=1, hidden=[9])], 300).rungs == ()


@settings(max_examples=200, deadline=None)
@given(
    samples=st.integers(1, 100_000),
    widths=st.lists(st.integers(1, 3000), min_size=1, max_size=9),
    epochs=st.lists(st.integers(1, 200), min_size=9, max_size=9),
    fraction=st.sampled_from([0.0, 0.1, 0.5]),
)
def test_race_costs_at_most_a_third_of_any_candidates_training(
    samples: int, widths: list[int], epochs: list[int], fraction: float
) -> None:
    networks = [
        network(hidden=[width], epochs=each, validation_fraction=fraction)
        for width, each in zip(widths, epochs, strict=False)
    ]
    made = plan(networks, samples)
    least = min(training_cost(candidate, samples) for candidate in networks)
    assert made.budget == least // SHARE
    assert made.cost <= made.budget
    dearest = 0
    for rung in made.rungs:
        costs = (trial_cost(each, rung, samples, made.validation) for each in networks)
        dearest += sum(sorted(costs, reverse=True)[: rung.entries])
    assert made.cost == dearest
    for rung in made.rungs:
        assert FEWEST_IMAGES <= rung.images <= samples - made.validation


def test_shortened_configuration_has_no_validation() -> None:
    long = preset("fast", validation_fraction=0.2, early_stopping={"patience": 3})
    short = shortened(long, 2, 64)
    assert (short.epochs, short.validation_fraction, short.early_stopping) == (2, 0.0, None)
    assert short.optimizer == long.optimizer


@pytest.mark.parametrize(
    ("batch_size", "epochs", "images", "expected"),
    [(128, 100, 1000, 128), (128, 10, 1000, 50), (128, 2, 100, 16), (128, 20_000, 9, 9), (8, 2, 100, 8)],
)
def test_shortened_configuration_has_smaller_mini_batches_for_more_steps(
    batch_size: int, epochs: int, images: int, expected: int
) -> None:
    assert shortened(preset("fast", batch_size=batch_size), epochs, images).batch_size == expected


@pytest.mark.parametrize(
    "schedule",
    [
        {"name": "step", "every": 30},
        {"name": "exponential", "decay": 0.95},
        {"name": "cosine"},
        {"name": "one_cycle"},
        {"name": "constant"},
    ],
)
def test_shortened_schedule_has_the_same_course(schedule: dict[str, Any]) -> None:
    long = preset("fast", epochs=100, schedule={**schedule, "warmup": 0.1})
    short = shortened(long, 3, 1000)
    for share in (0.05, 0.2, 0.5, 0.95):
        assert short.schedule.factor(3 * share, 3) == pytest.approx(long.schedule.factor(100 * share, 100))


@pytest.mark.parametrize("decay", [1e-300, 1e300])
def test_extreme_decay_stays_finite_in_a_short_schedule(decay: float) -> None:
    short = shortened(preset("fast", epochs=100, schedule={"name": "exponential", "decay": decay}), 1, 100)
    assert 0 < short.schedule.to_dict()["decay"] < float("inf")


def test_trial_trains_its_share_of_images_times_epochs() -> None:
    made = plan(SIX, 5000)
    for rung in made.rungs:
        passes = trial_epochs(SIX[0], rung, 5000) * rung.images
        assert 0.5 * rung.share * 20 * 5000 < passes <= rung.share * 20 * 5000
