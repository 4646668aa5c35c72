"""The errors of a network: an invalid configuration, and a training that diverges."""

from __future__ import annotations


class ConfigurationError(ValueError):
    """A setting with an invalid value; `field` names it, with a dot for a nested one: "optimizer.learning_rate"."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field} {self.reason}"


class TrainingDiverged(ArithmeticError):
    """The loss or a parameter is no longer a finite number, so the training cannot continue."""

    def __init__(self, epoch: int, step: int, hint: str) -> None:
        super().__init__(epoch, step, hint)
        self.epoch = epoch
        self.step = step
        self.hint = hint

    def __str__(self) -> str:
        return f"the training diverged in epoch {self.epoch}, step {self.step}: {self.hint}"
