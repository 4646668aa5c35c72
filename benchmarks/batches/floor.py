"""The lower bound of a batch's time: only reading and decoding the archive's entries, as the workers do."""

from __future__ import annotations

import multiprocessing
from itertools import pairwise
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter

import numpy as np

from shared.archives import ArchiveIndex, Contents, validate
from shared.images.decoding import decode_into
from shared.runtime.settings import Settings

SHARD = 1024


def floor_seconds(archive: Path, processes: int) -> float:
    """Return the seconds that the processes, each with a part, take to read and decode it, without their start."""
    settings = Settings()
    entries = validate(archive, settings)
    bounds = np.linspace(0, len(entries), processes + 1, dtype=int).tolist()
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(processes + 1)
    workers = [
        context.Process(target=_decode, args=(archive, entries, settings, start, stop, ready))
        for start, stop in pairwise(bounds)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    started = perf_counter()
    for worker in workers:
        worker.join()
    return perf_counter() - started


def _decode(archive: Path, entries: ArchiveIndex, settings: Settings, start: int, stop: int, ready: Barrier) -> None:
    images = np.empty((SHARD, 28, 28), np.uint8)
    ready.wait()
    with Contents(archive, entries, settings) as contents:
        for index in range(start, stop):
            decode_into(images[index % SHARD], contents.read(index), settings.max_image_pixels)
