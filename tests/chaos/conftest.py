"""The stack that the rows of the fault matrix share, and the digests of uninterrupted trainings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from shared.runtime.settings import limit_blas_threads
from tests.chaos.stack import QUICK, WORKERS, Stack
from tests.chaos.work import SHORT, Expected, submit
from tests.support.programs.processes import Process

limit_blas_threads(1)  # as in the stack's workers: the result's bits depend on the number of threads


@pytest.fixture(scope="module")
def shared_stack() -> Iterator[Stack]:
    """A stack for all rows of a module, with a model `base` for batches."""
    with TemporaryDirectory(prefix="glassbox-chaos-") as folder, Stack(Path(folder), QUICK) as stack:
        stack.until_over(submit(stack.http, epochs=SHORT, model="base"))
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """The shared stack; every part that the previous row ended is restarted."""
    for part in ("redis", "api", *WORKERS):
        if part not in shared_stack.parts or shared_stack.parts[part] not in Process.running:
            shared_stack.start(part)
    return shared_stack


@pytest.fixture(scope="module")
def expected(shared_stack: Stack) -> Expected:
    """The digests of uninterrupted trainings."""
    return Expected(shared_stack.volume.root)
