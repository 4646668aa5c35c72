"""Decoding in a process of its own: limits of time and memory, and what replaces a process that has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.errors import Malformed
from shared.images.decoding import decode_here_into, decode_into
from shared.images.examination import shape_and_colour
from shared.images.processes import pool
from tests.support.data.costly_images import ARITHMETIC, jpeg_of_scans, webp_of_many_tables
from tests.support.data.images import encoded, smooth
from tests.support.programs.processes import ROOT
from tests.support.waiting import eventually

AVIF = encoded(smooth(40, 30), "AVIF", quality=90)
LARGE = encoded(smooth(2000, 2000), "AVIF", speed=10)
SLOW = jpeg_of_scans(4000, 4000, ARITHMETIC)  # about a minute
ENOUGH = 1_000_000_000  # pixels, for its scans
ROW = np.zeros((28, 28), np.uint8)


class Unneeded(Exception):
    """The image is no longer needed."""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pool.Pool]:
    """Decode in a pool that has no processes yet."""
    pool._pool.stop()  # the process of earlier tests
    processes = pool.Pool()
    monkeypatch.setattr(pool, "_pool", processes)
    yield processes
    processes.stop()


def error_of(content: bytes, max_pixels: int, seconds: float) -> Malformed:
    with pytest.raises(Malformed) as caught:
        decode_into(ROW.copy(), content, max_pixels, seconds=seconds)
    return caught.value


def decoded(content: bytes) -> list[list[int]]:
    row = ROW.copy()
    decode_into(row, content, 10_000)
    pixels: list[list[int]] = row.tolist()
    return pixels


def pids() -> set[int]:
    """Return the ids of this process's children that decode images."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    found = {int(pid) for file in children for pid in file.read_text().split()}
    return {pid for pid in found if b"shared.images.processes" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3)])
def test_the_pixels_are_those_that_this_process_decodes(shape: tuple[int, ...]) -> None:
    here, there = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)

    decode_here_into(here, AVIF, 10_000)
    decode_into(there, AVIF, 10_000)

    np.testing.assert_array_equal(there, here)
    assert here.any()


def test_an_image_is_examined_as_this_process_does() -> None:
    assert shape_and_colour(AVIF, 10_000) == ((40, 30), True)


def test_the_errors_of_images_are_returned(fresh: pool.Pool) -> None:
    assert error_of(AVIF[:-300], 10_000, 20).code == "image_damaged"
    assert error_of(AVIF, 100, 20).code == "image_too_large"
    assert decoded(AVIF)


def test_the_kernel_kills_the_process_before_others() -> None:
    decoded(AVIF)

    assert Path(f"/proc/{pids().pop()}/oom_score_adj").read_text() == "1000\n"


def test_one_process_decodes_one_image_after_the_other() -> None:
    decoded(AVIF)
    [first] = pids()
    decoded(AVIF)

    assert pids() == {first}


def test_an_image_that_takes_too_long_is_refused_and_others_are_decoded() -> None:
    error = error_of(SLOW, ENOUGH, 0.3)

    assert error.code == "image_too_costly"
    assert error.detail == (
        "decoding the JPEG takes more than 0.3 s of CPU time, the limit (GLASSBOX_MAX_IMAGE_SECONDS); send a smaller"
        " image, or a JPEG or PNG"
    )
    assert decoded(AVIF)


def test_an_image_that_takes_too_long_to_examine_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        shape_and_colour(LARGE, 16_000_000, seconds=0.02)

    assert caught.value.code == "image_too_costly"


def test_a_lack_of_memory_that_its_decoder_reports_as_damage_is_named() -> None:
    error = error_of(webp_of_many_tables(1024), 1024 * 1024, 20)

    assert error.code == "image_damaged"
    assert error.detail.endswith(
        "; or decoding it needs more memory than is allowed for images of at most 1,048,576 pixels"
        " (GLASSBOX_MAX_IMAGE_PIXELS)"
    )
    assert decoded(AVIF)


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV])
def test_an_image_whose_decoder_ends_its_process_is_refused_and_others_are_decoded(number: signal.Signals) -> None:
    def check() -> None:
        os.kill(pids().pop(), number)

    with pytest.raises(Malformed) as caught:
        decode_into(ROW.copy(), SLOW, ENOUGH, check=check)

    assert caught.value.code == "image_too_costly"
    assert "decoding the JPEG needs more memory than is allowed" in caught.value.detail
    assert decoded(AVIF)


def test_an_image_that_is_no_longer_needed_is_not_decoded_further() -> None:
    def check() -> None:
        raise Unneeded

    began = time.monotonic()
    with pytest.raises(Unneeded):
        decode_into(ROW.copy(), SLOW, ENOUGH, check=check)

    assert time.monotonic() - began < 5
    assert not pids()


def test_the_time_in_which_the_machine_was_suspended_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CLOCK", 0.05)
    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        if len(checks) > 1:
            raise Unneeded
        os.kill(pids().pop(), signal.SIGSTOP)
        threading.Event().wait(1.5)  # more than 0.05 times the limit
        os.kill(pids().pop(), signal.SIGCONT)

    with pytest.raises(Unneeded):
        decode_into(ROW.copy(), SLOW, ENOUGH, seconds=20, check=check)


def test_a_process_that_was_killed_while_idle_is_replaced() -> None:
    expected = decoded(AVIF)
    [pid] = pids()
    os.kill(pid, signal.SIGKILL)

    assert decoded(AVIF) == expected
    assert pids() != {pid}


def test_threads_share_one_process() -> None:
    results: list[list[list[int]]] = []
    threads = [threading.Thread(target=lambda: results.append(decoded(AVIF))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 6
    assert all(result == results[0] for result in results)
    assert len(pids()) == 1


FORKED = """
mine = decode()
child = os.fork()
if child:
    sys.exit(os.waitpid(child, 0)[1] or decode() != mine)
os._exit(not (decode() - mine))
"""
KILLED = """
print(decode().pop(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process without threads; its `decode()` decodes an image and returns the decoder processes' ids."""
    start = """
import os, signal, sys
from tests.unit.shared.images.processes.test_pool import AVIF, decoded, pids

def decode():
    decoded(AVIF)
    return pids()
"""
    command = [sys.executable, "-c", start + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_a_forked_process_starts_a_process_of_its_own() -> None:
    done = run(FORKED)

    assert done.returncode == 0, done.stderr


def test_a_process_ends_with_the_one_that_started_it() -> None:
    done = run(KILLED)

    assert done.returncode == -signal.SIGKILL, done.stderr
    eventually(lambda: has_ended(int(done.stdout)))


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_the_cpu_time_of_an_image_is_reported_also_if_it_is_refused() -> None:
    spent: list[float] = []

    decode_into(ROW.copy(), LARGE, 16_000_000, spend=spent.append)
    with pytest.raises(Malformed):
        decode_into(ROW.copy(), LARGE[:-300], 16_000_000, spend=spent.append)
    with pytest.raises(Malformed):
        decode_into(ROW.copy(), SLOW, ENOUGH, seconds=0.3, spend=spent.append)

    assert len(spent) == 3
    assert 0 < spent[0] < 5
    assert spent[2] == 0.3
