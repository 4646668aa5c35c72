from __future__ import annotations

import io
import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.network import ConfigurationError, EpochReport, Network, State, Training, TrainingDiverged, preset
from shared.network.layers.activations import ACTIVATIONS
from shared.network.optimization.optimizers import OPTIMIZERS, SGD
from shared.network.training import loader
from shared.network.training.training import LATER

SAMPLES, SIDE, CLASSES = 43, 4, 3

_rng = np.random.default_rng(5)
LABELS = _rng.integers(0, CLASSES, SAMPLES)
IMAGES = _rng.integers(0, 120, (SAMPLES, SIDE, SIDE), dtype=np.uint8)
IMAGES[np.arange(SAMPLES), LABELS] += 100  # a bright row for each class


@pytest.fixture(scope="module", autouse=True)
def prefetch_the_smallest_batches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "PREFETCH_FROM_PIXELS", 0)
        yield


def network(name: str = "fast", **overrides: Any) -> Network:
    values = (
        {"epochs": 3, "hidden": [6, 5], "standardize": False}
        | ({} if name == "article" else {"batch_size": 8})
        | overrides
    )
    return Network((SIDE, SIDE), CLASSES, preset(name, **values))


def train(subject: Network) -> Training:
    training = Training(subject, IMAGES, LABELS)
    for _ in training:
        pass
    return training


def saved_and_loaded(state: State) -> State:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **state)
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def without_times(history: list[EpochReport]) -> list[EpochReport]:
    return [replace(report, seconds=0) for report in history]


def assert_same_bits(one: Training, other: Training) -> None:
    assert without_times(one.history) == without_times(other.history)
    first, second = one.state(), other.state()
    assert first.keys() == second.keys()
    for name in first.keys() - {"epoch.seconds", "history"}:
        assert first[name].tobytes() == second[name].tobytes(), name


def test_training_reports_every_mini_batch() -> None:
    positions = [(p.epoch, p.step, p.steps_per_epoch, p.samples) for p in Training(network(epochs=2), IMAGES, LABELS)]
    assert positions == [(epoch, step, 6, min(8 * step, SAMPLES)) for epoch in (1, 2) for step in range(1, 7)]


def test_training_reduces_the_loss() -> None:
    training = train(network(epochs=20))
    first, last = training.history[0], training.history[-1]
    assert last.train_loss < first.train_loss / 3
    assert last.train_accuracy > 0.95
    assert training.network.evaluate(training.parameters, IMAGES, LABELS).accuracy > 0.95


def test_the_history_contains_each_epochs_last_progress() -> None:
    training = Training(network(), IMAGES, LABELS)
    ends = [progress for progress in training if progress.step == progress.steps_per_epoch]
    assert [(r.epoch, r.train_loss, r.train_accuracy) for r in training.history] == [
        (p.epoch, p.train_loss, p.train_accuracy) for p in ends
    ]
    assert all(report.seconds > 0 for report in training.history)


def test_training_is_finished_after_the_last_epoch() -> None:
    training = Training(network(), IMAGES, LABELS)
    assert not training.finished
    for progress in training:
        assert training.finished == (progress.epoch == 3 and progress.step == progress.steps_per_epoch)
    assert list(training) == []
    assert len(training.history) == 3


def test_further_training_does_not_change_returned_parameters() -> None:
    training = Training(network(), IMAGES, LABELS)
    before = training.parameters
    kept = {name: array.copy() for name, array in before.items()}
    next(training)
    for name, array in before.items():
        np.testing.assert_array_equal(array, kept[name])
        assert (training.parameters[name] != array).any()


def test_training_does_not_change_the_data() -> None:
    images, labels = IMAGES.copy(), LABELS.copy()
    images.flags.writeable = labels.flags.writeable = False
    for _ in Training(network(), images, labels):
        pass
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize("name", ["fast", "article"])
def test_the_same_arguments_give_the_same_bits(name: str) -> None:
    assert_same_bits(train(network(name)), train(network(name)))


def test_another_seed_gives_another_training() -> None:
    assert without_times(train(network(seed=1)).history) != without_times(train(network(seed=2)).history)


def test_each_epoch_has_another_order() -> None:
    training = Training(network(), IMAGES, LABELS)
    orders = {tuple(training.state()["epoch.order"]) for _ in training}
    assert len(orders) == 3


def _possible(configuration: dict[str, Any]) -> dict[str, Any]:
    """Make the drawn settings consistent, and add the dependent ones."""
    together = configuration["update_order"] == "together"
    validated = "validation_fraction" in configuration
    changes: dict[str, Any] = {"early_stopping": {"patience": 1} if validated else None}
    changes["gradient_clip"] = 0.05 if together else None
    if configuration["optimizer"]["name"] == "adamw":
        changes["weight_decay"] = 0
    if validated and configuration["batch_size"] == SAMPLES:
        changes["batch_size"] = SAMPLES // 2
    return configuration | changes


EXTRAS = {
    "dropout": st.sampled_from([0.1, 0.5]),
    "label_smoothing": st.just(0.1),
    "weight_decay": st.just(0.01),
    "validation_fraction": st.sampled_from([0.1, 0.3]),
    "augmentation": st.sampled_from([{}, {"shift": 1, "rotation": 20}, {"scale": 0.1, "shear": 0.1, "elastic": 8}]),
}

CONFIGURATIONS = st.fixed_dictionaries(
    {
        "optimizer": st.sampled_from(sorted(OPTIMIZERS)).map(lambda name: {"name": name, "learning_rate": 0.002}),
        "activation": st.sampled_from(sorted(ACTIVATIONS)),
        "update_order": st.sampled_from(["together", "layerwise"]),
        "batch_size": st.sampled_from([1, 8, SAMPLES]),
        "dtype": st.sampled_from(["float32", "float64"]),
        "schedule": st.sampled_from(["cosine", "one_cycle"]).map(lambda name: {"name": name, "warmup": 0.1}),
        "seed": st.integers(0, 2**63 - 1),
    },
    optional=EXTRAS,
).map(_possible)


@settings(max_examples=100, deadline=None)
@given(configuration=CONFIGURATIONS, stops=st.lists(st.integers(0, 60), max_size=4))
def test_stopping_and_resuming_does_not_change_any_bit(configuration: dict[str, Any], stops: list[int]) -> None:
    subject = network(**configuration)
    training = Training(subject, IMAGES, LABELS)
    for steps in stops:
        for _ in islice(training, steps):
            pass
        training = Training.resume(subject, IMAGES, LABELS, saved_and_loaded(training.state()))
    for _ in training:
        pass
    assert_same_bits(training, train(subject))


@settings(max_examples=20, deadline=None)
@given(stops=st.lists(st.integers(1, 12), max_size=4))
def test_leaving_and_reentering_the_loop_does_not_change_any_bit(stops: list[int]) -> None:
    training = Training(network(), IMAGES, LABELS)
    for stop in stops:
        for count, _ in enumerate(training, start=1):
            if count == stop:
                break
    for _ in training:
        pass
    assert_same_bits(training, train(network()))


def test_further_training_does_not_change_a_returned_state() -> None:
    training = Training(network(), IMAGES, LABELS)
    for _ in islice(training, 3):
        pass
    state = training.state()
    for _ in training:
        pass
    assert_same_bits(Training.resume(network(), IMAGES, LABELS, state), _after(3))


def test_resuming_does_not_change_the_state() -> None:
    state = _after(3).state()
    for _ in Training.resume(network(), IMAGES, LABELS, state):
        pass
    assert_same_bits(Training.resume(network(), IMAGES, LABELS, state), _after(3))


def test_a_state_contains_the_trainings_parameters() -> None:
    training = _after(3)
    for name, array in training.parameters.items():
        np.testing.assert_array_equal(training.state()[f"parameters.{name}"], array)


@pytest.mark.parametrize("change", [{"seed": 5}, {"epochs": 4}, {"activation": "tanh"}])
def test_a_state_of_another_configuration_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="configuration"):
        Training.resume(network(**change), IMAGES, LABELS, _after(3).state())


def test_a_state_of_another_architecture_or_optimizer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"layer1\.weights"):
        Training.resume(network(hidden=[7, 5]), IMAGES, LABELS, _after(3).state())
    with pytest.raises(ValueError, match=r"optimizer\.velocity"):
        Training.resume(network(optimizer={"name": "sgd"}), IMAGES, LABELS, _after(3).state())


def test_a_state_of_other_data_is_refused() -> None:
    with pytest.raises(ValueError, match=r"epoch\.order"):
        Training.resume(network(), IMAGES[:-1], LABELS[:-1], _after(3).state())


@pytest.mark.parametrize("position", [-1, SAMPLES + 1])
def test_a_state_with_a_position_outside_its_epoch_is_refused(position: int) -> None:
    with pytest.raises(ValueError, match=r"epoch\.position"):
        Training.resume(network(), IMAGES, LABELS, _after(3).state() | {"epoch.position": np.array(position)})


@pytest.mark.parametrize("name", ["fast", "article"])
def test_a_diverging_training_raises_an_error_with_epoch_step_and_hint(name: str) -> None:
    training = Training(network(name, activation="relu", optimizer={"learning_rate": 1e30}), IMAGES, LABELS)
    with pytest.raises(TrainingDiverged, match="try a learning rate well below 1e") as error:
        for _ in training:
            pass
    assert error.value.epoch == 1
    assert 2 <= error.value.step <= 4


def test_an_overflow_in_the_last_update_raises_training_diverged() -> None:
    subject = network(batch_size=SAMPLES, epochs=1, optimizer={"name": "sgd", "learning_rate": 1e40})
    training = Training(subject, IMAGES, LABELS)
    with pytest.raises(TrainingDiverged, match="epoch 1, step 1: a parameter"):
        next(training)
    assert training.history == []


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        Training(network(batch_size=SAMPLES + 1), IMAGES, LABELS)
    assert error.value.field == "batch_size"


def test_data_that_do_not_match_the_network_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        Training(network(), IMAGES[:0], LABELS[:0])
    with pytest.raises(ValueError, match="4 × 4 pixels"):
        Training(network(), IMAGES[:, :3], LABELS)
    with pytest.raises(ValueError, match=r"must have shape \(43,\)"):
        Training(network(), IMAGES, LABELS[1:])


def test_floating_point_images_train_like_the_same_images_as_bytes() -> None:
    from_bytes, from_floats = train(network(dtype="float64")), Training(network(dtype="float64"), IMAGES / 255, LABELS)
    for _ in from_floats:
        pass
    assert from_floats.history[-1].train_loss == pytest.approx(from_bytes.history[-1].train_loss, rel=1e-9)


def test_validation_images_are_measured_and_never_trained_on() -> None:
    subject = network(epochs=2, validation_fraction=0.25, batch_size=4)
    training = Training(subject, IMAGES, LABELS)
    assert training.samples == 32
    seen: set[int] = set()
    for progress in training:
        state = training.state()
        seen |= set(state["epoch.order"].tolist())
        if progress.step == progress.steps_per_epoch:
            held_out = sorted(set(range(SAMPLES)) - seen)
            assert len(held_out) == 11
            expected = subject.evaluate(training.parameters, IMAGES[held_out], LABELS[held_out])
            report = training.history[-1]
            assert (report.validation_loss, report.validation_accuracy) == (expected.loss, expected.accuracy)


OWN = (IMAGES[::3], LABELS[::3])  # a validation split of the data set


@pytest.mark.parametrize("background", [0, 9], ids=["sorted pixels", "natural order"])
def test_a_validation_split_of_the_data_is_measured_after_each_epoch_and_changes_no_bit(background: int) -> None:
    images = np.full_like(IMAGES, background)
    images[:, 1] = IMAGES[:, 1]  # the other rows of pixels are dark
    subject = network(epochs=3, batch_size=4)
    plain, validated = Training(subject, images, LABELS), Training(subject, images, LABELS, validation=OWN)
    for progress, expected in zip(validated, plain, strict=True):
        assert progress == expected
        if progress.step == progress.steps_per_epoch:
            measured = subject.evaluate(validated.parameters, *OWN)
            report = validated.history[-1]
            assert (report.validation_loss, report.validation_accuracy) == (measured.loss, measured.accuracy)
    assert validated.samples == SAMPLES
    for name, array in plain.parameters.items():
        assert validated.parameters[name].tobytes() == array.tobytes()


def test_early_stopping_uses_a_validation_split_of_the_data_also_after_an_interruption() -> None:
    wrong = (IMAGES, (LABELS + 1) % CLASSES)  # the better the training, the higher the validation loss
    subject = network(epochs=60, early_stopping={"patience": 3}, schedule={"name": "constant"}, seed=3)
    whole, interrupted = (Training(subject, IMAGES, LABELS, validation=wrong) for _ in range(2))
    for _ in whole:
        pass
    for progress in interrupted:
        if progress.epoch == 2:
            break
    resumed = Training.resume(subject, IMAGES, LABELS, interrupted.state(), validation=wrong)
    for _ in resumed:
        pass
    assert len(whole.history) == len(resumed.history) < 60
    assert [report.validation_loss for report in whole.history] == [r.validation_loss for r in resumed.history]
    for name, array in whole.parameters.items():
        assert resumed.parameters[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "validation",
    [(IMAGES[:0], LABELS[:0]), (IMAGES[:3], LABELS[:2]), (IMAGES[:2, 1:], LABELS[:2]), (IMAGES[:1], LABELS[:1] + 99)],
    ids=["no images", "fewer labels", "another shape", "an unknown class"],
)
def test_validation_images_that_do_not_match_are_refused(validation: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"validation|labels|images"):
        Training(network(), IMAGES, LABELS, validation=validation)


def test_a_training_without_validation_reports_no_validation_measures() -> None:
    report = train(network()).history[-1]
    assert report.validation_loss is report.validation_accuracy is None


def test_early_stopping_ends_the_training_with_the_best_parameters() -> None:
    noise = np.random.default_rng(1).permutation(LABELS)  # random labels: the validation loss only increases
    subject = network(
        epochs=60, validation_fraction=0.3, early_stopping={"patience": 3}, schedule={"name": "constant"}, seed=3
    )
    training = Training(subject, IMAGES, noise)
    seen = [training.state() for progress in training if progress.step == progress.steps_per_epoch]
    losses = [report.validation_loss for report in training.history if report.validation_loss is not None]
    best = losses.index(min(losses))
    assert training.finished
    assert len(losses) == best + 1 + 3 < 60
    for name, array in training.parameters.items():
        np.testing.assert_array_equal(array, seen[best][f"parameters.{name}"])
        assert (array != seen[-1][f"parameters.{name}"]).any()


def test_before_the_first_validation_the_result_is_the_latest_parameters() -> None:
    subject = network(validation_fraction=0.3, early_stopping={"patience": 3})
    training = Training(subject, IMAGES, LABELS)
    start = training.parameters
    next(training)
    for name, array in training.parameters.items():
        np.testing.assert_array_equal(array, training.state()[f"parameters.{name}"])
        assert (array != start[name]).any()


def test_inference_drops_no_units() -> None:
    with_dropout, without = network(dropout=0.5), network()
    parameters = with_dropout.initialize(np.random.default_rng(0))
    np.testing.assert_array_equal(
        with_dropout.probabilities(parameters, IMAGES), without.probabilities(parameters, IMAGES)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"dropout": 0.2},
        {"label_smoothing": 0.2},
        {"weight_decay": 0.2},
        {"gradient_clip": 0.01},
        {"augmentation": {"shift": 1}},
    ],
)
def test_every_setting_of_the_training_has_an_effect(change: dict[str, Any]) -> None:
    changed, unchanged = (
        [replace(report, learning_rate=None) for report in without_times(train(network(**each)).history)]
        for each in (change, {})
    )
    assert changed != unchanged


def test_the_history_contains_gradient_norms_and_dead_units() -> None:
    report = train(network(batch_size=SAMPLES, epochs=1)).history[0]
    assert report.gradient_norm is not None
    assert report.gradient_norm > 0
    assert len(report.dead_units) == 2
    assert all(0 <= share <= 1 for share in report.dead_units)
    assert len(report.layer_gradient_norms) == 3
    assert math.hypot(*report.layer_gradient_norms) == pytest.approx(report.gradient_norm, rel=1e-3)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_state_of_an_older_release_continues_without_the_norms_of_layers(steps: int) -> None:
    subject = network(batch_size=SAMPLES, epochs=4)
    whole, interrupted = train(subject), Training(subject, IMAGES, LABELS)
    for _ in range(steps):
        next(interrupted)
    state = {name: array for name, array in interrupted.state().items() if name not in LATER}
    resumed = Training.resume(subject, IMAGES, LABELS, state | {"history": state["history"][:, :9]})
    for _ in resumed:
        pass
    norms = [report.layer_gradient_norms for report in whole.history]
    assert [report.layer_gradient_norms for report in resumed.history] == [()] * steps + norms[steps:]
    assert (
        resumed.state()["parameters.layer1.weights"].tobytes() == whole.state()["parameters.layer1.weights"].tobytes()
    )


def test_a_gradient_norm_that_overflows_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(network(epochs=1), IMAGES, LABELS)
    monkeypatch.setattr("shared.network.optimization.parameter_update.norm", lambda _: math.inf)
    for _ in training:
        pass
    assert training.history[0].gradient_norm is None


@pytest.mark.parametrize("batch_size", [1, 7, SAMPLES])
def test_the_history_contains_the_learning_rate_of_each_epochs_last_mini_batch(batch_size: int) -> None:
    subject = network(
        batch_size=batch_size,
        epochs=3,
        optimizer={"name": "sgd", "learning_rate": 0.25},
        schedule={"name": "cosine", "warmup": 0.1},
    )
    training = Training(subject, IMAGES, LABELS)
    for _ in range(1 + -(-SAMPLES // batch_size)):
        next(training)
    training = Training.resume(subject, IMAGES, LABELS, training.state())
    for _ in training:
        pass
    last = (SAMPLES - 1) % batch_size + 1
    schedule = subject.configuration.schedule
    expected = [0.25 * schedule.factor(epoch - last / 2 / SAMPLES, 3) for epoch in (1, 2, 3)]
    assert [report.learning_rate for report in training.history] == pytest.approx(expected)


def test_training_image_by_image_reports_no_gradient_norm() -> None:
    assert train(network("article")).history[0].gradient_norm is None
    assert train(network("article", weight_decay=0.1)).history[0].gradient_norm is not None


@pytest.mark.parametrize("prefetching", [True, False])
def test_prefetching_does_not_change_any_bit(prefetching: bool) -> None:
    subject = network(augmentation={"shift": 1, "rotation": 20, "elastic": 5}, dropout=0.2)
    training = Training(subject, IMAGES, LABELS)
    assert training._step.lookahead == 8
    training._step.lookahead = 8 if prefetching else 0
    for _ in training:
        pass
    assert_same_bits(training, train(subject))


@pytest.mark.parametrize(("batch_size", "prefetches"), [(20, False), (21, True)])
def test_prefetching_is_used_for_large_augmented_batches(
    batch_size: int, prefetches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "PREFETCH_FROM_PIXELS", 21 * SIDE * SIDE)
    subject = network(augmentation={"shift": 1}, batch_size=batch_size)
    assert Training(subject, IMAGES, LABELS)._step.lookahead == (batch_size if prefetches else 0)
    plain = network(batch_size=batch_size)
    assert Training(plain, IMAGES, LABELS)._step.lookahead == 0


def test_no_thread_remains_after_a_training_is_dropped_or_fails() -> None:
    subject = network(augmentation={"shift": 1}, activation="relu")
    training = Training(subject, IMAGES, LABELS)
    next(training)
    del training
    diverging = replace(subject.configuration, optimizer=SGD(learning_rate=1e30))
    with pytest.raises(TrainingDiverged):
        for _ in Training(Network((SIDE, SIDE), CLASSES, diverging), IMAGES, LABELS):
            pass
    for thread in threading.enumerate():
        if thread.name == "next batch":
            thread.join(timeout=5)
    assert not any(thread.name == "next batch" for thread in threading.enumerate())


def _after(steps: int) -> Training:
    training = Training(network(), IMAGES, LABELS)
    for _ in islice(training, steps):
        pass
    return training
