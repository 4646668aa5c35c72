"""What the preset `auto` tried, as texts for the command and the report."""

from __future__ import annotations

from typing import Any

import pytest
from glassbox.cli.commands.models import print_selection
from glassbox.cli.display.selecting import selection_note
from glassbox.http.events import Event
from glassbox.http.reading import read
from glassbox.records.selections import Selection, described

from api.schema.examples import VERSION
from tests.support.objects.evaluated import a_version

SELECTION: dict[str, Any] = VERSION["selection"]


def a_selection(**fields: Any) -> Selection:
    return read(Selection, SELECTION | fields)


def test_winner_is_marked_and_each_candidate_has_its_last_trial() -> None:
    first, second = a_selection().rows()
    assert first == ("winner", "learning_rate=0.003", "140 × 29", "0.1240", "97.70%")
    assert second == ("", "with learning_rate=0.001", "140 × 29", "0.1870", "96.50%")


def test_settings_of_other_candidates_are_the_changes_from_the_first() -> None:
    settings: list[dict[str, Any]] = [
        {"augmentation.shift": 2.0, "dropout": 0.3},
        {"augmentation": None, "dropout": 0.3},
        {"augmentation.shift": 2.0, "dropout": 0.0},
    ]
    candidates = [{"settings": each, "parameters": 1, "cost": 1} for each in settings]
    texts = [row[1] for row in a_selection(candidates=candidates, rungs=[]).rows()]
    assert texts == ["shift=2, dropout=0.3", "with augmentation=none", "with dropout=0"]


def test_last_rung_of_a_candidate_is_shown() -> None:
    rung = SELECTION["rungs"][0]
    second = {"entries": 1, "images": 300, "trials": [rung["trials"][0] | {"epochs": 50, "validation_loss": 0.1}]}
    first, other = a_selection(rungs=[rung, second]).rows()
    assert first[2:4] == ("300 × 50", "0.1000")
    assert other[2:4] == ("140 × 29", "0.1870")


def test_diverged_trial_is_named() -> None:
    rung = SELECTION["rungs"][0]
    diverged = rung["trials"][1] | {"validation_loss": None, "validation_accuracy": None}
    rows = a_selection(rungs=[rung | {"trials": [rung["trials"][0], diverged]}]).rows()
    assert rows[1][2:] == ("140 × 29", "diverged", "")


def test_summary_says_what_the_race_cost() -> None:
    assert a_selection().summary == (
        "2 candidates, 2 trials in 1 rung, measured on 86 validation images, for 32% of the training's estimated cost."
    )


def test_selection_without_a_race_says_why() -> None:
    alone = a_selection(rungs=[], candidates=SELECTION["candidates"][:1])
    assert alone.summary == "No race: there was one candidate."
    assert a_selection(rungs=[]).summary == (
        "No race: there are too few images or epochs to compare the 2 candidates; the training used the first."
    )
    assert a_selection(rungs=[]).rows()[0] == ("winner", "learning_rate=0.003", "", "", "")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "the preset"),
        ({"augmentation": None, "dropout": 0.3}, "augmentation=none, dropout=0.3"),
        ({"hidden": [128, 64]}, "hidden=[128, 64]"),
        ({"convolutions": []}, "convolutions=none"),
        (
            {"convolutions": [{"filters": 16, "kernel_size": 3}, {"filters": 32, "kernel_size": 5}]},
            "convolutions=3×3×16+5×5×32",
        ),
    ],
)
def test_settings_are_described_in_a_line(settings: dict[str, Any], text: str) -> None:
    assert described(settings) == text


def test_table_of_the_command_has_every_candidate(capsys: pytest.CaptureFixture[str]) -> None:
    selection = a_version().selection
    assert selection is not None
    print_selection(selection)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("Selection: 2 candidates")
    assert lines[3].split("\t") == ["winner", "learning_rate=0.003", "140 × 29", "0.1240", "97.70%"]
    assert len(lines) == 5


def test_events_of_the_selection_are_notes() -> None:
    def event(kind: str, data: dict[str, Any]) -> Event:
        return Event("1-0", kind, "2026-01-31T12:00:05.120Z", data)

    assert selection_note(event("selection", {"candidates": 6, "trials": 11, "share": 0.324})) == (
        "comparing 6 candidates in 11 short trainings, for at most 32% of the training's estimated cost"
    )
    assert selection_note(event("selected", {"winner": 0, "settings": {"dropout": 0.3}})) == "the winner is dropout=0.3"
    assert selection_note(event("trial", {})) is None
