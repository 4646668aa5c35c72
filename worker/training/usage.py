"""What a training takes of the machine, by epoch: images a second, cores and memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

from shared.jobs.outcome import Metrics
from shared.network import EpochReport

STATM = Path("/proc/self/statm")


class Usage:
    """Measures the process between two calls of `metrics`."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def metrics(self, report: EpochReport, samples: int) -> Metrics:
        """Return the usage since the last call. samples: the number of images of an epoch."""
        wall, cpu = time.monotonic(), time.process_time()
        cores = (cpu - self._cpu) / max(wall - self._wall, 1e-9)
        self._wall, self._cpu = wall, cpu
        resident = int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")  # proc(5): in pages
        speed = samples / max(report.seconds, 1e-9)
        return {"images_per_second": round(speed, 1), "cores": round(cores, 2), "memory_bytes": resident}
