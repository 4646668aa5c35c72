"""A version's accuracy in a terminal, with its uncertainty and its baselines."""

from __future__ import annotations

import pytest
from glassbox.cli.display.accuracy import accuracy_text, print_warnings, running_warning
from glassbox.http.events import Event
from glassbox.records.versions import Baselines


def test_the_accuracy_has_its_interval_and_the_baselines() -> None:
    text = accuracy_text(0.9314, (0.918, 0.943), Baselines(linear=0.61, majority_class=0.1))
    assert text == "93.14% (91.8–94.3%), linear model 61.0%, most frequent class 10.0%"


def test_the_accuracy_of_an_older_release_stands_alone() -> None:
    assert accuracy_text(0.9314) == "93.14%"
    assert accuracy_text(None) == ""


TIME = "2026-01-31T12:00:05Z"


def test_a_finding_of_a_running_training_is_shown_and_one_of_its_result_is_left_to_the_end() -> None:
    finding = {"code": "diverged", "message": "Set the loss free with channels=3."}
    assert (
        running_warning(Event("1-0", "warning", TIME, finding | {"epoch": 3})) == "Set the loss free with --channels 3."
    )
    assert running_warning(Event("2-0", "warning", TIME, finding)) is None
    assert running_warning(Event("3-0", "epoch", TIME, {"epoch": 3})) is None


def test_warnings_are_lines_on_standard_error_without_control_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    print_warnings(["All images are predicted as '\x1b[31mred'.", "Upload them with channels=3."])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "warning: All images are predicted as '\N{REPLACEMENT CHARACTER}[31mred'.",
        "warning: Upload them with --channels 3.",
    ]
