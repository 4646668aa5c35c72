"""Counts, metrics, rates and remaining times as short texts."""

from __future__ import annotations

import time
from typing import Any

NAMES = {"completed_with_errors": "completed with errors"}


class Rate:
    """The rate of a job's progress, per second since its first event."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._first = 0

    def of(self, done: int) -> float | None:
        """Return the rate up to `done`, or None if too little has been measured."""
        now = time.monotonic()
        if self._began is None:
            self._began, self._first = now, done
            return None
        elapsed = now - self._began
        return (done - self._first) / elapsed if elapsed > 0.2 and done > self._first else None


def counted(done: int, total: int, unit: str) -> str:
    """Return the progress, such as `epoch 3/20`."""
    return f"epoch {done}/{total}" if unit == "epochs" else f"{done:,}/{total:,} {unit}"


def figures(metrics: dict[str, Any], rate: float | None, unit: str) -> list[str]:
    """Return a training's loss and accuracy, and the rate."""
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


def queued(place: int, starts_in: float | None) -> str:
    """Return the place in the queue, and when the job starts if that is known."""
    return f"place {place} in the queue" + ("" if starts_in is None else f", starts in about {starts_in:,.0f} s")


def remaining(seconds: float | None) -> str:
    """Return the remaining time in minutes and seconds, or an empty text if it is unknown."""
    if seconds is None:
        return ""
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes}:{left:02d} left" if minutes else f"{left} s left"
