"""The diagnosis: real trainings of tiny networks that end badly in different ways, and each threshold at its edges."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.network import EpochReport, Evaluation, Network, Training, preset
from shared.network.arrays import Images, Labels
from shared.network.assessment.copies import Copies
from shared.network.assessment.diagnosis import COPIED, DEAD, FALL, FEW_IMAGES, FITTED, GAP, SETTLED, diagnose
from shared.network.assessment.evidence import SAMPLE, ColourEvidence, Evidence, gather
from shared.network.assessment.linear import LinearBaseline
from tests.support.data.npz import easy_images
from tests.support.objects.models import tiny_configuration

CLASSES = ("0", "1", "2")
CONVOLUTIONAL: dict[str, Any] = {
    "convolutions": [
        {"filters": 4, "kernel_size": 3, "strides": 1, "padding": "same", "batch_norm": True, "pool_size": 2}
    ],
    "standardize": True,
}
Data = tuple[Images, Labels]


def trained(train: Data, test: Data, classes: int = 3, **overrides: Any) -> Evidence:
    """Train a tiny network, and return the evidence."""
    network = Network(
        train[0].shape[1:], classes, tiny_configuration(**{"epochs": 6, "standardize": False} | overrides)
    )
    training = Training(network, *train)
    for _ in training:
        pass
    evaluation = network.evaluate(training.parameters, *test)
    return gather(network, training.parameters, training.history, evaluation, train, test)


def codes(evidence: Evidence, classes: tuple[str, ...] = CLASSES) -> list[str]:
    return [finding.code for finding in diagnose(evidence, classes)]


def messages(evidence: Evidence, classes: tuple[str, ...] = CLASSES) -> dict[str, str]:
    return {finding.code: finding.message for finding in diagnose(evidence, classes)}


def easy(count: int = 300, tests: int = 60) -> tuple[Data, Data]:
    x, y = easy_images(count + tests)
    return (x[:count], y[:count]), (x[count:], y[count:])


def mid_grey(count: int, rng: np.random.Generator) -> Data:
    """Return images that are mid-grey but for a slightly brighter row: their pixels have a large common mean."""
    y = np.arange(count) % 3
    x = rng.integers(120, 136, (count, 16, 16), dtype=np.uint8)
    x[np.arange(count), 2 * y] += 20
    return x, y


class TestTrainings:
    def test_a_good_training_has_no_findings(self) -> None:
        assert diagnose(trained(*easy()), CLASSES) == []

    @pytest.mark.parametrize(
        "optimizer",
        [{"name": "nesterov", "learning_rate": 3.0, "momentum": 0.9}, {"name": "adam", "learning_rate": 5.0}],
        ids=["nesterov", "adam"],
    )
    def test_a_training_that_diverges_quietly_is_found(
        self, optimizer: dict[str, Any], rng: np.random.Generator
    ) -> None:
        evidence = trained(mid_grey(300, rng), mid_grey(90, rng), hidden=[16, 16], optimizer=optimizer)
        found = messages(evidence)
        assert {"diverged", "no_better_than_chance"} <= found.keys()
        assert (
            f"well below {optimizer['learning_rate']:g}, for example to {optimizer['learning_rate'] / 10:g}"
            in (found["diverged"])
        )
        assert found["diverged"].endswith(", and standardize to true.")
        assert found["no_better_than_chance"].endswith("%. The training diverged: change that first.")
        assert "underfits" not in found

    def test_a_convolutional_network_that_learns_has_no_findings(self) -> None:
        evidence = trained(*easy(), **CONVOLUTIONAL)
        assert 0.5 < evidence.initial_loss < 3  # measured with the statistics of a mini-batch
        assert diagnose(evidence, CLASSES) == []

    def test_a_convolutional_network_that_diverges_quietly_is_found(self) -> None:
        evidence = trained(*easy(), **CONVOLUTIONAL | {"optimizer": {"name": "adam", "learning_rate": 30.0}})
        assert "diverged" in codes(evidence)

    def test_a_convolutional_network_with_a_learning_rate_that_is_too_small_has_not_diverged(self) -> None:
        still = {"optimizer": {"name": "sgd", "learning_rate": 1e-9}, "seed": 3}
        evidence = trained(*easy(), **CONVOLUTIONAL | still)
        assert evidence.train.loss > 3 * evidence.chance_loss  # as at the start
        assert codes(evidence) == ["no_better_than_chance", "underfits"]

    def test_a_linear_network_that_diverges_is_found(self, rng: np.random.Generator) -> None:
        y = rng.integers(0, 3, 300)
        data = rng.integers(0, 256, (300, 8, 8), dtype=np.uint8), y
        evidence = trained(
            data, data, hidden=[], optimizer={"name": "sgd", "learning_rate": 100.0}, schedule={"name": "constant"}
        )
        assert "diverged" in codes(evidence)

    def test_a_training_that_diverges_in_its_last_epochs_is_found(self) -> None:
        evidence = trained(*easy())
        losses = [0.9, 0.4, 0.2, 0.3, 0.45, 0.5]
        history = [replace(report, train_loss=loss) for report, loss in zip(evidence.history, losses, strict=True)]
        evidence = replace(evidence, history=history)
        assert "diverged" not in codes(replace(evidence, train=replace(evidence.train, loss=0.2)))  # the best epoch's
        assert "diverged" in codes(replace(evidence, train=replace(evidence.train, loss=0.5)))

    def test_a_learning_rate_that_is_too_small_underfits_and_has_not_diverged(self) -> None:
        found = messages(trained(*easy(), optimizer={"name": "sgd", "learning_rate": 1e-9}))
        assert list(found) == ["no_better_than_chance", "underfits"]
        assert "a linear model 100.0%" in found["underfits"]
        assert "a higher optimizer.learning_rate" in found["underfits"]

    def test_a_training_that_ends_early_underfits_with_a_falling_loss(self) -> None:
        evidence = trained(
            *easy(), optimizer={"name": "sgd", "learning_rate": 0.007}, schedule={"name": "constant"}, epochs=3
        )
        first, last = evidence.history[1].train_loss, evidence.history[2].train_loss
        assert evidence.train.accuracy < FITTED
        message = messages(evidence)["underfits"]
        assert f"from {first:.3g} in epoch 2 to {last:.3g} in epoch 3, the last. Train for more epochs." in message

    def test_a_network_that_remembers_random_labels_overfits(self, rng: np.random.Generator) -> None:
        x = rng.integers(0, 256, (400, 8, 8), dtype=np.uint8)
        y = rng.integers(0, 3, 400)
        evidence = trained((x[:200], y[:200]), (x[200:], y[200:]), hidden=[64], epochs=40)
        found = messages(evidence)
        assert list(found) == ["no_better_than_chance", "overfits"]
        assert f"classifies {evidence.train.accuracy:.1%} of its training images correctly" in found["overfits"]
        assert evidence.train.accuracy > 0.95

    def test_a_network_that_predicts_one_class_is_found(self) -> None:
        (x, y), (x_test, y_test) = easy()
        evidence = trained((np.full_like(x, 128), y), (np.full_like(x_test, 128), y_test))
        predicted = int(evidence.test.confusion.sum(axis=0).argmax())
        found = messages(evidence)
        assert (
            f"All 60 test images are predicted as '{predicted}', although they are of 3 classes"
            in (found["one_class_predicted"])
        )
        assert "no_better_than_chance" in found

    def test_a_majority_that_is_always_predicted_is_no_better_than_chance(self, rng: np.random.Generator) -> None:
        y = (np.arange(400) % 20 == 0).astype(np.int64)  # 95 % of class 0
        x = rng.integers(0, 256, (400, 6, 6), dtype=np.uint8)
        evidence = trained((x[:300], y[:300]), (x[300:], y[300:]), classes=2, epochs=2)
        assert evidence.test.accuracy == evidence.majority[1] == 0.95
        found = messages(evidence, ("common", "rare"))
        assert "a prediction of 'common' for every image has 95.0%" in found["no_better_than_chance"]
        assert "'rare' (15)" in found["too_few_images"]

    def test_a_network_that_a_linear_model_exceeds_is_found(self) -> None:
        evidence = trained(
            *easy(), optimizer={"name": "sgd", "learning_rate": 0.007}, schedule={"name": "constant"}, epochs=3
        )
        assert evidence.linear.test_accuracy == 1.0
        assert "a linear model of the same images has 100.0%" in messages(evidence)["worse_than_linear"]

    def test_copies_between_training_and_test_are_found(self) -> None:
        train, (x, y) = easy()
        found = messages(trained(train, (np.concatenate([x, train[0][:20]]), np.concatenate([y, train[1][:20]]))))
        assert found["near_duplicates"].startswith("20 of 80 test images equal a training image: ")

    def test_few_images_are_found_and_counted_by_class(self) -> None:
        (x, y), test = easy()
        few = np.flatnonzero((y != 1) | (np.arange(len(y)) < 12))
        found = messages(trained((x[few], y[few]), test))
        assert found["too_few_images"].startswith("1 class has fewer than 20 training images: '1' (4). ")


class TestEvidence:
    def test_the_evidence_has_the_same_bits_on_every_run(self) -> None:
        first, second = trained(*easy()), trained(*easy())
        assert (first.initial_loss, first.train.loss, first.linear) == (
            second.initial_loss,
            second.train.loss,
            second.linear,
        )

    def test_the_initial_loss_is_that_of_the_parameters_before_the_training(self) -> None:
        evidence = trained(*easy(), optimizer={"name": "sgd", "learning_rate": 1e-12})
        assert evidence.initial_loss == pytest.approx(evidence.train.loss, rel=0.05)  # on 256 of 300 images

    def test_validation_images_are_not_among_the_training_images(self) -> None:
        (x, y), test = easy()
        configuration = preset("fast", hidden=[4], epochs=1, validation_fraction=0.5, seed=3)
        network = Network(x.shape[1:], 3, configuration)
        training = Training(network, x, y)
        for _ in training:
            pass
        whole = gather(
            network, training.parameters, training.history, network.evaluate(training.parameters, *test), (x, y), test
        )
        assert whole.train.samples == training.samples == 150
        assert whole.train_counts.sum() == 300

    def test_the_sample_of_training_images_is_bounded(self) -> None:
        x, y = easy_images(SAMPLE + 500)
        assert trained((x, y), (x[:50], y[:50]), epochs=1).train.samples == SAMPLE

    def test_the_loss_of_chance_is_the_entropy_of_the_labels(self) -> None:
        assert trained(*easy()).chance_loss == pytest.approx(math.log(3))


@pytest.fixture(scope="module")
def good() -> Evidence:
    return trained(*easy())


class TestEdges:
    """Each threshold: the nearest measurement on each of its sides, in otherwise good evidence."""

    @staticmethod
    def evaluation(confusion: list[list[int]], loss: float = 0.1) -> Evaluation:
        """Return an evaluation with this confusion matrix."""
        rows = [(i, j) for i, row in enumerate(confusion) for j, count in enumerate(row) for _ in range(count)]
        P = np.full((len(rows), len(confusion)), 0.01)
        P[np.arange(len(rows)), [j for _, j in rows]] = 0.98
        return replace(Evaluation.of(P, np.array([i for i, _ in rows])), loss=loss)

    def shares(self, right: int, samples: int = 1000, loss: float = 0.1) -> Evaluation:
        """Return an evaluation of two balanced classes with `right` correct predictions of `samples`."""
        half = samples // 2
        a = min(half, right // 2 + right % 2)
        b = right - a
        return self.evaluation([[a, half - a], [half - b, b]], loss)

    def test_overfitting_begins_at_a_gap_of_ten_points(self, good: Evidence) -> None:
        evidence = replace(good, train=self.shares(1000), test=self.shares(round(999 - 1000 * GAP)))
        assert "overfits" in codes(evidence)
        assert "overfits" not in codes(replace(evidence, test=self.shares(round(1001 - 1000 * GAP))))

    def test_overfitting_needs_enough_test_images(self, good: Evidence) -> None:
        evidence = replace(good, train=self.shares(950), test=self.shares(8, samples=10))
        assert "overfits" not in codes(evidence)  # the interval of 8 of 10 ends at 94.3 %
        assert "overfits" in codes(replace(evidence, test=self.shares(80, samples=100)))

    def test_chance_ends_above_the_interval_around_the_majority(self, good: Evidence) -> None:
        assert "no_better_than_chance" in codes(replace(good, test=self.shares(530)))  # the interval begins at 0.49900
        assert "no_better_than_chance" not in codes(replace(good, test=self.shares(531)))  # at 0.50000

    def test_a_linear_model_is_better_only_above_the_interval(self, good: Evidence) -> None:
        evidence = replace(good, test=self.shares(900))
        for accuracy, found in ((evidence.test_interval.high, False), (evidence.test_interval.high + 1e-9, True)):
            compared = replace(evidence, linear=LinearBaseline(accuracy, 1.0))
            assert ("worse_than_linear" in codes(compared)) is found

    def test_one_class_of_fewer_than_ten_test_images_is_no_finding(self, good: Evidence) -> None:
        assert "one_class_predicted" not in codes(replace(good, test=self.evaluation([[5, 0], [4, 0]])))
        assert "one_class_predicted" in codes(replace(good, test=self.evaluation([[5, 0], [5, 0]])))

    def test_a_test_set_of_one_class_has_no_findings_about_chance(self, good: Evidence) -> None:
        assert codes(replace(good, test=self.evaluation([[50, 0], [0, 0]]))) == []

    def test_few_test_images_cannot_exclude_chance(self, good: Evidence) -> None:
        message = messages(replace(good, test=self.evaluation([[2, 0], [0, 1]])))["no_better_than_chance"]
        assert message.startswith("The test accuracy is 100.0% (43.9–100.0%), from 3 test images; ")
        assert "Add test images" in message
        assert codes(replace(good, test=self.evaluation([[5, 0], [0, 5]]))) == []

    def test_dead_units_matter_only_at_chance(self, good: Evidence) -> None:
        report = good.history[-1]
        dead = [*good.history[:-1], replace(report, dead_units=(0.2, DEAD))]
        at_chance = self.shares(500, loss=0.6931)
        assert "diverged" not in codes(replace(good, history=dead))
        assert "diverged" not in codes(replace(good, train=at_chance, history=self.flat(0.6931, 0.94)))
        assert "diverged" in codes(replace(good, train=at_chance, history=self.flat(0.6931, DEAD)))

    @staticmethod
    def flat(loss: float, dead: float) -> list[EpochReport]:
        return [EpochReport(epoch, loss, 0.5, 0.1, dead_units=(dead,)) for epoch in (1, 2)]

    def test_a_loss_above_chance_has_diverged_if_it_rose(self, good: Evidence) -> None:
        evidence = replace(good, history=self.flat(0.9, 0.0), train=self.shares(500, loss=0.9))
        assert "diverged" in codes(replace(evidence, initial_loss=0.7))
        assert "diverged" not in codes(replace(evidence, initial_loss=1.0))  # it is still falling
        assert "diverged" not in codes(replace(evidence, initial_loss=0.6, train=self.shares(500, loss=0.8)))

    def test_the_loss_of_a_normalized_network_counts_after_22_mini_batches(self, good: Evidence) -> None:
        configuration = tiny_configuration(**CONVOLUTIONAL, batch_size=50)
        evidence = replace(
            good,
            configuration=configuration,
            initial_loss=0.7,
            history=self.flat(0.9, 0.0),
            train=self.shares(500, loss=9.0),
            train_counts=np.array([525, 525]),
        )
        assert evidence.steps == 2 * SETTLED - 2
        assert "diverged" in codes(evidence)
        few = replace(evidence, train_counts=np.array([262, 262]))
        assert few.steps == SETTLED
        assert "diverged" in codes(few)
        fewer = replace(evidence, train_counts=np.array([250, 250]))
        assert fewer.steps == SETTLED - 2
        assert "diverged" not in codes(fewer)
        assert "after 20 mini-batches" in messages(fewer)["underfits"]
        dense = replace(fewer, configuration=tiny_configuration(batch_size=50))
        assert "diverged" in codes(dense)

    def test_a_falling_loss_falls_by_a_tenth(self, good: Evidence) -> None:
        reports = [EpochReport(epoch, loss, 0.5, 0.1) for epoch, loss in ((1, 1.0), (2, 1 - FALL))]
        evidence = replace(good, history=reports, train=self.shares(850), linear=LinearBaseline(0.6, 0.6))
        assert "underfits" in codes(evidence)
        reports[1] = replace(reports[1], train_loss=1 - FALL + 0.001)
        assert "underfits" not in codes(evidence)

    def test_a_network_that_has_learnt_its_images_does_not_underfit(self, good: Evidence) -> None:
        linear = LinearBaseline(0.9, 0.95)
        assert "underfits" in codes(replace(good, train=self.shares(899), linear=linear))
        assert "underfits" not in codes(replace(good, train=self.shares(900), linear=linear))

    def test_twenty_images_are_enough(self, good: Evidence) -> None:
        counts = np.array([FEW_IMAGES, FEW_IMAGES, FEW_IMAGES])
        assert codes(replace(good, train_counts=counts)) == []
        counts[1] -= 1
        assert codes(replace(good, train_counts=counts)) == ["too_few_images"]

    def test_ten_classes_with_few_images_are_named(self, good: Evidence) -> None:
        names = (*(f"class-{number}" for number in range(12)), "x" * 200)
        evidence = replace(good, train_counts=np.arange(13)[::-1])
        message = messages(evidence, names)["too_few_images"]
        assert message.startswith("13 classes have fewer than 20 training images: 'x")
        assert "…' (0), 'class-11' (1)," in message
        assert "'class-3' (9) and 3 more. " in message
        assert len(message) < 500

    def test_a_dropped_colour_matters_if_it_gives_the_class_and_the_network_does_not(self, good: Evidence) -> None:
        wrong = replace(good, test=self.shares(800))
        found = messages(replace(wrong, colour=ColourEvidence(correct=36, images=40, classes=2)))
        assert "gives the class of 90.0% of 40 sampled images (chance: 50.0%)" in found["colour_dropped"]
        assert "channels=3" in found["colour_dropped"]
        accurate = replace(good, test=self.shares(900))
        assert "colour_dropped" not in codes(replace(accurate, colour=ColourEvidence(36, 40, 2)))
        assert "colour_dropped" not in codes(wrong)
        assert "colour_dropped" not in codes(replace(wrong, colour=ColourEvidence(0, 0, 2)))

    def test_colour_gives_the_class_from_a_tenth_above_chance(self, good: Evidence) -> None:
        wrong = replace(good, test=self.shares(800))
        assert "colour_dropped" not in codes(replace(wrong, colour=ColourEvidence(580, 1000, 2)))  # from 0.5492
        assert "colour_dropped" in codes(replace(wrong, colour=ColourEvidence(581, 1000, 2)))  # from 0.5502

    def test_copies_matter_from_one_in_a_hundred(self, good: Evidence) -> None:
        assert "near_duplicates" not in codes(replace(good, copies=Copies(1000, 4, 5, 996)))
        found = messages(replace(good, copies=Copies(1000, 4, 6, 996)))
        assert "4 of 1,000 test images equal a training image and 6 of 996 compared" in found["near_duplicates"]
        assert Copies(1000, 4, 6, 996).share >= COPIED

    def test_messages_are_sentences_that_end_with_what_to_do(self, good: Evidence) -> None:
        bad = replace(
            good,
            history=self.flat(0.9, 1.0),
            train=self.shares(500, loss=9.0),
            test=self.evaluation([[5, 0], [5, 0]]),
            copies=Copies(10, 5, 5, 5),
            train_counts=np.array([1, 1, 1]),
        )
        found = diagnose(bad, CLASSES)
        assert [finding.code for finding in found] == [
            "diverged", "no_better_than_chance", "one_class_predicted", "dead_units", "near_duplicates",
            "too_few_images",
        ]  # fmt: skip
        assert all(finding.message[0].isupper() or finding.message[0].isdigit() for finding in found)
        assert all(finding.message.endswith(".") and "nan" not in finding.message for finding in found)
