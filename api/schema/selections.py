"""JSON types of the selection in a model version, for the OpenAPI document."""

from __future__ import annotations

from typing_extensions import TypedDict

from shared.json_types import JsonObject


class CandidateView(TypedDict):
    """A candidate: the settings in which the candidates differ, by path, and the estimated cost of its training."""

    settings: JsonObject
    parameters: int
    cost: int


class TrialView(TypedDict):
    """A candidate's training in a rung; the measures on the race's validation images are null if it diverged."""

    candidate: int
    epochs: int
    steps: int
    cost: int
    validation_loss: float | None
    standard_error: float | None
    validation_accuracy: float | None


class RungView(TypedDict):
    """A round of the race: the number of candidates, of training images for each, and the results."""

    entries: int
    images: int
    trials: list[TrialView]


class SelectionView(TypedDict):
    """How the preset `auto` chose the configuration: a race by successive halving. Costs are estimated multiply-adds.

    `budget` is the bound on the race's `cost`, a third of the cheapest candidate's training. `winner` is an index into
    `candidates`. Without `rungs` the first candidate was trained, because there was no other, or too few images.
    """

    candidates: list[CandidateView]
    validation_images: int
    budget: int
    cost: int
    rungs: list[RungView]
    winner: int | None
