"""The step of a convolutional network: a mini-batch in chunks, on several threads, with the same bits on any number.

Each chunk has derivatives of its own, and any thread may compute it. Their sum, in the order of the chunks, is the
mini-batch's. NumPy's products release Python's lock, so two threads with one BLAS thread each use two cores; BLAS's own
threads are slower here, as the products are small.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from shared.network.arrays import Array, Images, Labels, Parameters
from shared.network.augmentation.augmenter import Augmenter
from shared.network.convolutions.batch_normalization import MOMENTUM
from shared.network.convolutions.chunk import TrainingPass, write_images
from shared.network.convolutions.layer import CHUNK
from shared.network.layers.checks import Check, no_check
from shared.network.layers.inputs import Standardization
from shared.network.layers.softmax import cross_entropy
from shared.network.network import Network
from shared.network.optimization import parameter_update
from shared.network.optimization.parameter_update import Update
from shared.network.training import random_state

MAX_DERIVATIVES = 2**28
"""The most bytes for the derivatives of chunks. A mini-batch with more is computed in several rounds, whose derivatives
are added in the same order, so that the bits do not depend on this limit."""


class ConvolutionalStep:
    """A `TrainStep` for networks with convolutions, on at most `threads` threads.

    check: called after each chunk that the calling thread has computed.
    """

    lookahead = 0

    def __init__(
        self,
        network: Network,
        parameters: Parameters,
        rows: Images,
        y: Labels,
        threads: int,
        check: Check = no_check,
    ) -> None:
        self._check = check
        configuration = network.configuration
        layout = network.layout
        self.P = layout.pack(parameters)
        self.dP = np.empty(layout.trained, self.P.dtype)
        self.update = Update(configuration.optimizer, self.P[: layout.trained], self.dP, layout.layers)
        self.gradient_norm = 0.0
        """The norm of the last mini-batch's gradient, before clipping."""

        self.layer_norms: list[float] = []
        """The norms of each layer's gradient, from the first layer, in the mini-batch that was measured last."""

        self._network = network
        self._configuration = configuration
        self._rows = rows
        self._y = y
        most = _chunks(configuration.batch_size)
        threads = min(threads, most)
        at_once = min(most, max(threads, MAX_DERIVATIVES // self.dP.nbytes))
        self._derivatives = np.empty((at_once, layout.trained), self.P.dtype)
        self._views = [_by_layer(network, V) for V in self._derivatives]
        self._parameters = _by_layer(network, self.P)
        self._statistics = {
            name: array for name, array in layout.views(self.P).items() if name.endswith((".mean", ".variance"))
        }
        self._statistics.pop("input.mean", None)
        views, own = layout.views(self.P), layout.views(self.dP)
        self._weights = [(views[name], own[name]) for name in own if name.endswith(".weights")]
        self._workers = [Worker(network, network.standardization(views)) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(len(self._workers) - 1, "chunks") if len(self._workers) > 1 else None

    def run(
        self,
        batch: Labels,
        factor: float,
        following: Labels | None = None,  # noqa: ARG002
        measures: bool = False,
    ) -> tuple[float, int]:
        """Train on the images at these indices; return their summed loss and the correct predictions, before the step.

        factor: the schedule's factor on the learning rate. measures: whether to set `layer_norms`. An overflow raises
        no warning; this loss or the next one is not finite.
        """
        chunks = np.array_split(batch, _chunks(len(batch)))
        results: list[Result] = []
        for start in range(0, len(chunks), len(self._derivatives)):
            results += self._round(start, chunks[start : start + len(self._derivatives)], len(batch))
        with np.errstate(all="ignore"):
            self._average(chunks, results)
            self.gradient_norm = parameter_update.norm(self.dP)
            if measures:
                self.layer_norms = parameter_update.norms(self.dP, self._network.layout.layers)
            if self._configuration.gradient_clip is not None:
                parameter_update.clip(self.dP, self.gradient_norm, self._configuration.gradient_clip)
            if self._configuration.weight_decay:
                parameter_update.decay(self._weights, self._configuration.weight_decay)
            self.update.begin_step(factor)
            self.update.apply_all()
        return sum(result.loss for result in results), sum(result.correct for result in results)

    def settle(self) -> None:
        """Do nothing: P is always up to date."""

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the step's state besides P and the optimizer's state: it has none."""
        return {}

    def restore(self, state: dict[str, np.ndarray[Any, Any]]) -> None:
        """Do nothing: `state` is empty."""

    def _round(self, start: int, chunks: list[Labels], count: int) -> list[Result]:
        """Compute as many chunks as there is room for, from number `start`, on all threads; add their derivatives."""
        results: list[Result] = [EMPTY] * len(chunks)
        waiting = iter(range(len(chunks)))  # shared by the threads: each takes the next number

        def work(worker: Worker, check: Check = no_check) -> None:
            with np.errstate(all="ignore"):
                for place in waiting:
                    results[place] = self._chunk(worker, start + place, chunks[place], count, self._views[place])
                    check()

        others = [self._pool.submit(work, worker) for worker in self._workers[1:]] if self._pool else []
        try:
            work(self._workers[0], self._check)
        except BaseException:
            deque(waiting, maxlen=0)  # leaves no chunk to the other threads
            raise
        for other in others:
            other.result()
        with np.errstate(all="ignore"):
            if start == 0:
                np.add.reduce(self._derivatives[: len(chunks)], axis=0, out=self.dP)
            else:
                for dP in self._derivatives[: len(chunks)]:
                    self.dP += dP
        return results

    def _chunk(self, worker: Worker, chunk: int, indices: Labels, count: int, derivatives: list[Parameters]) -> Result:
        """Compute one chunk of a mini-batch of `count` images; write its derivatives."""
        y = self._y.take(indices)
        smoothing = self._configuration.label_smoothing
        step = self.update.steps
        layers = worker.load(self._rows.take(indices, axis=0), step, chunk)
        P = layers.forward(self._parameters, worker.dropout(step, chunk))
        loss = cross_entropy(P, y)
        correct = int(np.count_nonzero(P.argmax(axis=1) == y))
        layers.backward(P, y, self._parameters, derivatives, count=count, smoothing=smoothing)
        return Result(loss, correct, layers.measured())

    def _average(self, chunks: list[Labels], results: list[Result]) -> None:
        """Move the statistics of the normalizations towards those of this mini-batch, the mean over its chunks."""
        images = sum(map(len, chunks))
        for name, average in self._statistics.items():
            np.multiply(average, 1 - MOMENTUM, out=average)
            for indices, result in zip(chunks, results, strict=True):
                np.add(average, result.measured[name] * (MOMENTUM * len(indices) / images), out=average)


class Result(NamedTuple):
    """The results of a chunk: the summed loss, the correct predictions, and the statistics of the normalizations."""

    loss: float
    correct: int
    measured: dict[str, Array]


EMPTY = Result(0.0, 0, {})


class Worker:
    """What one thread needs: the passes for the sizes of chunks, and an augmenter."""

    def __init__(self, network: Network, standardization: Standardization | None) -> None:
        assert network.architecture is not None
        self._architecture = network.architecture
        self._configuration = network.configuration
        self._standardization = standardization
        self._dtype = network.dtype
        self._image_shape = network.image_shape
        self._passes: dict[int, TrainingPass] = {}
        augmentation = network.configuration.augmentation
        self._augmenter = Augmenter(network.image_shape, augmentation, network.dtype) if augmentation else None

    def load(self, rows: Images, step: int, chunk: int) -> TrainingPass:
        """Return the pass with the images of these rows, augmented by the generator of this step and chunk."""
        n = len(rows)
        if n not in self._passes:
            self._passes[n] = TrainingPass(self._architecture, n, self._dtype)
        layers = self._passes[n]
        if self._augmenter is not None:
            shape = (n, *self._image_shape)
            augmented = np.empty(shape, self._dtype)
            factor = 1 / 255 if rows.dtype == np.uint8 else 1.0
            rng = random_state.seeded(self._configuration.seed, random_state.AUGMENTATION, step, chunk)
            self._augmenter.run(rows.reshape(shape), factor, rng, augmented)
            rows = augmented
        write_images(rows, layers.X, self._standardization)
        return layers

    def dropout(self, step: int, chunk: int) -> np.random.Generator | None:
        """Return the generator of the dropout masks of this step and chunk."""
        if not self._configuration.dropout:
            return None
        return random_state.seeded(self._configuration.seed, random_state.DROPOUT, step, chunk)


def _chunks(images: int) -> int:
    """Return into how many chunks a mini-batch of this size is split: as few as possible, of nearly equal sizes."""
    return -(-images // CHUNK)


def _by_layer(network: Network, vector: Array) -> list[Parameters]:
    """Return the parameters of each numbered layer, by their names without the number, as views of the vector."""
    layers: list[Parameters] = [{} for _ in network.layout.layers]
    for name, array in network.layout.views(vector).items():
        layer, _, kind = name.partition(".")
        if layer != "input":
            layers[int(layer.removeprefix("layer")) - 1][kind] = array
    return layers
