"""The baseline: the same kinds of work as plain Celery tasks, acknowledged late, with Celery's defaults otherwise."""

from __future__ import annotations

import os

from celery import Celery

NOTES = "PLAIN_NOTES"  # names a file to which each task appends its id when it starts and when it ends

app = Celery("plain", broker=os.environ.get("PLAIN_BROKER"))
app.conf.task_acks_late = True


@app.task(name="plain.train")  # type: ignore[untyped-decorator]
def train(task_id: str, volume: str, epochs: int, seed: int) -> None:
    """Train on `digits`."""
    note(task_id, "start")
    from tests.chaos.storm.plain_work import train as work  # noqa: PLC0415 - the parent must not import NumPy

    work(volume, epochs, seed)
    note(task_id, "end")


@app.task(name="plain.classify")  # type: ignore[untyped-decorator]
def classify(task_id: str, volume: str, archive: str) -> None:
    """Decode and classify an archive."""
    note(task_id, "start")
    from tests.chaos.storm.plain_work import classify as work  # noqa: PLC0415

    work(volume, archive)
    note(task_id, "end")


def note(task_id: str, what: str) -> None:
    """Append a line; a short write to a file opened for appending is atomic."""
    descriptor = os.open(os.environ[NOTES], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{task_id} {what}\n".encode())
    finally:
        os.close(descriptor)
