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
    """One published version, as its `manifest.json` says; it never changes, but for what a deletion takes away.

    The weights' bits follow from dataset, configuration, seed and blas_threads on the same `environment`: the versions
    of Python, NumPy and the BLAS, and the processor.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    job: str
    dataset: str
    configuration: dict[str, Any]
    seed: int
    blas_threads: int
    environment: dict[str, str] = Field(default_factory=dict)
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    parameters: int
    metrics: dict[str, Any]
    history: tuple[dict[str, Any], ...] = ()
    evaluation: dict[str, Any] = Field(default_factory=dict)
    weights: Weights
    created_at: str
