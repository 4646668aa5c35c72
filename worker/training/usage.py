"""What a training takes of the machine: images a second, cores and memory, by epoch and for the whole job."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shared.jobs.outcome import Metrics
from shared.network import EpochReport

SELF = Path("/proc/self")
FORGET_PEAK = "5"  # proc(5), clear_refs: resets the peak of the resident memory


class Usage:
    """Measures the process between two calls of `metrics`, and between the ends of a training's phases."""

    def __init__(self) -> None:
        with suppress(OSError):  # then the peak is that of the process
            (SELF / "clear_refs").write_text(FORGET_PEAK)
        self._wall, self._cpu = self._phase_wall, self._phase_cpu = time.monotonic(), time.process_time()
        self._phases: dict[str, tuple[float, float]] = {}  # seconds, and those of all processors

    def metrics(self, report: EpochReport, samples: int) -> Metrics:
        """Return the usage since the last call. samples: the number of images of an epoch."""
        wall, cpu = time.monotonic(), time.process_time()
        cores = (cpu - self._cpu) / max(wall - self._wall, 1e-9)
        self._wall, self._cpu = wall, cpu
        resident = int((SELF / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")  # proc(5): in pages
        return {"images_per_second": _speed(report, samples), "cores": round(cores, 2), "memory_bytes": resident}

    def end(self, phase: str) -> None:
        """End a phase, which began at the end of the one before."""
        wall, cpu = time.monotonic(), time.process_time()
        self._phases[phase] = wall - self._phase_wall, cpu - self._phase_cpu
        self._phase_wall, self._phase_cpu = self._wall, self._cpu = wall, cpu

    def summary(self, history: Sequence[EpochReport], samples: int) -> Metrics:
        """Return the usage of the job, whose phases `load`, `train` and `evaluate` have ended."""
        wall, cpu = self._phases["train"]
        return {
            "images_per_second": statistics.median(_speed(report, samples) for report in history),
            "cores": round(cpu / max(wall, 1e-9), 2),
            "memory_bytes": _peak_bytes(),
            "load_seconds": round(self._phases["load"][0], 3),
            "evaluation_seconds": round(self._phases["evaluate"][0], 3),
        }


def _speed(report: EpochReport, samples: int) -> float:
    return round(samples / max(report.seconds, 1e-9), 1)


def _peak_bytes() -> int:
    lines = (SELF / "status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
