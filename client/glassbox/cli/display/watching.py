"""To wait for a job at a terminal or in a pipe: its progress, and what Ctrl-C means."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

import typer

from glassbox.cli.exits import INTERRUPTED, say
from glassbox.errors import GlassboxError

if TYPE_CHECKING:
    from glassbox.cli.display.progress import Display
    from glassbox.client import Client
    from glassbox.jobs import Job

LOOK_SECONDS = 5.0  # between two looks at why a queued job waits


def watched(client: Client, job: Job, *, quiet: bool = False) -> Job:
    """Show the job's progress to its end, and give it as it is then.

    Raises `JobFailed`, or `typer.Exit` after Ctrl-C. quiet: show nothing, for programs.
    """
    from glassbox.cli.display.progress import display  # noqa: PLC0415 - see the package's docstring

    for warning in job.warnings:
        say(f"note: {warning}")
    with display(job, quiet=quiet) as shown, _reasons_shown(client, job, shown, quiet=quiet):
        interrupted = False
        while True:
            try:
                if interrupted:
                    with shown.paused():
                        if not _goes_on(client, job):
                            raise typer.Exit(INTERRUPTED)
                interrupted = False
                return job.wait(on_event=shown.event)
            except KeyboardInterrupt:  # whenever it comes, also while the bar is drawn anew
                interrupted = True


@contextmanager
def _reasons_shown(client: Client, job: Job, shown: Display, *, quiet: bool) -> Iterator[None]:
    """Say why the job waits while it is queued: a full Redis cannot take the event that would say so."""
    over = Event()
    told = ""

    def look() -> None:
        nonlocal told
        now = job
        while now.state == "queued":
            if now.waiting is not None and now.waiting.detail != told:
                told = now.waiting.detail
                shown.note(f"the job waits: {told}")
            if over.wait(LOOK_SECONDS):
                return
            with suppress(GlassboxError):
                now = client.jobs.get(job.id)

    thread = Thread(target=look, daemon=True)
    if not quiet:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread.is_alive():
            thread.join(1.0)


def _goes_on(client: Client, job: Job) -> bool:
    """What Ctrl-C means: whether to go on watching."""
    choice = _choice() if sys.stdin.isatty() and sys.stderr.isatty() else "d"
    if choice == "w":
        return True
    if choice == "c":
        client.jobs.cancel(job.id)
        say(f"job {job.id} is being cancelled; `glassbox jobs retry {job.id}` lets it go on")
    else:
        say(
            f"job {job.id} goes on without you; `glassbox jobs watch {job.id}` shows it again,"
            f" `glassbox jobs cancel {job.id}` stops it"
        )
    return False


def _choice() -> str:
    """Ask; Ctrl-C once more detaches."""
    try:
        while True:
            print("\n[d]etach (the job goes on), [c]ancel the job, or go on [w]atching? ", end="", file=sys.stderr)
            sys.stderr.flush()
            answer = sys.stdin.readline()
            choice = answer.strip().lower()[:1]
            if choice in {"d", "c", "w"}:
                return choice
            if not answer:
                return "d"
    except KeyboardInterrupt:
        return "d"
