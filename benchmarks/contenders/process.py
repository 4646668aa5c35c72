"""A contender in its own process: the libraries' threads, allocators and environments do not affect each other."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from time import perf_counter
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self

from benchmarks.contenders.workload import Contender, Workload


class Maker(NamedTuple):
    """A contender's module and maker, and the variables of its process's environment.

    optional: it needs more than the packages, and is left out if it fails.
    """

    module: str
    function: str
    environment: Mapping[str, str] = MappingProxyType({})
    optional: bool = False


DENSE = {
    "glassbox": Maker("engine", "Engine"),
    "floor": Maker("floor", "Floor"),
    "pytorch": Maker("pytorch", "PyTorch"),
    "jax": Maker("jax_scan", "JAX"),
    "plain numpy": Maker("plain", "Plain"),
    "article": Maker("article", "Article"),
    "glassbox float64": Maker("engine", "double"),
    "scikit-learn": Maker("scikit", "ScikitLearn"),
}
"""The contenders for dense networks. The first three are neighbours: their ratios matter most, and neighbouring
measurements on a shared machine have the most similar noise."""

ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""For contenders whose own threads share the chunks of a mini-batch."""

TUNED = {"MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""glibc then keeps freed memory, so that PyTorch does not pay for page faults in every step."""

CONVOLUTIONAL = {
    "glassbox": Maker("engine", "ConvolutionalEngine", ONE_BLAS_THREAD),
    "floor": Maker("convolutional_floor", "ConvolutionalFloor", ONE_BLAS_THREAD),
    "pytorch": Maker("convolutional_pytorch", "ConvolutionalPyTorch"),
    "pytorch tuned": Maker("convolutional_pytorch", "ConvolutionalPyTorch", TUNED),
    "pytorch tuned NHWC": Maker("convolutional_pytorch", "channels_last", TUNED),
    "pytorch tuned pool": Maker("convolutional_pytorch", "pool_first", TUNED),
    "pytorch tuned both": Maker("convolutional_pytorch", "channels_last_pool_first", TUNED),
    "pytorch compiled": Maker("convolutional_pytorch", "compiled", TUNED, optional=True),
    "jax": Maker("convolutional_jax", "ConvolutionalJAX"),
}
"""The contenders for convolutional networks: PyTorch as installed, and with everything that makes it faster."""

WARM_UP = 2
"""Runs before the first that counts: they compile, fill caches and bring up threads."""


class ContenderProcess:
    """A process that runs one contender on request. It inherits the environment, and so the number of threads.

    A contender that fails ends its process, and the request raises EOFError.

    Between its turns the process is stopped (SIGSTOP), because idle threads of OpenBLAS and OpenMP keep spinning for a
    while on the cores that the next contender needs.
    """

    def __init__(self, maker: Maker) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(maker.module, maker.function, end), daemon=True)
        with environment(maker.environment):
            self._process.start()
        end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signal(signal.SIGCONT)
        self._pipe.close()
        self._process.join(10)

    def prepare(self, workload: Workload) -> None:
        """Build the contender and warm it up."""
        self._request(workload)

    def seconds(self) -> float:
        """Time one run."""
        return self._request(None)

    def _request(self, workload: Workload | None) -> float:
        self._signal(signal.SIGCONT)
        self._pipe.send(workload)
        seconds = float(self._pipe.recv())
        self._signal(signal.SIGSTOP)
        return seconds

    def _signal(self, number: signal.Signals) -> None:
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that start in the block."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve(module: str, function: str, pipe: Connection) -> None:
    make = getattr(importlib.import_module(f"benchmarks.contenders.{module}"), function)
    contender: Contender | None = None
    while True:
        try:
            request: Workload | None = pipe.recv()
        except EOFError:
            return
        if request:
            contender = make(request)
            for _ in range(WARM_UP):
                contender.run()
            pipe.send(0)
        else:
            assert contender
            started = perf_counter()
            contender.run()
            pipe.send(perf_counter() - started)
