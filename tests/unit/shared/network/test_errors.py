from __future__ import annotations

import copy

from shared.network import ConfigurationError, TrainingDiverged


def test_a_configuration_error_says_which_field_and_why() -> None:
    error = ConfigurationError("epochs", "must be at least 1")
    assert isinstance(error, ValueError)
    assert str(error) == "epochs must be at least 1"


def test_a_divergence_says_when_and_what_to_try() -> None:
    assert str(TrainingDiverged(2, 7, "try less")) == "the training diverged in epoch 2, step 7: try less"


def test_errors_cross_process_borders_whole() -> None:
    refusal = copy.copy(ConfigurationError("seed", "is missing"))  # by the protocol that pickle uses
    assert (refusal.field, refusal.reason) == ("seed", "is missing")
    end = copy.copy(TrainingDiverged(2, 7, "try less"))
    assert (end.epoch, end.step, end.hint) == (2, 7, "try less")
