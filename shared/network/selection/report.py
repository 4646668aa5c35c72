"""The report of a selection, as plain values for JSON: what was tried, with which result and cost, and what won."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

from shared.network.augmentation.ranges import Augmentation
from shared.network.network import Network
from shared.network.selection.race import Race, Trial

OFF = object()
"""Stands for a setting that a candidate does not have, which is not the same as null."""


class CandidateReport(TypedDict):
    """A candidate: the settings in which candidates differ, by path, and the estimated cost of its whole training."""

    settings: dict[str, Any]
    parameters: int
    cost: int


class TrialReport(TypedDict):
    """A candidate's training in a rung; the measures on the race's validation images are null if it diverged."""

    candidate: int
    epochs: int
    steps: int
    cost: int
    validation_loss: float | None
    standard_error: float | None
    validation_accuracy: float | None


class RungReport(TypedDict):
    """A round of the race: the number of training images, and the finished trials."""

    images: int
    entries: int
    trials: list[TrialReport]


class Selection(TypedDict):
    """How a configuration was chosen. Costs are estimated multiply-adds.

    `budget` is the bound on the race's cost, a third of the cheapest candidate's training; `cost` is the race's cost as
    planned. `winner` is an index into the candidates, null before the end. Without rungs there was no race, because
    there was one candidate, or too few images to compare several.
    """

    candidates: list[CandidateReport]
    validation_images: int
    budget: int
    cost: int
    rungs: list[RungReport]
    winner: int | None


def selection_report(networks: Sequence[Network], costs: Sequence[int], race: Race) -> Selection:
    """Return the report of the race as far as it has got. costs: of each network's whole training."""
    return {
        "candidates": [
            {
                "settings": settings,
                "parameters": network.parameter_count,
                "cost": cost,
            }
            for network, cost, settings in zip(networks, costs, differing_settings(networks), strict=True)
        ],
        "validation_images": race.plan.validation,
        "budget": race.plan.budget,
        "cost": race.plan.cost,
        "rungs": [
            {
                "images": rung.images,
                "entries": rung.entries,
                "trials": [trial_report(trial) for trial in race.trials if trial.rung == number],
            }
            for number, rung in enumerate(race.plan.rungs)
        ],
        "winner": race.winner,
    }


def trial_report(trial: Trial) -> TrialReport:
    """Return a finished trial as plain values."""
    diverged = not math.isfinite(trial.loss)
    return {
        "candidate": trial.candidate,
        "epochs": trial.epochs,
        "steps": trial.steps,
        "cost": trial.cost,
        "validation_loss": None if diverged else trial.loss,
        "standard_error": None if diverged else trial.error,
        "validation_accuracy": None if diverged else trial.accuracy,
    }


def differing_settings(networks: Sequence[Network]) -> list[dict[str, Any]]:
    """Return each candidate's values of the settings that are not the same for all candidates, by path.

    A setting of an augmentation that is off in a candidate is omitted there.
    """
    flat = [_flat(network.configuration.to_dict()) for network in networks]
    names = dict.fromkeys(name for settings in flat for name in settings)
    differing = [name for name in names if any(settings.get(name, OFF) != flat[0].get(name, OFF) for settings in flat)]
    return [{name: settings[name] for name in differing if name in settings} for settings in flat]


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings by path, such as `optimizer.learning_rate`; those of an augmentation without its defaults."""
    defaults = {"augmentation": Augmentation().to_dict()}
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            default = defaults.get(name, {})
            found |= {f"{name}.{setting}": each for setting, each in value.items() if each != default.get(setting)}
        else:
            found[name] = value
    return found
