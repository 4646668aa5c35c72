"""A contender in its own process: the libraries' threads, allocators and environments do not affect each other.

`python -m benchmarks.contenders.process MODULE FUNCTION DESCRIPTOR` is such a process.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

from benchmarks.contenders.workload import ROOT, Contender


class Maker(NamedTuple):
    """A contender's module and maker, and the variables of its process's environment.

    optional: it needs more than the packages, and is left out if it fails. python: the Python of another environment.
    """

    module: str
    function: str
    environment: Mapping[str, str] = MappingProxyType({})
    optional: bool = False
    python: Path | None = None


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

RESTRICTING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Variables that some machines set for old versions of NumPy's BLAS, and that slow down this one."""

WARM_UP = 2
"""Runs before the first that counts: they compile, fill caches and bring up threads."""


class ContenderFailed(Exception):
    """The contender's process has ended with an error, which is in its output."""


class ContenderProcess:
    """A process that runs one contender on request. It inherits the environment, and so the number of threads.

    cpu: measure the time of the processor, of all threads together, instead of the elapsed time. On a machine that
    other programs use, it is the more reliable one for contenders with one thread.

    Between its turns the process is stopped (SIGSTOP), because idle threads of OpenBLAS and OpenMP keep spinning for a
    while on the cores that the next contender needs.
    """

    def __init__(self, maker: Maker, *, cpu: bool = False) -> None:
        ours, theirs = socket.socketpair()
        with theirs, environment({"PYTHONPATH": str(ROOT), **maker.environment}):
            self._process = subprocess.Popen(
                [maker.python or sys.executable, "-m", __name__, maker.module, maker.function, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
            )
        self._cpu = cpu
        self._pipe = Connection(ours.detach())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._pipe.close()
        self._process.wait(10)

    def prepare(self, workload: Any) -> None:
        """Build the contender for a workload, and warm it up. Raises `ContenderFailed`."""
        self._request(workload)

    def seconds(self) -> float:
        """Time one run. Raises `ContenderFailed`."""
        elapsed, cpu = self._request(None)
        return cpu if self._cpu else elapsed

    def _request(self, workload: Any) -> tuple[float, float]:
        self._process.send_signal(signal.SIGCONT)
        try:
            self._pipe.send(workload)
            seconds: tuple[float, float] = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise ContenderFailed from error
        self._process.send_signal(signal.SIGSTOP)
        return seconds


@contextmanager
def environment(variables: Mapping[str, str], without: Iterable[str] = ()) -> Iterator[None]:
    """Set variables, and remove others, for the processes that start in the block."""
    before = dict(os.environ)
    for variable in without:
        os.environ.pop(variable, None)
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
            request: Any = pipe.recv()
        except EOFError:
            return
        if request is not None:
            contender = make(request)
            for _ in range(WARM_UP):
                contender.run()
            pipe.send((0.0, 0.0))
        else:
            assert contender
            started = perf_counter(), process_time()
            contender.run()
            pipe.send((perf_counter() - started[0], process_time() - started[1]))


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], Connection(int(sys.argv[3])))
