"""What a version says of itself: its `manifest.json`."""

from __future__ import annotations

from typing import Annotated, Self, cast

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from shared.jobs.outcome import Metrics
from shared.json_types import AS_WRITTEN, JsonObject
from shared.network.evaluation.evaluation import Measures
from shared.storage import durable


class Weights(BaseModel):
    """The file that holds a version's parameters."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class StoredMistake(TypedDict):
    """A test image that was classified wrongly: classes by index, and a small picture as a data URI."""

    index: int
    label: int
    predicted: int
    confidence: float
    image: str


class StoredEvaluation(Measures, total=False):
    """What was measured on the test images, with the most confident errors."""

    mistakes: list[StoredMistake]


class VersionDraft(BaseModel):
    """What a training says of the version that it publishes.

    `history` has one `EpochReport` for each epoch, and `configuration` is that of the network: both are JSON here, for
    another version of the code may have written other fields. `evaluation` is empty if there was none.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    job: str
    dataset: str
    configuration: JsonObject
    seed: int
    blas_threads: int
    environment: dict[str, str] = Field(default_factory=dict)
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    parameters: int
    metrics: Annotated[Metrics, AS_WRITTEN]
    history: tuple[JsonObject, ...] = ()
    evaluation: Annotated[StoredEvaluation, AS_WRITTEN] = Field(default_factory=lambda: cast("StoredEvaluation", {}))


class ModelVersion(VersionDraft):
    """One published version, as its `manifest.json` says; it never changes, but for what a deletion takes away.

    The weights' bits follow from dataset, configuration, seed and blas_threads on the same `environment`: the versions
    of Python, NumPy and the BLAS, and the processor.
    """

    version: int
    weights: Weights
    created_at: str

    @classmethod
    def of(cls, draft: VersionDraft, version: int, weights: Weights, created_at: str) -> Self:
        """The draft as the version of this number."""
        return cls(**dict(draft), version=version, weights=weights, created_at=created_at)

    def encoded(self) -> bytes:
        """The text of `manifest.json`, which `model_validate_json` reads."""
        content = self.model_dump(mode="json")
        first = {name: content.pop(name) for name in ("model", "version")}
        return durable.encode_json(first | content)
