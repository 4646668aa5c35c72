"""What a version says of itself: its `manifest.json`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Weights(BaseModel):
    """The file that holds a version's parameters."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class ModelVersion(BaseModel):
    """One published version, as its `manifest.json` says; it never changes, but for what a deletion takes away."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    job: str
    dataset: str
    configuration: dict[str, Any]
    seed: int
    blas_threads: int
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    parameters: int
    metrics: dict[str, Any]
    history: tuple[dict[str, Any], ...] = ()
    evaluation: dict[str, Any] = Field(default_factory=dict)
    weights: Weights
    created_at: str
