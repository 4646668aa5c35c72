"""Running a fuzz target: libFuzzer, guided by the coverage of Glassbox's code, on a corpus that stays in var/fuzz.

It stops at the first input that raises an unexpected error, takes longer than five seconds, or needs more memory than a
valid input can; the input is saved in var/fuzz, to become a test.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

from shared.errors import GlassboxError

TIMEOUT_SECONDS = 5
MEMORY_MIB = 1024  # the fuzzer itself starts at 300 MiB, and grows with its corpus
ALLOCATION_MIB = 256
LONGEST = 1 << 16


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Yield an empty folder, in memory if the system has a place for that: durable writes are free there."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a unique name
    with TemporaryDirectory(dir=memory if memory.exists() else None) as folder:
        yield Path(folder)


def check_message(error: GlassboxError) -> None:
    """Check that an error has a code for programs and a detail for people."""
    assert error.code.isidentifier(), error.code
    assert 0 < len(error.detail) < 1000, error.detail


def run(name: str, target: Callable[[bytes], None], seeds: Iterable[bytes], seconds: int) -> None:
    """Fuzz `target` for this number of seconds, starting from the seeds and the corpus of earlier runs."""
    folder = Path("var/fuzz")
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number:03d}").write_bytes(seed[:LONGEST])
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={TIMEOUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-malloc_limit_mb={ALLOCATION_MIB}",
        f"-artifact_prefix={folder}/{name}-",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup(arguments, target)
    atheris.Fuzz()
