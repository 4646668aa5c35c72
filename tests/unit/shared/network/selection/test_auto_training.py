from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.network import AutoTraining, EpochReport, Network, State, Training, TrainingDiverged, preset
from shared.network.selection.costs import training_cost
from shared.network.selection.race import Trial, measured, ranked

SAMPLES, SIDE, CLASSES = 200, 4, 3

_rng = np.random.default_rng(5)
LABELS = _rng.integers(0, CLASSES, SAMPLES)
IMAGES = _rng.integers(0, 200, (SAMPLES, SIDE, SIDE), dtype=np.uint8)
IMAGES[np.arange(SAMPLES), LABELS] += 40  # a slightly brighter row for each class


def network(**overrides: Any) -> Network:
    values = {"epochs": 30, "hidden": [60], "batch_size": 16, "validation_fraction": 0.1} | overrides
    return Network((SIDE, SIDE), CLASSES, preset("fast", **values))


def rate(value: float) -> dict[str, float]:
    return {"learning_rate": value}


NETWORKS = [
    network(optimizer=rate(1e-9)),
    network(augmentation={"flip": True}, hidden=[200]),
    network(dropout=0.3, early_stopping={"patience": 4}),
    network(optimizer=rate(1e30)),  # diverges
]


def run(networks: Sequence[Network] = NETWORKS, images: Any = IMAGES, labels: Any = LABELS) -> AutoTraining:
    training = AutoTraining(networks, images, labels)
    for _ in training:
        pass
    return training


@pytest.fixture(scope="module")
def finished() -> AutoTraining:
    return run()


def saved_and_loaded(state: State) -> State:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **state)
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def without_times(history: list[EpochReport]) -> list[EpochReport]:
    return [replace(report, seconds=0) for report in history]


def assert_same_bits(one: AutoTraining, other: AutoTraining) -> None:
    assert one.selection == other.selection
    assert without_times(one.history) == without_times(other.history)
    first, second = one.state(), other.state()
    assert first.keys() == second.keys()
    for name in first.keys() - {"training.epoch.seconds", "training.history"}:
        assert first[name].tobytes() == second[name].tobytes(), name


def test_race_has_a_trial_of_each_candidate_and_halves_them(finished: AutoTraining) -> None:
    trials = [(trial.rung, trial.candidate) for trial in finished.trials]
    assert trials[:4] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert trials[4:] == [(1, 1), (1, 2)]
    assert finished.winner in {1, 2}


def test_diverging_candidate_loses(finished: AutoTraining) -> None:
    assert math.isinf(finished.trials[3].loss)
    assert finished.selection["rungs"][0]["trials"][3]["validation_loss"] is None


def test_winner_is_the_best_of_the_last_rung(finished: AutoTraining) -> None:
    assert finished.winner == ranked(finished.trials[4:])[0].candidate


def test_winners_training_has_the_same_bits_as_its_training_alone(finished: AutoTraining) -> None:
    assert finished.winner is not None
    alone = Training(NETWORKS[finished.winner], IMAGES, LABELS)
    for _ in alone:
        pass
    assert without_times(finished.history) == without_times(alone.history)
    assert finished.network is NETWORKS[finished.winner]
    for name, array in alone.parameters.items():
        assert finished.parameters[name].tobytes() == array.tobytes()


def test_planned_cost_is_at_most_a_third_of_the_winners_training(finished: AutoTraining) -> None:
    assert finished.winner is not None
    assert sum(trial.cost for trial in finished.trials) <= finished.selection["cost"]
    assert 3 * finished.selection["cost"] <= training_cost(NETWORKS[finished.winner], SAMPLES)


def test_validation_images_of_the_race_are_not_trained_on_in_the_race() -> None:
    training = AutoTraining(NETWORKS, IMAGES, LABELS)
    race = training._race
    held_out = {IMAGES[index].tobytes() for index in race._validation}
    assert len(held_out) == 40
    while training.winner is None:
        _, images, _ = race.entry()
        assert held_out.isdisjoint(image.tobytes() for image in images)
        next(training)


def own_validation(count: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(9)
    return rng.integers(0, 200, (count, SIDE, SIDE), dtype=np.uint8), np.arange(count) % CLASSES


WITHOUT_FRACTION = [network(validation_fraction=0, hidden=[width], early_stopping={"patience": 4}) for width in (60, 9)]


def test_validation_split_of_the_data_measures_the_candidates_and_the_winners_epochs() -> None:
    own = own_validation(30)
    training = AutoTraining(WITHOUT_FRACTION, IMAGES, LABELS, validation=own)
    last = training._training
    for _ in training:
        if training.winner is None:
            last = training._training
    assert training.selection["validation_images"] == 30
    assert training._race._trained.tolist() == list(range(SAMPLES))
    expected = measured(last.network.probabilities(last.parameters, own[0]), own[1])
    assert (training.trials[-1].loss, training.trials[-1].accuracy) == (expected.loss, expected.accuracy)
    assert training.winner is not None
    alone = Training(WITHOUT_FRACTION[training.winner], IMAGES, LABELS, validation=own)
    for _ in alone:
        pass
    assert without_times(training.history) == without_times(alone.history)
    assert all(report.validation_loss is not None for report in training.history)


@pytest.mark.parametrize("steps", [5, 100])
def test_training_with_a_validation_split_of_the_data_resumes_to_the_same_bits(steps: int) -> None:
    own = own_validation(30)
    whole, stopped = (AutoTraining(WITHOUT_FRACTION, IMAGES, LABELS, validation=own) for _ in range(2))
    for _ in islice(stopped, steps):
        pass
    state = saved_and_loaded(stopped.state())
    resumed = AutoTraining.resume(WITHOUT_FRACTION, IMAGES, LABELS, state, validation=own)
    for each in (whole, resumed):
        for _ in each:
            pass
    assert_same_bits(whole, resumed)


def test_race_holds_out_training_images_if_the_validation_split_of_the_data_is_too_small() -> None:
    networks = [network(validation_fraction=0, hidden=[width]) for width in (60, 9)]
    small = AutoTraining(networks, IMAGES, LABELS, validation=own_validation(19))
    plain = AutoTraining(networks, IMAGES, LABELS)
    assert small._race._validation.tolist() == plain._race._validation.tolist()
    assert small._race.entry()[1].tobytes() == plain._race.entry()[1].tobytes()


def test_candidates_of_a_rung_train_on_the_same_images() -> None:
    training = AutoTraining(NETWORKS, IMAGES, LABELS)
    seen: dict[int, set[bytes]] = {}
    while (trial := training._race.next) is not None:
        seen.setdefault(trial.rung, set()).add(training._race.entry()[1].tobytes())
        next(training)
    assert [len(images) for images in seen.values()] == [1, 1]


@settings(max_examples=25, deadline=None)
@given(stops=st.lists(st.integers(0, 60), max_size=5))
def test_stopping_and_resuming_does_not_change_any_bit(finished: AutoTraining, stops: list[int]) -> None:
    training = AutoTraining(NETWORKS, IMAGES, LABELS)
    for steps in stops:
        for _ in islice(training, steps):
            pass
        training = AutoTraining.resume(NETWORKS, IMAGES, LABELS, saved_and_loaded(training.state()))
    for _ in training:
        pass
    assert_same_bits(training, finished)


def test_resuming_after_every_mini_batch_does_not_change_any_bit(finished: AutoTraining) -> None:
    training = AutoTraining(NETWORKS, IMAGES, LABELS)
    while not training.finished:
        next(training)
        training = AutoTraining.resume(NETWORKS, IMAGES, LABELS, training.state())
    assert_same_bits(training, finished)


def test_convolutional_candidates_have_the_same_bits_on_any_number_of_threads() -> None:
    block = {"filters": 3, "batch_norm": True, "pool_size": 2}
    common: dict[str, Any] = {"convolutions": [block], "standardize": True, "batch_size": 96, "dropout": 0.2}
    networks = [network(**common), network(**common, activation="tanh")]
    one, two, resumed = (AutoTraining(networks, IMAGES, LABELS, threads=threads) for threads in (1, 2, 2))
    for _ in one:
        next(two)
    for _ in islice(resumed, one.steps // 4):
        pass
    resumed = AutoTraining.resume(networks, IMAGES, LABELS, saved_and_loaded(resumed.state()), threads=1)
    for _ in resumed:
        pass
    assert one.trials
    assert_same_bits(one, two)
    assert_same_bits(one, resumed)


def test_further_training_does_not_change_a_returned_state() -> None:
    training = AutoTraining(NETWORKS, IMAGES, LABELS)
    for _ in islice(training, 3):
        pass
    state = training.state()
    before = {name: array.tobytes() for name, array in state.items()}
    for _ in training:
        pass
    assert {name: array.tobytes() for name, array in state.items()} == before


def test_share_done_and_steps_rise_to_the_end() -> None:
    training = AutoTraining(NETWORKS, IMAGES, LABELS)
    assert (training.share_done, training.steps) == (0, 0)
    shares, steps = [], []
    for _ in training:
        shares.append(training.share_done)
        steps.append(training.steps)
    assert shares == sorted(shares)
    assert steps == sorted(set(steps))
    assert 0 < shares[0] < shares[-1] <= 1


def test_history_is_empty_during_the_race() -> None:
    training = AutoTraining(NETWORKS, IMAGES, LABELS)
    while training.winner is None:
        assert training.history == []
        assert not training.finished
        next(training)
    assert training.history == []


def test_seed_changes_the_images_of_the_race() -> None:
    other = [network(seed=1), network(seed=1, hidden=[7])]
    same = [network(), network(hidden=[7])]
    first, second = (AutoTraining(networks, IMAGES, LABELS)._race for networks in (same, other))
    assert not np.array_equal(first._validation, second._validation)


def test_equal_losses_are_won_by_the_first_candidate() -> None:
    twins = [network(hidden=[width], optimizer=rate(1e30)) for width in (6, 7, 8)]
    training = AutoTraining(twins, IMAGES, LABELS)
    with pytest.raises(TrainingDiverged, match="try a learning rate well below 1e"):
        for _ in training:
            pass
    assert training.winner == 0


def test_single_candidate_trains_without_a_race() -> None:
    training = run(NETWORKS[1:2])
    assert (training.winner, training.trials, training.selection["rungs"]) == (0, [], [])
    assert len(training.history) == 30


@pytest.mark.parametrize("samples", [2, 8, 30])
def test_few_images_are_trained_on_without_a_race(samples: int) -> None:
    small = [network(batch_size=1, validation_fraction=0, hidden=[width]) for width in (5, 6)]
    training = run(small, IMAGES[:samples], LABELS[:samples])
    assert (training.winner, training.selection["rungs"]) == (0, [])


@pytest.mark.parametrize(
    "candidates",
    [NETWORKS[:3], NETWORKS[::-1], [network(seed=9), *NETWORKS[1:]]],
    ids=["fewer", "other order", "other seed"],
)
def test_state_of_other_candidates_is_refused(candidates: list[Network]) -> None:
    state = AutoTraining(NETWORKS, IMAGES, LABELS).state()
    with pytest.raises(ValueError, match="candidates differ"):
        AutoTraining.resume(candidates, IMAGES, LABELS, state)


def test_state_of_a_training_without_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="not that of a training with candidates"):
        AutoTraining.resume(NETWORKS, IMAGES, LABELS, Training(NETWORKS[0], IMAGES, LABELS).state())


def test_state_with_too_many_trials_is_refused(finished: AutoTraining) -> None:
    state = finished.state()
    with pytest.raises(ValueError, match="more trials than the race"):
        AutoTraining.resume(NETWORKS, IMAGES, LABELS, state | {"trials": np.zeros((7, 3))})


def test_state_of_other_data_is_refused() -> None:
    state = AutoTraining(NETWORKS, IMAGES, LABELS).state()
    with pytest.raises(ValueError, match="epoch"):
        AutoTraining.resume(NETWORKS, IMAGES[:100], LABELS[:100], state)


def trials(*losses: float, error: float = 0.1) -> list[Trial]:
    return [Trial(0, number, 1, 1, 1, loss, error, 0.5) for number, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "order"),
    [
        ((0.5, 0.2, 0.9), [1, 0, 2]),
        ((0.29, 0.2, 0.9), [0, 1, 2]),  # within one standard error of the lowest
        ((0.9, 0.25, 0.2, 0.31), [1, 2, 3, 0]),
        ((math.inf, 0.2), [1, 0]),
        ((math.inf, math.inf), [0, 1]),
    ],
)
def test_losses_within_a_standard_error_rank_in_the_order_of_candidates(
    losses: tuple[float, ...], order: list[int]
) -> None:
    assert [trial.candidate for trial in ranked(trials(*losses))] == order


def test_measures_are_the_mean_loss_its_standard_error_and_the_accuracy() -> None:
    P = np.array([[0.5, 0.5], [0.25, 0.75], [0.9, 0.1]])
    loss, error, accuracy = measured(P, np.array([0, 1, 1]))
    losses = [math.log(2), -math.log(0.75), math.log(10)]
    assert loss == pytest.approx(np.mean(losses))
    assert error == pytest.approx(np.std(losses) / math.sqrt(3))
    assert accuracy == pytest.approx(2 / 3)


def test_probabilities_that_are_not_numbers_count_as_divergence() -> None:
    assert math.isinf(measured(np.full((2, 2), np.nan), np.array([0, 1])).loss)
