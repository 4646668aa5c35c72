from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from shared.network import EpochReport, Network, Training, preset
from shared.network.assessment.diagnosis import INACTIVE
from shared.network.assessment.live import LiveDiagnosis, Setting

CLASSES = [f"class {number}" for number in range(4)]
CHANCE = float(np.log(4))


def live(epochs: int = 8, *, validation: int = 0, counts: Iterable[int] = (250,) * 4, **changes: Any) -> LiveDiagnosis:
    configuration = preset("fast", epochs=epochs, **{"batch_size": 100, **changes})
    return LiveDiagnosis(Setting(configuration, CLASSES, list(counts), validation))


def report(epoch: int, loss: float, accuracy: float = 0.5, *, predicted: int = 4, **values: Any) -> EpochReport:
    return EpochReport(epoch, loss, accuracy, 0.1, predicted_classes=predicted, **values)


def codes(diagnosis: LiveDiagnosis, reports: Iterable[EpochReport]) -> list[list[str]]:
    """Return the codes that hold after each epoch."""
    return [list(diagnosis.add(each)) for each in reports]


def test_a_loss_that_rises_diverges_after_three_epochs_in_a_row() -> None:
    losses = (1.0, 0.6, 1.1, 0.7, 1.1, 1.2, 1.3, 0.6)
    found = codes(live(), [report(epoch, loss) for epoch, loss in enumerate(losses, start=1)])
    assert found == [[], [], [], [], [], [], ["diverged"], []]


def test_a_loss_that_stays_far_above_chance_diverges_and_one_that_falls_does_not() -> None:
    def high(losses: Iterable[float]) -> list[list[str]]:
        return codes(live(), [report(epoch, loss) for epoch, loss in enumerate(losses, start=1)])

    assert high([20.0, 20.4, 19.8, 20.1])[-1] == ["diverged"]
    assert high([20.0, 12.0, 6.0, 3.0])[-1] == []


@pytest.mark.parametrize(("epochs", "first"), [(8, 3), (40, 10)])
def test_chance_and_one_class_are_found_after_a_quarter_of_the_epochs(epochs: int, first: int) -> None:
    reports = [report(epoch, CHANCE, 0.25, predicted=1) for epoch in range(1, first + 1)]
    found = codes(live(epochs), reports)  # 10 mini-batches an epoch
    assert found[-2:] == [[], ["no_better_than_chance", "one_class_predicted"]]


def test_an_accuracy_above_chance_is_no_finding_although_the_loss_is_high() -> None:
    assert not any(codes(live(), [report(epoch, CHANCE, 0.4) for epoch in range(1, 6)]))


@pytest.mark.parametrize(("activation", "code"), [("relu", "dead_units"), ("tanh", "saturated_units")])
def test_a_layer_without_most_of_its_units_is_found_by_its_activation(activation: str, code: str) -> None:
    def after(share: float, accuracy: float = 0.5) -> dict[str, str]:
        diagnosis = live(activation=activation)
        *_, found = [diagnosis.add(report(epoch, 0.9, accuracy, dead_units=(0.1, share))) for epoch in (1, 2, 3)]
        return {code: finding.message for code, finding in found.items()}

    assert list(after(INACTIVE)) == [code]
    assert after(INACTIVE)[code].startswith("In hidden layer 2, 80% of the units are ")
    assert not after(INACTIVE - 0.01)
    assert not after(INACTIVE, accuracy=0.95)


def test_overfitting_is_found_by_the_validation_images() -> None:
    def after(accuracy: float, count: int) -> list[str]:
        values: dict[str, Any] = {"validation_loss": 1.0, "validation_accuracy": accuracy}
        return codes(live(validation=count), [report(epoch, 0.3, 0.95, **values) for epoch in (1, 2, 3)])[-1]

    assert after(0.75, 200) == ["overfits"]
    assert after(0.90, 200) == []
    assert after(0.75, 10) == []  # too few images to tell


def test_underfitting_is_found_late_and_only_if_the_loss_no_longer_falls() -> None:
    def after(losses: Iterable[float], **changes: Any) -> list[str]:
        return codes(live(**changes), [report(epoch, loss, 0.7) for epoch, loss in enumerate(losses, start=1)])[-1]

    flat = [1.0, 0.9, 0.81, 0.8, 0.8, 0.8, 0.799, 0.798]
    assert after(flat) == ["underfits"]
    assert after(flat, epochs=12) == []
    assert after([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]) == []
    assert after(flat, dropout=0.5) == []  # the accuracy without dropout is not known


def test_the_first_mini_batches_give_no_finding() -> None:
    few = live(12, counts=(5,) * 4, batch_size=20)
    found = codes(few, [report(epoch, 9.0 + epoch, 0.25, predicted=1) for epoch in range(1, 13)])
    assert not any(found[:9])
    assert found[-1] == ["diverged", "no_better_than_chance", "one_class_predicted"]


def test_a_data_set_of_one_class_gives_no_finding() -> None:
    assert not any(codes(live(counts=(100, 0, 0, 0)), [report(epoch, 0.0, 1.0, predicted=1) for epoch in range(1, 9)]))


@pytest.mark.parametrize("name", ["fast", "article"])
def test_a_healthy_training_has_no_finding_and_one_with_long_steps_has(name: str, rng: np.random.Generator) -> None:
    y = np.arange(300) % 4
    images = np.zeros((300, 8, 8), np.uint8)
    images[np.arange(300), y * 2] = 200
    images += rng.integers(0, 40, images.shape, dtype=np.uint8)

    def after_each(**changes: Any) -> list[list[str]]:
        configuration = preset(name, epochs=12, hidden=[16, 8], **changes)
        training = Training(Network((8, 8), 4, configuration), images, y)
        for _ in training:
            pass
        return codes(LiveDiagnosis(Setting(configuration, CLASSES, np.bincount(y).tolist())), training.history)

    assert not any(after_each(optimizer={"learning_rate": 0.05}))
    assert "no_better_than_chance" in after_each(optimizer={"learning_rate": 20.0}, standardize=False)[-1]
