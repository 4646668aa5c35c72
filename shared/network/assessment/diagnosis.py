"""The diagnosis of a training: findings about its result, each with a code, what was measured, and what to do.

The thresholds are in the constants below, each with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from shared.network.assessment.evidence import Evidence
from shared.network.assessment.intervals import wilson
from shared.network.configuration import Configuration
from shared.network.evaluation.reports import EpochReport

AT_CHANCE = 0.98
"""A loss of at least this share of a constant prediction's loss counts as chance. A network that has learnt anything is
below it: one that is certain of one in five of ten classes' images has 0.8."""

ABOVE_CHANCE = 1.2
"""A loss of at least this multiple of a constant prediction's loss is worse than a prediction without the image."""

RISE = 0.25
"""The least rise of the loss since the start or the best epoch, as a share of a constant prediction's loss. The noise
of mini-batches and dropout changes the loss of an epoch by less than a tenth of it."""

JUMP = 1.5
"""An epoch's loss of at least this multiple of the initial loss is a jump: the steps were too long."""

SETTLED = 22
"""The least number of mini-batches after which the averages of batch normalization count: their initial values then
have a weight below a tenth. Before, an evaluation of a good network may have any loss."""

DEAD = 0.95
"""The least share of dead units in a hidden layer that lets no gradient through."""

INACTIVE = 0.8
"""A hidden layer with at least this share of dead or saturated units has lost most of its width. In healthy networks,
up to half of the ReLUs of a wide last layer are dead."""

FEW_TESTS = 10
"""With fewer test images, a good network may predict one class for all of them, and cannot be told from chance."""

GAP = 0.10
"""The least difference of training and test accuracy, beyond the uncertainty of both, that counts as overfitting.
Networks that generalize well also have smaller differences."""

FITTED = 0.90
"""A network with at least this accuracy on its training images has learnt them."""

FALL = 0.10
"""The least relative fall of the loss in the last quarter of the epochs that shows that more epochs would help. The
loss of a complete training falls by a few percent there."""

FEW_IMAGES = 20
"""The least number of training images in a class. With fewer, one image is more than 5 % of the class, and the usual
fifth for the test is at most 4 images."""

COPIED = 0.01
"""The least share of copies among the test images: below it, they change the accuracy by less than a point."""

COLOURED = 0.10
"""The least part of the way from chance to certainty that the mean colour alone goes, if classes differ in colour. Two
classes: 55 %, ten classes: 19 % of the images, beyond the uncertainty of the sample."""

CAUSED_BY_DIVERGENCE = "The training diverged: change that first."

SATURATING = frozenset({"sigmoid", "tanh"})
"""The activations whose units saturate; those of others die."""

NAMED = 10  # classes that a message names
LONGEST_NAME = 40


@dataclass(frozen=True)
class Finding:
    """One finding. code: stable, for programs. message: for people; says what was measured and what to do."""

    code: str
    message: str


def diagnose(evidence: Evidence, classes: Sequence[str]) -> list[Finding]:
    """Return the findings about a training, the gravest first; none if nothing was found. classes: their names."""
    found = ((code, check(evidence, classes)) for code, check in CHECKS.items())
    return [Finding(code, message) for code, message in found if message]


def has_diverged(evidence: Evidence) -> bool:
    """Return whether steps that were too long have spoilt the network, although the loss is finite."""
    loss, chance, history = evidence.train.loss, evidence.chance_loss, evidence.history
    losses = [report.train_loss for report in history]
    worse = (
        loss >= ABOVE_CHANCE * chance and loss >= evidence.initial_loss + RISE * chance and not _is_unsettled(evidence)
    )
    stuck = loss >= AT_CHANCE * chance and (
        max(losses) >= JUMP * max(evidence.initial_loss, chance) or max(history[-1].dead_units, default=0) >= DEAD
    )
    risen = min(losses[-1], loss) >= min(losses) + RISE * chance
    return worse or stuck or risen


def diverged(evidence: Evidence, _: Sequence[str]) -> str | None:
    """Return the message if the loss has risen, or stayed at chance after steps that were too long."""
    if not has_diverged(evidence):
        return None
    losses = [report.train_loss for report in evidence.history]
    low, high = f"{min(losses):.3g}", f"{max(losses):.3g}"
    epochs = f"{low} in the epochs" if low == high else f"between {low} and {high} in the epochs"
    return (
        f"The training diverged: its loss was {evidence.initial_loss:.3g} at the start, {epochs}, and is"
        f" {evidence.train.loss:.3g} at the end; a constant prediction has {evidence.chance_loss:.3g}."
        f" {lower_rate(evidence.configuration)}"
    )


def lower_rate(configuration: Configuration) -> str:
    """Return the advice to a training that diverges."""
    rate = configuration.optimizer.learning_rate
    standardize = "" if configuration.standardize else ", and standardize to true"
    return f"Set optimizer.learning_rate well below {rate:g}, for example to {rate / 10:g}{standardize}."


def no_better_than_chance(evidence: Evidence, classes: Sequence[str]) -> str | None:
    """Return the message if the interval of the test accuracy is not above the share of the most frequent class."""
    label, share = evidence.majority
    if not _is_at_chance(evidence):
        return None
    if evidence.test.samples < FEW_TESTS:
        return (
            f"The test accuracy is {_accuracy(evidence)}, from {evidence.test.samples} test images; a prediction of"
            f" {shortened(classes[label])!r} for every image has {share:.1%}. Add test images: with so few, a good"
            " network cannot be told from chance."
        )
    advice = (
        CAUSED_BY_DIVERGENCE
        if has_diverged(evidence)
        else (
            "Check that each image is in the folder of its class, then train with more images, more epochs or another"
            " optimizer.learning_rate."
        )
    )
    return (
        f"The test accuracy is {_accuracy(evidence)}; a prediction of {shortened(classes[label])!r} for every image has"
        f" {share:.1%}. {advice}"
    )


def one_class_predicted(evidence: Evidence, classes: Sequence[str]) -> str | None:
    """Return the message if all test images are predicted as one class, although they are of several."""
    predicted, present = evidence.test.confusion.sum(axis=0), evidence.test.confusion.sum(axis=1)
    if (predicted > 0).sum() > 1 or (present > 0).sum() < 2 or evidence.test.samples < FEW_TESTS:
        return None
    label = shortened(classes[int(predicted.argmax())])
    advice = (
        CAUSED_BY_DIVERGENCE
        if has_diverged(evidence)
        else ("Set a lower optimizer.learning_rate; if most images are of one class, add images of the others.")
    )
    return (
        f"All {evidence.test.samples:,} test images are predicted as {label!r}, although they are of"
        f" {int((present > 0).sum()):,} classes. {advice}"
    )


def worse_than_linear(evidence: Evidence, _: Sequence[str]) -> str | None:
    """Return the message if a linear model is more accurate, beyond the uncertainty of the network's accuracy.

    A network at chance has its own message.
    """
    if evidence.test_interval.high >= evidence.linear.test_accuracy or _is_at_chance(evidence):
        return None
    return (
        f"The test accuracy is {_accuracy(evidence)}; a linear model of the same images has"
        f" {evidence.linear.test_accuracy:.1%}. Use the preset auto, another optimizer.learning_rate or more epochs."
    )


def underfits(evidence: Evidence, _: Sequence[str]) -> str | None:
    """Return the message if the network fits its training images badly, and the cause is not that it diverged."""
    if evidence.train.accuracy >= FITTED or has_diverged(evidence):
        return None
    start = f"The network classifies only {evidence.train.accuracy:.1%} of its training images correctly"
    if _is_unsettled(evidence):
        return (
            f"{start}, after {evidence.steps:,} mini-batches: the averages of its batch normalization need at least"
            f" {SETTLED}. Train for more epochs, or with a smaller batch_size."
        )
    losses = [report.train_loss for report in evidence.history]
    quarter = max(1, len(losses) // 4)
    if len(losses) > 1 and losses[-1] <= (1 - FALL) * losses[-1 - quarter]:
        return (
            f"{start}, and its loss was still falling: from {losses[-1 - quarter]:.3g} in epoch {len(losses) - quarter}"
            f" to {losses[-1]:.3g} in epoch {len(losses)}, the last. Train for more epochs."
        )
    if evidence.train_interval.low <= evidence.linear.train_accuracy:
        return (
            f"{start}, a linear model {evidence.linear.train_accuracy:.1%}. Use a larger network, more epochs, a higher"
            f" optimizer.learning_rate, or less dropout, weight_decay and augmentation."
        )
    return None


def overfits(evidence: Evidence, _: Sequence[str]) -> str | None:
    """Return the message if the network is much more accurate on its training images than on the test images."""
    gap = evidence.train.accuracy - evidence.test.accuracy
    if gap < GAP or evidence.train_interval.low <= evidence.test_interval.high:
        return None
    validated = evidence.history[-1].validation_loss is not None
    needs = "" if validated else " with a validation_fraction"
    return (
        f"The network classifies {evidence.train.accuracy:.1%} of its training images correctly, but only"
        f" {_accuracy(evidence)} of the test images. Add training images, or use augmentation, dropout, weight_decay,"
        f" or early_stopping{needs}."
    )


def dead_units(evidence: Evidence, _: Sequence[str]) -> str | None:
    """Return the message if most units of a hidden layer with ReLUs are dead."""
    return inactive_units("dead_units", evidence.configuration, evidence.history[-1], evidence.train.accuracy)


def saturated_units(evidence: Evidence, _: Sequence[str]) -> str | None:
    """Return the message if most units of a hidden layer are saturated."""
    report, accuracy = evidence.history[-1], evidence.train.accuracy
    return inactive_units("saturated_units", evidence.configuration, report, accuracy)


def inactive_units(code: str, configuration: Configuration, report: EpochReport, accuracy: float) -> str | None:
    """Return the message if most units of a hidden layer no longer learn, and the activation makes them `code`.

    A network that is accurate on its training images has enough others.
    """
    share = max(report.dead_units, default=0.0)
    if (
        share < INACTIVE
        or accuracy >= FITTED
        or (configuration.activation in SATURATING) != (code == "saturated_units")
    ):
        return None
    number, blocks = report.dead_units.index(share) + 1, len(configuration.convolutions)
    place = f"block {number}" if number <= blocks else f"hidden layer {number - blocks}"
    what = f"In {place}, {share:.0%} of the {'filters' if number <= blocks else 'units'}"
    if code == "saturated_units":
        standardize = "" if configuration.standardize else ", standardize to true"
        return (
            f"{what} are saturated: their {configuration.activation} is at an end of its range for every sampled image,"
            " so they get almost no gradient. Set a lower optimizer.learning_rate"
            f"{standardize}, or activation to relu."
        )
    return (
        f"{what} are dead: their {configuration.activation} is flat for every sampled image, so they get no gradient."
        " Set a lower optimizer.learning_rate, or activation to leaky_relu."
    )


def too_few_images(evidence: Evidence, classes: Sequence[str]) -> str | None:
    """Return the message if classes have few training images."""
    few = sorted((count, label) for label, count in enumerate(evidence.train_counts.tolist()) if count < FEW_IMAGES)
    if not few:
        return None
    names = ", ".join(f"{shortened(classes[label])!r} ({count:,})" for count, label in few[:NAMED])
    more = f" and {len(few) - NAMED:,} more" if len(few) > NAMED else ""
    verb = "class has" if len(few) == 1 else "classes have"
    return (
        f"{len(few):,} {verb} fewer than {FEW_IMAGES} training images: {names}{more}. Add images of these classes, or"
        f" omit the classes."
    )


def colour_dropped(evidence: Evidence, _: Sequence[str]) -> str | None:
    """Return the message if classes differ in colour, the data set is gray, and the network is not accurate."""
    colour = evidence.colour
    if colour is None or not colour.images or evidence.test.accuracy >= FITTED:
        return None
    chance = 1 / colour.classes
    if wilson(colour.correct, colour.images).low <= chance + COLOURED * (1 - chance):
        return None
    return (
        f"The data set made images in colour gray, although their mean colour alone gives the class of"
        f" {colour.correct / colour.images:.1%} of {colour.images:,} sampled images (chance: {chance:.1%}). Upload them"
        f" with channels=3."
    )


def near_duplicates(evidence: Evidence, _: Sequence[str]) -> str | None:
    """Return the message if many test images are copies of training images."""
    copies = evidence.copies
    if copies.share < COPIED:
        return None
    exact = f"{copies.exact:,} of {copies.test:,} test images equal a training image" if copies.exact else ""
    near = f"{copies.near:,} of {copies.compared:,} compared test images nearly equal one" if copies.near else ""
    counts = " and ".join(filter(None, (exact, near)))
    return (
        f"{counts}: the test accuracy includes what the network remembers. Remove the copies, and keep pictures of one"
        f" origin, such as the frames of one video, in one split."
    )


CHECKS: Mapping[str, Callable[[Evidence, Sequence[str]], str | None]] = MappingProxyType(
    {
        "diverged": diverged,
        "no_better_than_chance": no_better_than_chance,
        "one_class_predicted": one_class_predicted,
        "worse_than_linear": worse_than_linear,
        "dead_units": dead_units,
        "saturated_units": saturated_units,
        "underfits": underfits,
        "overfits": overfits,
        "colour_dropped": colour_dropped,
        "near_duplicates": near_duplicates,
        "too_few_images": too_few_images,
    }
)
"""The checks by code, the gravest first."""


def _is_unsettled(evidence: Evidence) -> bool:
    """Return whether the network has batch normalization, and too few mini-batches for its averages."""
    normalized = any(block.batch_norm for block in evidence.configuration.convolutions)
    return normalized and evidence.steps < SETTLED


def _is_at_chance(evidence: Evidence) -> bool:
    several = (evidence.test.confusion.sum(axis=1) > 0).sum() > 1  # of one class, every accuracy is at chance
    return bool(several) and evidence.test_interval.low <= evidence.majority[1]


def _accuracy(evidence: Evidence) -> str:
    """Return the test accuracy with its interval, such as `93.1% (91.8–94.3%)`."""
    low, high = evidence.test_interval
    return f"{evidence.test.accuracy:.1%} ({100 * low:.1f}–{high:.1%})"


def shortened(name: str) -> str:
    """Return a class's name for a message, at most `LONGEST_NAME` characters."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
