"""How the preset `auto` chose a configuration: its candidates, and the race between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """A configuration that the preset `auto` tried.

    settings: those in which the candidates differ, by path. cost: of its whole training, in estimated multiply-adds.
    """

    settings: dict[str, Any]
    parameters: int
    cost: int


@dataclass(frozen=True)
class Trial:
    """A candidate's training in a rung. candidate: its index. The measures are None if the training diverged."""

    candidate: int
    epochs: int
    steps: int
    cost: int
    validation_loss: float | None
    standard_error: float | None
    validation_accuracy: float | None


@dataclass(frozen=True)
class Rung:
    """A round of the race between candidates. images: the training images of each trial."""

    entries: int
    images: int
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Selection:
    """How the preset `auto` chose a configuration. Without rungs, the first candidate was trained.

    cost: of the race, at most `budget`, in estimated multiply-adds. winner: the index of the chosen candidate.
    """

    candidates: tuple[Candidate, ...]
    validation_images: int
    budget: int
    cost: int
    rungs: tuple[Rung, ...]
    winner: int | None

    def last_trial(self, candidate: int) -> tuple[Rung, Trial] | None:
        """Return the last trial of the candidate with this index, and its rung; None if there was no race."""
        found = [(rung, trial) for rung in self.rungs for trial in rung.trials if trial.candidate == candidate]
        return found[-1] if found else None

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return a row of texts for each candidate, in the order of `COLUMNS`; the winner is marked.

        The settings are those of the first candidate, and for others, the changes from the first.
        """
        rows = []
        first = self.candidates[0].settings
        for number, candidate in enumerate(self.candidates):
            changes = {name: value for name, value in candidate.settings.items() if first.get(name, ...) != value}
            settings = f"with {described(changes)}" if number else described(first)
            last = self.last_trial(number)
            tried = loss = accuracy = ""
            if last is not None:
                rung, trial = last
                tried = f"{rung.images:,} × {trial.epochs}"
                diverged = trial.validation_loss is None or trial.validation_accuracy is None
                loss = "diverged" if diverged else f"{trial.validation_loss:.4f}"
                accuracy = "" if diverged else f"{trial.validation_accuracy:.2%}"
            mark = "winner" if number == self.winner else ""
            rows.append((mark, settings, tried, loss, accuracy))
        return rows

    @property
    def summary(self) -> str:
        """The race in a sentence."""
        if not self.rungs:
            if len(self.candidates) == 1:
                return "No race: there was one candidate."
            return (
                f"No race: there are too few images or epochs to compare the {len(self.candidates)} candidates; the"
                " training used the first."
            )
        trials = sum(len(rung.trials) for rung in self.rungs)
        winner = self.candidates[self.winner or 0]
        return (
            f"{len(self.candidates)} candidates, {trials} trials in {_counted(len(self.rungs), 'rung')}, measured on "
            f"{self.validation_images:,} validation images, for {self.cost / winner.cost:.0%} of the training's "
            "estimated cost."
        )


COLUMNS = ("", "settings", "last trial: images × epochs", "validation loss", "accuracy")
"""The columns of `Selection.rows`."""


def described(settings: dict[str, Any]) -> str:
    """Return the settings of a candidate in a line; those of a group are named without the group."""
    return ", ".join(f"{name.split('.')[-1]}={_value(name, value)}" for name, value in settings.items()) or "the preset"


def _value(name: str, value: Any) -> str:
    if name == "convolutions" and isinstance(value, list):
        return (
            "+".join(f"{layer.get('kernel_size')}×{layer.get('kernel_size')}×{layer.get('filters')}" for layer in value)
            or "none"
        )
    if value is None:
        return "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
