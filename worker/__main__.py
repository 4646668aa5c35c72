"""`python -m worker training|inference`: one worker that consumes one queue, with its share of the cores.

A trainer is one process with BLAS threads on half of the cores. A classifier has one single-threaded process per core.
More threads than cores are slower than fewer: BLAS threads spin while they wait for each other.
"""

from __future__ import annotations

import socket
import sys

from shared.runtime import logs, traces
from shared.runtime.settings import SecretError, SettingsError, limit_blas_threads, load_settings


def main(queue: str) -> None:
    """Run the worker until it is shut down."""
    try:
        settings = load_settings()
        traces.check(settings)
        _ = settings.redis_address
    except (SettingsError, SecretError, traces.TracesError) as error:
        sys.exit(f"glassbox: {error}")
    logs.configure(settings)
    processes = settings.processes(queue)
    share = settings.cores // 2 // processes if queue == "training" else 1
    limit_blas_threads(settings.blas_threads or max(1, share))  # before anything imports NumPy

    from worker.app import create_app  # noqa: PLC0415

    worker = create_app(settings, queue).Worker(  # not by Celery's command, which imports a shell for people
        pool="prefork",
        concurrency=processes,
        queues=[queue],
        hostname=f"{queue}@{socket.gethostname()}",
        loglevel=settings.log_level.upper(),
        quiet=True,  # Celery's banner does not show the settings of Glassbox
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in {"training", "inference"}:
        sys.exit("usage: python -m worker training|inference")
    main(sys.argv[1])
