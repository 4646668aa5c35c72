"""The diagnosis of a training while it runs: findings from the reports of its epochs so far.

A rule must hold in several epochs in a row, so that the noise of one epoch, and the first steps of a healthy training,
give no finding. The thresholds are those of the diagnosis at the end, and the constants below.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from shared.network.assessment.diagnosis import (
    AT_CHANCE,
    CAUSED_BY_DIVERGENCE,
    DEAD,
    FEW_TESTS,
    FITTED,
    GAP,
    JUMP,
    RISE,
    SETTLED,
    Finding,
    inactive_units,
    lower_rate,
    shortened,
)
from shared.network.assessment.intervals import wilson
from shared.network.configuration import Configuration
from shared.network.evaluation.reports import EpochReport
from shared.network.training.dead_units import SAMPLE

PATIENCE = 3
"""In how many epochs in a row a rule must hold, at least."""

NOISE = (100, 1 / 20)
"""Short epochs are noisy: a rule must hold for so many mini-batches, or for this share of the planned epochs."""

SLOW = MappingProxyType({"no_better_than_chance": (1000, 1 / 4), "one_class_predicted": (1000, 1 / 4)})
"""The same for findings that also describe the beginning of a slow training."""

FEW_STEPS = 10
"""The number of mini-batches before which a network may be about as it began, whatever its epochs are."""

FALLEN = 0.95
"""A loss below this share of the epoch before falls: it comes down from wherever it began."""

LATE = 0.75
"""The share of the planned epochs after which a loss that no longer falls is final: schedules lower the learning rate
towards the end, and a loss that stood still at a high rate falls again."""

FLAT = 0.02
"""The relative fall of the loss in the last quarter of the epochs below which it no longer falls."""


@dataclass(frozen=True)
class Setting:
    """What the rules compare with. counts: the training images of each class; validation: the validation images."""

    configuration: Configuration
    classes: Sequence[str]
    counts: Sequence[int]
    validation: int = 0

    @property
    def images(self) -> int:
        """The images of an epoch."""
        images = sum(self.counts)
        return images - self.configuration.validation_count(images)

    @property
    def held_out(self) -> int:
        """The images on which each epoch is validated."""
        return self.validation or self.configuration.validation_count(sum(self.counts))

    @property
    def steps(self) -> int:
        """The mini-batches of an epoch."""
        return -(-self.images // self.configuration.batch_size)

    @property
    def chance_loss(self) -> float:
        """The loss if each prediction is the classes' frequencies, in nats: their entropy."""
        total = sum(self.counts)
        return -math.fsum(n / total * math.log(n / total) for n in self.counts if n)


class LiveDiagnosis:
    """The findings about a training that runs, from one report after another."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.history: list[EpochReport] = []
        self.chance = setting.chance_loss
        self.lowest = math.inf
        """The lowest loss of the epochs before the newest."""

        self.highest = -math.inf
        """The highest loss of all epochs."""

        self._in_a_row: Counter[str] = Counter()

    def add(self, report: EpochReport) -> dict[str, Finding]:
        """Add the next epoch's report; return the findings that hold after it by code, the gravest first."""
        if self.history:
            self.lowest = min(self.lowest, self.history[-1].train_loss)
        self.history.append(report)
        self.highest = max(self.highest, report.train_loss)
        found: dict[str, Finding] = {}
        if report.epoch * self.setting.steps < FEW_STEPS:
            return found
        for code, rule in RULES.items():
            message = rule(self)
            self._in_a_row[code] = self._in_a_row[code] + 1 if message else 0
            if message and self._in_a_row[code] >= self._patience(code):
                found[code] = Finding(code, message)
        return found

    def _patience(self, code: str) -> int:
        """Return in how many epochs in a row a rule must hold."""
        steps, share = SLOW.get(code, NOISE)
        return max(PATIENCE, math.ceil(min(steps / self.setting.steps, share * self.setting.configuration.epochs)))


def diverged(training: LiveDiagnosis) -> str | None:
    """Return the message if the loss has risen since the best epoch, or stays at chance or above.

    The latter is a divergence if the loss was far above chance before, or if a layer is dead.
    """
    report, chance, loss = training.history[-1], training.chance, training.history[-1].train_loss
    risen = loss >= training.lowest + RISE * chance
    falls = len(training.history) < 2 or loss < FALLEN * training.history[-2].train_loss
    jumped = training.highest >= JUMP * chance and not falls
    stuck = loss >= AT_CHANCE * chance and (jumped or max(report.dead_units, default=0) >= DEAD)
    if not (risen or stuck):
        return None
    course = f"rose from {training.lowest:.3g} in the best epoch to {loss:.3g}" if risen else f"stays at {loss:.3g}"
    return (
        f"The training diverges: its loss {course} in epoch {report.epoch:,}; a constant prediction has {chance:.3g}."
        f" {lower_rate(training.setting.configuration)}"
    )


def no_better_than_chance(training: LiveDiagnosis) -> str | None:
    """Return the message if neither the loss nor the accuracy is better than that of a constant prediction."""
    report, setting = training.history[-1], training.setting
    most = max(setting.counts)
    share, correct = most / sum(setting.counts), round(report.train_accuracy * setting.images)
    accurate = wilson(correct, setting.images).low > share + (1 - AT_CHANCE) * (1 - share)
    at_chance = report.train_loss >= AT_CHANCE * training.chance and not accurate
    if not at_chance or share == 1:
        return None
    advice = (
        CAUSED_BY_DIVERGENCE
        if diverged(training)
        else "Check that each image is in the folder of its class, and try another optimizer.learning_rate."
    )
    name = shortened(setting.classes[list(setting.counts).index(most)])
    return (
        f"After {report.epoch:,} epochs, the network is no better than chance: its loss is {report.train_loss:.3g},"
        f" that of a constant prediction {training.chance:.3g}; it classifies {report.train_accuracy:.1%} of its"
        f" training images correctly, and a prediction of {name!r} for every image {share:.1%}. {advice}"
    )


def one_class_predicted(training: LiveDiagnosis) -> str | None:
    """Return the message if the network predicts one class for all sampled training images."""
    report, setting = training.history[-1], training.setting
    present = sum(count > 0 for count in setting.counts)
    images = min(SAMPLE, setting.images)
    normalized = any(block.batch_norm for block in setting.configuration.convolutions)
    unsettled = normalized and report.epoch * setting.steps < SETTLED
    if report.predicted_classes != 1 or present < 2 or images < FEW_TESTS or unsettled:
        return None
    advice = (
        CAUSED_BY_DIVERGENCE
        if diverged(training)
        else "Set a lower optimizer.learning_rate; if most images are of one class, add images of the others."
    )
    return (
        f"After {report.epoch:,} epochs, the network predicts the same class for all {images:,} sampled training"
        f" images, although they are of {present:,} classes. {advice}"
    )


def overfits(training: LiveDiagnosis) -> str | None:
    """Return the message if the network is much more accurate on its training images than on the validation images."""
    report, setting = training.history[-1], training.setting
    accuracy = report.validation_accuracy
    if accuracy is None or report.train_accuracy - accuracy < GAP:
        return None
    trained = wilson(round(report.train_accuracy * setting.images), setting.images)
    validated = wilson(round(accuracy * setting.held_out), setting.held_out)
    if trained.low <= validated.high:
        return None
    return (
        f"In epoch {report.epoch:,}, the network classifies {report.train_accuracy:.1%} of its training images"
        f" correctly, but only {accuracy:.1%} of the validation images. Add training images, or use augmentation,"
        " dropout, weight_decay, or early_stopping."
    )


def underfits(training: LiveDiagnosis) -> str | None:
    """Return the message if the loss no longer falls late in the training, and the images are not learnt.

    Dropout and augmentation lower the accuracy on the training images; only validation shows the network's own.
    """
    history, configuration = training.history, training.setting.configuration
    report, quarter = history[-1], max(1, len(history) // 4)
    disturbed = bool(configuration.dropout or configuration.augmentation)
    accuracy = max(0.0 if disturbed else report.train_accuracy, report.validation_accuracy or 0.0)
    unknown = disturbed and report.validation_accuracy is None
    if unknown or accuracy >= FITTED or report.epoch < LATE * configuration.epochs or len(history) <= quarter:
        return None
    earlier = history[-1 - quarter]
    if report.train_loss <= (1 - FLAT) * earlier.train_loss or diverged(training):
        return None
    return (
        f"The network classifies only {accuracy:.1%} of the images correctly, and its loss hardly falls: from"
        f" {earlier.train_loss:.3g} in epoch {earlier.epoch:,} to {report.train_loss:.3g} in epoch {report.epoch:,}."
        " Use a larger network, a higher optimizer.learning_rate, or less dropout, weight_decay and augmentation."
    )


def dead_units(training: LiveDiagnosis) -> str | None:
    """Return the message if most units of a hidden layer with ReLUs are dead."""
    return inactive_units("dead_units", training.setting.configuration, training.history[-1], _accuracy(training))


def saturated_units(training: LiveDiagnosis) -> str | None:
    """Return the message if most units of a hidden layer are saturated."""
    return inactive_units("saturated_units", training.setting.configuration, training.history[-1], _accuracy(training))


def _accuracy(training: LiveDiagnosis) -> float:
    report = training.history[-1]
    return max(report.train_accuracy, report.validation_accuracy or 0.0)


RULES: Mapping[str, Callable[[LiveDiagnosis], str | None]] = MappingProxyType(
    {
        "diverged": diverged,
        "no_better_than_chance": no_better_than_chance,
        "one_class_predicted": one_class_predicted,
        "dead_units": dead_units,
        "saturated_units": saturated_units,
        "underfits": underfits,
        "overfits": overfits,
    }
)
"""The rules by code, the gravest first."""
