from __future__ import annotations

import copy

from shared.network import ConfigurationError, TrainingDiverged


def test_a_configuration_error_contains_the_field_and_the_reason() -> None:
    error = ConfigurationError("epochs", "must be at least 1")
    assert isinstance(error, ValueError)
    assert str(error) == "epochs must be at least 1"


def test_a_divergence_contains_epoch_step_and_hint() -> None:
    assert str(TrainingDiverged(2, 7, "try less")) == "the training diverged in epoch 2, step 7: try less"


def test_errors_can_be_pickled() -> None:
    error = copy.copy(ConfigurationError("seed", "is missing"))  # copy uses pickle's protocol
    assert (error.field, error.reason) == ("seed", "is missing")
    end = copy.copy(TrainingDiverged(2, 7, "try less"))
    assert (end.epoch, end.step, end.hint) == (2, 7, "try less")
