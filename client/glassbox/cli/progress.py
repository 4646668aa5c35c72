"""How far a job is: a bar on a terminal (`bar.py`), a line now and then in a pipe; both on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from glassbox.cli.exits import say
from glassbox.events import TERMINAL

if TYPE_CHECKING:
    from glassbox.events import Event
    from glassbox.jobs import Job

LINE_SECONDS = 2.0  # between two lines of a batch
NAMES = {"completed_with_errors": "completed with errors"}


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
        from glassbox.cli.bar import Bar  # noqa: PLC0415 - rich is slow to import

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


class Rate:
    """How many a second, since the job runs."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._first = 0

    def of(self, done: int) -> float | None:
        """The rate, once there is one."""
        now = time.monotonic()
        if self._began is None:
            self._began, self._first = now, done
            return None
        elapsed = now - self._began
        return (done - self._first) / elapsed if elapsed > 0.2 and done > self._first else None


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


def counted(done: int, total: int, unit: str) -> str:
    """How many of how many."""
    return f"epoch {done}/{total}" if unit == "epochs" else f"{done:,}/{total:,} {unit}"


def figures(metrics: dict[str, Any], rate: float | None, unit: str) -> list[str]:
    """Loss and accuracy of a training, and how quickly it goes."""
    shown = []
    if "train_loss" in metrics:
        shown.append(f"loss {metrics['train_loss']:.4f}")
    for name, label in (("validation_accuracy", "validation accuracy"), ("train_accuracy", "accuracy")):
        if name in metrics:
            shown.append(f"{label} {metrics[name]:.2%}")
            break
    if rate is not None:
        shown.append(f"{rate:.2f} epochs/s" if unit == "epochs" else f"{rate:,.0f} {unit}/s")
    return shown


def remaining(seconds: float | None) -> str:
    """The rest, as minutes and seconds."""
    if seconds is None:
        return ""
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes}:{left:02d} left" if minutes else f"{left} s left"
