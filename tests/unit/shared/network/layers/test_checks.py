"""The check that long computations call between their parts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from shared.network import AutoTraining, Network, Training, preset
from shared.network.assessment.copies import copies
from shared.network.assessment.evidence import gather
from shared.network.assessment.linear import linear_baseline
from shared.network.convolutions.layer import CHUNK
from shared.network.layers.checks import Check
from shared.network.training.convolutional_step import ConvolutionalStep

SAMPLES = 9000  # more than two blocks of every kind
_rng = np.random.default_rng(7)
IMAGES = _rng.integers(0, 256, (SAMPLES, 4, 4), dtype=np.uint8)
OTHERS = _rng.integers(0, 256, (SAMPLES, 4, 4), dtype=np.uint8)
LABELS = np.arange(SAMPLES) % 3
DENSE = Network((4, 4), 3, preset("fast", hidden=[4], epochs=1, batch_size=SAMPLES // 2, validation_fraction=0.5))
CONVOLUTIONAL = Network(
    (4, 4),
    3,
    preset("fast", convolutions=[{"filters": 2}], hidden=[], epochs=1, batch_size=5 * CHUNK, validation_fraction=0.0),
)
PARAMETERS = DENSE.initialize(np.random.default_rng(1))


class Stopped(Exception):
    """The caller stops the computation."""


def train(training: Training | AutoTraining) -> None:
    for _ in training:
        pass


def assess(check: Check) -> None:
    evaluation = DENSE.evaluate(PARAMETERS, IMAGES, LABELS)
    few = (IMAGES[:300], LABELS[:300])
    gather(DENSE, PARAMETERS, [], evaluation, few, few, None, check)


COMPUTATIONS: dict[str, tuple[Callable[[Check], object], int]] = {
    "evaluation": (lambda check: DENSE.evaluate(PARAMETERS, IMAGES, LABELS, check), 9),
    "probabilities": (lambda check: DENSE.probabilities(PARAMETERS, IMAGES, check), 9),
    "standardization and first look at the images": (lambda check: Training(DENSE, IMAGES, LABELS, check=check), 2),
    "validation of an epoch": (lambda check: train(Training(DENSE, IMAGES, LABELS, check=check)), 6),
    "large mini-batch of a convolutional network": (
        lambda check: train(Training(CONVOLUTIONAL, IMAGES[: 5 * CHUNK], LABELS[: 5 * CHUNK], check=check)),
        5,
    ),
    "race": (lambda check: train(AutoTraining([DENSE, DENSE], IMAGES, LABELS, check=check)), 4),
    "linear baseline": (partial(linear_baseline, IMAGES, LABELS, IMAGES, LABELS, 3, 0), 100),
    "search for copies": (lambda check: copies(IMAGES, OTHERS, check), 80),
    "assessment": (assess, 10),
}


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_a_long_computation_calls_its_check_and_passes_its_exception_through(name: str) -> None:
    computation, least = COMPUTATIONS[name]
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    computation(count)
    assert calls >= least

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        computation(stop)


def test_a_stopped_convolutional_step_leaves_no_chunk_to_its_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    stopped = threading.Event()
    compute = ConvolutionalStep._chunk

    def counted(step: ConvolutionalStep, worker: Any, chunk: int, *arguments: Any) -> Any:
        computed.append(chunk)
        if threading.current_thread() is not threading.main_thread():
            stopped.wait(10)  # however slow the thread is that checks
        return compute(step, worker, chunk, *arguments)

    def stop() -> None:
        if computed:
            stopped.set()
            raise Stopped

    monkeypatch.setattr(ConvolutionalStep, "_chunk", counted)
    chunks = SAMPLES // CHUNK
    network = Network((4, 4), 3, replace(CONVOLUTIONAL.configuration, batch_size=SAMPLES))
    training = Training(network, IMAGES, LABELS, threads=2, check=stop)

    with pytest.raises(Stopped):
        next(training)

    assert len(computed) < chunks / 2


def test_the_check_does_not_change_the_bits() -> None:
    checked, unchecked = Training(DENSE, IMAGES, LABELS, check=lambda: None), Training(DENSE, IMAGES, LABELS)
    train(checked)
    train(unchecked)

    for name, array in unchecked.parameters.items():
        assert np.array_equal(checked.parameters[name], array)
