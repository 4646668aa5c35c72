"""How far a job is: a bar on a terminal (`bar.py`), a line now and then in a pipe; both on standard error."""

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
from glassbox.cli.display.rates import NAMES, Rate, counted, figures, remaining

LINE_SECONDS = 2.0  # between two lines of a batch


class Display(Protocol):
    """Shows what it is told of."""

    def event(self, event: Event) -> None:
        """Something happened to the job."""
        ...

    def note(self, text: str) -> None:
        """A remark that is not an event."""
        ...

    def paused(self) -> Any:
        """A block in which nothing is drawn."""
        ...


@contextmanager
def display(job: Job, *, quiet: bool) -> Iterator[Display]:
    """What shows a job in this place."""
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
    """Shows nothing."""

    def event(self, event: Event) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing was drawn before either."""
        yield


class Lines:
    """A line for each state and each epoch, and every few seconds for a batch."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._rate = Rate()
        self._told_at = time.monotonic()

    def event(self, event: Event) -> None:
        """Print a line, if it is time for one."""
        if event.type == "state":
            state = str(event.data["state"])
            say(f"job {self._job.id}: {NAMES.get(state, state)}")
        if "progress" not in event.data or event.data.get("state") in TERMINAL:
            return
        told = event.data["progress"]
        rate = self._rate.of(told["done"])
        if event.type == "epoch" or (told["unit"] != "epochs" and time.monotonic() - self._told_at > LINE_SECONDS):
            self._told_at = time.monotonic()
            parts = [
                counted(told["done"], told["total"], told["unit"]),
                *figures(event.data.get("metrics") or {}, rate, told["unit"]),
                remaining(told["eta_seconds"]),
            ]
            say(", ".join(filter(None, parts)))

    def note(self, text: str) -> None:
        """Print a line."""
        say(f"note: {text}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is drawn in a pipe."""
        yield
