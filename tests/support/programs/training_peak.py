"""`python -m tests.support.programs.training_peak VOLUME JOB CORES`: runs a training job, prints its peak memory.

JOB is a file with the job's record as JSON. The peak, in bytes, is VmHWM, the largest resident memory of the process,
which includes the mapped pages of the data set.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from shared.runtime.settings import Settings, limit_blas_threads

limit_blas_threads(2)  # as workers do, before anything imports NumPy

from shared.datasets import DatasetStore  # noqa: E402
from shared.jobs import Job  # noqa: E402
from shared.registry import Registry  # noqa: E402
from shared.storage.volume import Volume  # noqa: E402
from worker.training.job import TrainingHandler  # noqa: E402


class UnlimitedLease:
    """A lease that nobody else wants: it logs nothing and is never lost."""

    def check(self) -> None:
        """Return at once."""

    step = check_in_step = confirm = confirm_held = check

    def reach(self, *_: Any) -> None:
        """Drop the report."""

    def log(self, *_: Any) -> None:
        """Drop the event."""

    def report(self, *_: Any) -> None:
        """Drop the report."""


def main(volume: str, job: str, cores: str) -> None:
    """Run the job, and print the peak."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    settings = Settings(volume=Path(volume), checkpoint_pause_seconds=0.2)
    folder = Volume(settings.volume)
    handler = TrainingHandler(folder, DatasetStore(folder), Registry(folder), settings)
    handler(Job.model_validate_json(Path(job).read_bytes()), UnlimitedLease())  # type: ignore[arg-type]
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")))


if __name__ == "__main__":
    main(*sys.argv[1:])
