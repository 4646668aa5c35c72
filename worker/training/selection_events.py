"""The events of a job whose training chooses its configuration: the plan, each trial, and the winner."""

from __future__ import annotations

from shared.json_types import JsonObject
from shared.network import AutoTraining
from shared.network.selection.report import Selection, trial_report
from worker.running.lease import Lease


class SelectionEvents:
    """Logs the events `selection`, `trial` and `selected`; after a crash, those since the last checkpoint again."""

    def __init__(self, training: AutoTraining, lease: Lease) -> None:
        self._training = training
        self._lease = lease
        self._trials = len(training.trials)
        self.racing = training.winner is None
        """Whether the configuration is not chosen yet."""

        if self.racing and not training.steps:
            lease.log("selection", plan_of(training.selection))

    def log(self) -> None:
        """Log the trials that have ended since the last call, and the winner."""
        for trial in self._training.trials[self._trials :]:
            self._lease.log("trial", {"rung": trial.rung, **trial_report(trial)})
        self._trials = len(self._training.trials)
        if self.racing and self._training.winner is not None:
            self.racing = False
            selection = self._training.selection
            chosen = selection["candidates"][self._training.winner]["settings"]
            # Redis's Lua has no empty list.
            settings = {name: None if value == [] else value for name, value in chosen.items()}
            self._lease.log("selected", {"winner": self._training.winner, "settings": settings})


def plan_of(selection: Selection) -> JsonObject:
    """Return the plan of the race in numbers; `share` is its cost as a share of the cheapest candidate's training."""
    return {
        "candidates": len(selection["candidates"]),
        "trials": sum(rung["entries"] for rung in selection["rungs"]),
        "validation_images": selection["validation_images"],
        "budget": selection["budget"],
        "cost": selection["cost"],
        "share": round(selection["cost"] / min(each["cost"] for each in selection["candidates"]), 4),
    }
