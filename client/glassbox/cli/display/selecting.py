"""The choice of a configuration by the preset `auto`, as notes while a training runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassbox.records.selections import described

if TYPE_CHECKING:
    from glassbox.http.events import Event


def selection_note(event: Event) -> str | None:
    """Return a note on the events `selection` and `selected`, None for others."""
    if event.type == "selection":
        plan = event.data
        return (
            f"comparing {plan['candidates']} candidates in {plan['trials']} short trainings, for at most "
            f"{plan['share']:.0%} of the training's estimated cost"
        )
    if event.type == "selected":
        return f"the winner is {described(event.data['settings'])}"
    return None
