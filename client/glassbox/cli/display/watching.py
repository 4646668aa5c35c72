"""Waiting for a job: its progress, the reason why it is queued, and Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import typer

from glassbox.cli.display.rates import queued
from glassbox.cli.exits import INTERRUPTED, say
from glassbox.errors import GlassboxError

if TYPE_CHECKING:
    from glassbox.cli.display.progress import Display
    from glassbox.client import Client
    from glassbox.jobs import Job

POLL_SECONDS = 5.0  # between two requests for the reason why a queued job waits


def watched(client: Client, job: Job, *, quiet: bool = False) -> Job:
    """Show the job's progress until it ends, and return the finished job.

    Raises `JobFailed`, or `typer.Exit` after Ctrl-C. quiet: show nothing, for programs.
    """
    from glassbox.cli.display.progress import display  # noqa: PLC0415 - see the package's docstring

    reported = {finding.message for finding in job.diagnosis or ()}  # events say them again
    for warning in () if job.is_over else job.warnings:  # those of an ended job are about its result
        if warning not in reported:
            say(f"note: {warning}")
    with display(job, quiet=quiet) as shown, _reasons_shown(client, job, shown, quiet=quiet):
        interrupted = False
        while True:
            try:
                if interrupted:
                    with shown.paused():
                        if not _continues(client, job):
                            raise typer.Exit(INTERRUPTED)
                interrupted = False
                return job.wait(on_event=shown.event)
            except KeyboardInterrupt:  # at any time, also while the bar is redrawn
                interrupted = True


@contextmanager
def _reasons_shown(client: Client, job: Job, shown: Display, *, quiet: bool) -> Iterator[None]:
    """Show the reason why the job waits while it is queued. No event reports it, because a full Redis stores none."""
    ended = Event()
    reason = ""
    place = 0

    def poll() -> None:
        nonlocal reason, place
        current = job
        while current.state == "queued":
            if current.waiting is not None and current.waiting.detail != reason:
                reason = current.waiting.detail
                shown.note(f"the job waits: {reason}")
            elif current.progress.place and current.progress.place != place:
                place = current.progress.place
                shown.note(f"the job waits: {queued(place, current.progress.starts_in_seconds)}")
            if ended.wait(POLL_SECONDS):
                return
            with suppress(GlassboxError):
                current = client.jobs.get(job.id)

    thread = Thread(target=poll, daemon=True)
    if not quiet:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if thread.is_alive():
            thread.join(1.0)


def _continues(client: Client, job: Job) -> bool:
    """Handle Ctrl-C: detach from the job, cancel it, or return True to continue watching."""
    choice = _choice() if sys.stdin.isatty() and sys.stderr.isatty() else "d"
    if choice == "w":
        return True
    if choice == "c":
        client.jobs.cancel(job.id)
        say(f"job {job.id} is being cancelled; `glassbox jobs retry {job.id}` resumes it")
    else:
        say(
            f"job {job.id} continues on the server; `glassbox jobs watch {job.id}` shows it again,"
            f" `glassbox jobs cancel {job.id}` cancels it"
        )
    return False


def _choice() -> str:
    """Return the user's choice: d, c or w. Another Ctrl-C chooses d."""
    try:
        while True:
            print("\n[d]etach (the job continues), [c]ancel the job, or keep [w]atching? ", end="", file=sys.stderr)
            sys.stderr.flush()
            answer = sys.stdin.readline()
            choice = answer.strip().lower()[:1]
            if choice in {"d", "c", "w"}:
                return choice
            if not answer:
                return "d"
    except KeyboardInterrupt:
        return "d"
