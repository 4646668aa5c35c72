"""The manifest of a model version: its `manifest.json`."""

from __future__ import annotations

from typing import Annotated, Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from shared.images.inversion import Brightness
from shared.images.shapes import ImageShape
from shared.jobs.outcome import Baselines, Finding, Interval, Metrics
from shared.json_types import AS_WRITTEN, JsonObject
from shared.network.evaluation.evaluation import Measures
from shared.network.selection.report import Selection
from shared.storage import durable

FORMAT = 1
"""The format of manifests, which grows if older releases cannot read the new ones."""


class StoredFile(BaseModel):
    """The size and the SHA-256 of a file of a version."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class Weights(StoredFile):
    """The size and the SHA-256 of the file with a version's parameters."""


class StoredMistake(TypedDict):
    """A misclassified test image: classes as indices, and a thumbnail as a data URI."""

    index: int
    label: int
    predicted: int
    confidence: float
    image: str


class StoredEvaluation(Measures, total=False):
    """The evaluation on the test images, with the most confident errors."""

    mistakes: list[StoredMistake]


class VersionDraft(BaseModel):
    """A version before it is published, as its training describes it.

    `history` has one `EpochReport` for each epoch; in a manifest, a summary of them (`details.py`). `configuration` is
    that of the network. Both are JSON here, because another version of the code may have written other fields.
    `evaluation` is empty if there was none. `selection` says how the preset `auto` chose the configuration; other
    presets have none. `standardization` has `mean` and `deviation` of each channel of the training images, if the
    network subtracts and divides by them. `brightness` has the gray levels of the training images, None in older
    releases. `accuracy_interval`, `baselines` and `diagnosis` are None if the version was not assessed, as in older
    releases.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    job: str
    dataset: str
    configuration: JsonObject
    seed: int
    blas_threads: int
    environment: dict[str, str] = Field(default_factory=dict)
    image_shape: ImageShape
    standardization: dict[str, list[float]] | None = None
    brightness: Brightness | None = None
    classes: tuple[str, ...]
    parameters: int
    metrics: Annotated[Metrics, AS_WRITTEN]
    history: tuple[JsonObject, ...] = ()
    evaluation: Annotated[StoredEvaluation, AS_WRITTEN] = Field(default_factory=lambda: cast("StoredEvaluation", {}))
    selection: Annotated[Selection, AS_WRITTEN] | None = None
    accuracy_interval: Interval | None = None
    baselines: Annotated[Baselines, AS_WRITTEN] | None = None
    diagnosis: tuple[Annotated[Finding, AS_WRITTEN], ...] | None = None


class ModelVersion(VersionDraft):
    """One published version, as stored in `manifest.json`; it never changes, but a deletion removes parts of it.

    The bits of the weights follow from dataset, configuration, seed and blas_threads, in the same `environment`: the
    versions of Python, NumPy and the BLAS, and the processor. `epochs` is the number of epochs that the training took,
    and `files` has the version's files with what is too large for the manifest; older releases wrote neither.
    """

    version: int
    weights: Weights
    created_at: str
    epochs: int | None = None
    files: dict[str, StoredFile] = Field(default_factory=dict)

    @classmethod
    def of(cls, draft: VersionDraft, version: int, weights: Weights, created_at: str, **fields: Any) -> Self:
        """Create the version with this number from a draft; `fields` replace the draft's."""
        return cls(**{**dict(draft), **fields}, version=version, weights=weights, created_at=created_at)

    @property
    def epochs_trained(self) -> int:
        """The number of epochs that the training took."""
        return len(self.history) if self.epochs is None else self.epochs

    def encoded(self) -> bytes:
        """Return the content of `manifest.json`, which `model_validate_json` reads."""
        content = self.model_dump(mode="json")
        first = {name: content.pop(name) for name in ("model", "version")}
        return durable.encode_json(first | content)


class VersionHead(BaseModel):
    """The part of a version's manifest that lists need, with the size and the format of the manifest."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: int
    job: str
    dataset: str
    created_at: str
    weights: Weights
    manifest_bytes: int
    format: int = FORMAT

    @classmethod
    def of(cls, version: ModelVersion, manifest_bytes: int) -> Self:
        """Return the head of a version whose manifest has this size."""
        return cls(
            **{
                name: getattr(version, name) for name in ("model", "version", "job", "dataset", "created_at", "weights")
            },
            manifest_bytes=manifest_bytes,
        )
