"""Rates and times left, in words."""

from __future__ import annotations

import time
from typing import Any

NAMES = {"completed_with_errors": "completed with errors"}


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
