"""Progress of a job on standard error: a bar on a terminal (`bar.py`), lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from glassbox.cli.exits import say
from glassbox.http.events import TERMINAL

if TYPE_CHECKING:
    from glassbox.http.events import Event
    from glassbox.jobs import Job
from glassbox.cli.display.accuracy import running_warning
from glassbox.cli.display.rates import NAMES, Rate, counted, figures, remaining
from glassbox.cli.display.selecting import selection_note

LINE_SECONDS = 2.0  # at least, between two lines of a batch


class Display(Protocol):
    """Output for the events of a job."""

    def event(self, event: Event) -> None:
        """Show an event of the job."""
        ...

    def note(self, text: str) -> None:
        """Show a remark that is not an event."""
        ...

    def paused(self) -> Any:
        """Return a context in which nothing is drawn."""
        ...


@contextmanager
def display(job: Job, *, quiet: bool) -> Iterator[Display]:
    """Return the display for a terminal or a pipe; with `quiet`, one that shows nothing."""
    if quiet:
        yield Silence()
    elif sys.stderr.isatty():
        from glassbox.cli.display.bar import Bar  # noqa: PLC0415 - rich is slow to import

        bar = Bar(job)
        with bar.progress:
            yield bar
    else:
        yield Lines(job)


class Silence:
    """A display that shows nothing."""

    def event(self, event: Event) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Return a context without effect."""
        yield


class Lines:
    """A display that prints a line for each state and each epoch; for a batch, every few seconds."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._rate = Rate()
        self._printed_at = time.monotonic()

    def event(self, event: Event) -> None:
        """Print a line, if one is due."""
        if event.type == "state":
            state = str(event.data["state"])
            say(f"job {self._job.id}: {NAMES.get(state, state)}")
        if text := selection_note(event):
            self.note(text)
        if text := running_warning(event):
            say(f"warning: {text}")
        if "progress" not in event.data or event.data.get("state") in TERMINAL:
            return
        progress = event.data["progress"]
        done, unit = progress["done"], progress["unit"]
        rate = self._rate.of(done)
        if event.type == "epoch" or (unit != "epochs" and time.monotonic() - self._printed_at > LINE_SECONDS):
            self._printed_at = time.monotonic()
            parts = [
                counted(done, progress["total"], unit),
                *figures(event.data.get("metrics") or {}, rate, unit),
                remaining(progress["eta_seconds"]),
            ]
            say(", ".join(filter(None, parts)))

    def note(self, text: str) -> None:
        """Print a line."""
        say(f"note: {text}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Return a context without effect: nothing is redrawn in a pipe."""
        yield
