"""A contender in its own process: the libraries' threads, allocators and environments do not affect each other."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from time import perf_counter
from types import TracebackType
from typing import Self

from benchmarks.contenders.workload import Contender, Workload

CONTENDERS = {
    "glassbox": "engine:Engine",
    "floor": "floor:Floor",
    "pytorch": "pytorch:PyTorch",
    "jax": "jax_scan:JAX",
    "plain numpy": "plain:Plain",
    "article": "article:Article",
    "glassbox float64": "engine:double",
    "scikit-learn": "scikit:ScikitLearn",
}
"""Each contender's module and maker. The first three are neighbours: their ratios matter most, and neighbouring
measurements on a shared machine have the most similar noise."""

WARM_UP = 2
"""Runs before the first that counts: they compile, fill caches and bring up threads."""


class ContenderProcess:
    """A process that runs one contender on request. It inherits the environment, and so the number of threads.

    Between its turns the process is stopped (SIGSTOP), because idle threads of OpenBLAS and OpenMP keep spinning for a
    while on the cores that the next contender needs.
    """

    def __init__(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, end), daemon=True)
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


def _serve(name: str, pipe: Connection) -> None:
    module, maker = CONTENDERS[name].split(":")
    make = getattr(importlib.import_module(f"benchmarks.contenders.{module}"), maker)
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
