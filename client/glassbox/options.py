"""What a training or a batch can be asked for, beside what it is about; the names are the API's."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Preset = Literal["article", "fast", "accurate"]
Invert = Literal["never", "always", "auto"]


class TrainingOptions(TypedDict, total=False):
    """A training: every field of the network that is given overrides the preset's."""

    preset: Preset
    hidden: list[int] | None
    activation: str | None
    initializer: str | None
    optimizer: dict[str, Any] | None
    schedule: dict[str, Any] | None
    epochs: int | None
    batch_size: int | None
    seed: int | None
    dtype: str | None
    dropout: float | None
    weight_decay: float | None
    label_smoothing: float | None
    gradient_clip: float | None
    augmentation: dict[str, Any] | None
    early_stopping: dict[str, Any] | None
    validation_fraction: float | None
    promote: str | None
    webhook: str | None
    timeout_seconds: float | None
    labels: dict[str, str]


class BatchOptions(TypedDict, total=False):
    """A batch."""

    top_k: int
    invert: Invert
    error_threshold: float
    webhook: str | None
    timeout_seconds: float | None
