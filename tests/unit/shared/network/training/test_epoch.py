from __future__ import annotations

import numpy as np
import pytest

from shared.network.evaluation.reports import EpochReport
from shared.network.training.epoch import Epoch


@pytest.fixture
def epoch(rng: np.random.Generator) -> Epoch:
    return Epoch.begin(number=3, images=np.arange(10), batch_size=4, rng=rng)


def test_every_image_is_used_once_in_a_shuffled_order(epoch: Epoch) -> None:
    taken: list[int] = []
    while not epoch.finished:
        batch = epoch.next_batch()
        taken += batch.tolist()
        epoch.add(len(batch), 0.0, 0)
    assert sorted(taken) == list(range(10)) != taken


def test_progress_counts_steps_and_averages_over_the_images_so_far(epoch: Epoch) -> None:
    first = epoch.add(4, loss=8.0, correct=1)
    assert first == (3, 1, 3, 4, 2.0, 0.25)
    second = epoch.add(4, loss=4.0, correct=3)
    assert (second.epoch, second.step, second.steps_per_epoch, second.samples) == (3, 2, 3, 8)
    assert (second.train_loss, second.train_accuracy) == (1.5, 0.5)


def test_the_last_batch_has_the_remaining_images(epoch: Epoch) -> None:
    for step, size in enumerate((4, 4, 2), start=1):
        assert len(epoch.next_batch()) == size
        assert epoch.add(size, 0.0, 0).step == step
    assert epoch.finished


def test_the_report_averages_over_the_epoch(epoch: Epoch) -> None:
    for samples in (4, 4, 2):
        epoch.add(samples, loss=samples / 2, correct=samples - 1, gradient_norm=samples)
    epoch.seconds = 1.5
    assert epoch.report() == EpochReport(3, 0.5, 0.7, 1.5, gradient_norm=10 / 3)


def test_a_restored_epoch_continues_at_its_position(epoch: Epoch) -> None:
    epoch.measure(())
    epoch.add(4, loss=1.25, correct=2)
    epoch.seconds = 0.5
    again = Epoch.restore(3, 4, epoch.state())
    assert again.next_batch().tolist() == epoch.next_batch().tolist()
    assert again.add(4, 1.0, 1) == epoch.add(4, 1.0, 1)
    assert again.seconds == 0.5
    assert again.measured == 1


@pytest.mark.parametrize(("images", "measured"), [(10, 3), (4 * 8, 8), (4 * 16, 8), (4 * 17, 6)])
def test_few_mini_batches_are_measured_layer_by_layer(images: int, measured: int, rng: np.random.Generator) -> None:
    epoch = Epoch.begin(1, np.arange(images), 4, rng, layers=2)
    while not epoch.finished:
        if epoch.measures:
            epoch.measure((epoch.step, 1 / 3))
        epoch.add(len(epoch.next_batch()), 0.0, 0)
    interval = 3 if images == 4 * 17 else -(-images // 32)
    assert epoch.measured == measured
    assert epoch.report().layer_gradient_norms == (interval * (measured - 1) / 2, 0.3333)


def test_norms_that_overflow_are_not_reported(rng: np.random.Generator) -> None:
    epoch = Epoch.begin(1, np.arange(4), 4, rng, layers=2)
    epoch.measure((np.inf, 1.0))
    epoch.add(4, 0.0, 0)
    assert epoch.report().layer_gradient_norms == ()
