"""A version's accuracy beside its uncertainty and its baselines, and the findings of its diagnosis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from glassbox.cli.messages import without_api_syntax
from glassbox.cli.output import printable, share

if TYPE_CHECKING:
    from glassbox.http.events import Event
    from glassbox.records.versions import Baselines


def accuracy_text(
    accuracy: float | None, interval: tuple[float, ...] | None = None, baselines: Baselines | None = None
) -> str:
    """Return, for example, `93.14% (91.8–94.3%), linear model 61.0%, most frequent class 10.0%`.

    The parts that are None are omitted; versions of older releases have only the accuracy.
    """
    text = share(accuracy)
    if interval:
        low, high = interval
        text += f" ({100 * low:.1f}–{high:.1%})"
    if baselines:
        text += f", linear model {baselines.linear:.1%}, most frequent class {baselines.majority_class:.1%}"
    return text


def running_warning(event: Event) -> str | None:
    """Return the message of a finding about a running training, None for other events.

    Those about the result have no epoch, and are printed with it.
    """
    return without_api_syntax(event.data["message"]) if event.type == "warning" and "epoch" in event.data else None


def print_warnings(warnings: Iterable[str]) -> None:
    """Print a line on standard error for each warning, in yellow on a terminal."""
    for warning in warnings:
        typer.secho(f"warning: {printable(without_api_syntax(warning))}", fg="yellow", err=True)
