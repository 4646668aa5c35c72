"""`python -m tests.chaos.storm.storm`: hundreds of jobs, hundreds of kills, and the outcome of every accepted job.

Besides, processes are stopped and continued, the whole machine is suspended, and Redis is full for a while. Runs the
same jobs and kills, without these interruptions, on plain Celery too. Prints both and writes
`var/benchmarks/chaos.json`; the exit status is 1 if a job was lost, done twice or damaged, or an alias moved back. The
same seed gives the same jobs and the same moments and kinds of kills; the work that a kill interrupts depends on the
machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from shared.runtime.settings import limit_blas_threads

limit_blas_threads(1)  # as in the workers: the result's bits depend on the number

from tests.chaos.stack import QUICK  # noqa: E402
from tests.chaos.storm import storm_on_celery, storm_on_glassbox  # noqa: E402

OUTPUT = Path("var/benchmarks/chaos.json")
PRODUCTION = {"BLAS_THREADS": "1", "WORKER_PROCESSES": "1", "API_PROCESSES": "1", "CHECKPOINT_PAUSE_SECONDS": "0"}
SHARE_OF_KILLS = 0.75  # of the time; after that, the last lost jobs are rescued


def main() -> int:
    """Run both storms; return the exit status."""
    options = parse()
    settings = QUICK if options.quick else PRODUCTION
    seconds = options.minutes * 60 * SHARE_OF_KILLS
    leases = "shortened: 3 s" if options.quick else "as in production: 30 s"
    print(f"seed {options.seed}: {options.jobs} jobs and {options.kills} kills within {seconds:.0f} s; leases {leases}")
    report: dict[str, Any] = {
        "seed": options.seed,
        "leases": leases,
        "machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()},
        "glassbox": storm_on_glassbox.storm(options.seed, options.jobs, options.kills, seconds, settings),
    }
    show("Glassbox", report["glassbox"])
    if not options.no_baseline:
        report["celery"] = storm_on_celery.storm(options.seed, options.jobs, options.kills, seconds)
        show("plain Celery (acks_late, defaults otherwise)", report["celery"])
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=2))
    sound = not any(
        report["glassbox"][name]
        for name in ("lost", "duplicated", "damaged", "other_bits_than_uninterrupted", "aliases_moved_back")
    )
    print("every accepted job has ended, was done once, and is intact" if sound else "NOT SOUND")
    return 0 if sound else 1


def parse() -> argparse.Namespace:
    """Return the arguments, with the environment's SEED and MINUTES as defaults."""
    parser = argparse.ArgumentParser(description="The storm: jobs and kills.")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED", "1")))
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("MINUTES", "6")), help="of each storm")
    parser.add_argument("--jobs", type=int, default=320)
    parser.add_argument("--kills", type=int, default=220)
    parser.add_argument("--quick", action="store_true", help="leases of 3 s instead of 30 s")
    parser.add_argument("--no-baseline", action="store_true", help="leave plain Celery out")
    return parser.parse_args()


def show(title: str, figures: dict[str, Any]) -> None:
    """Print one storm's figures."""
    print(f"\n{title}")
    for name, value in figures.items():
        text = ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else value
        print(f"  {name.replace('_', ' '):<46} {text}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
