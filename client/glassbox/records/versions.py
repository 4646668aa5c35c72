"""Models, their versions and aliases."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glassbox.records.selections import Selection


@dataclass(frozen=True)
class Input:
    """A model's input. image_shape: height and width in pixels; for images in colour also the channels, 3.

    standardization: each channel's mean and deviation that the network subtracts and divides by, if it does.
    brightness: gray levels of the training images; None for versions of older releases.
    """

    image_shape: tuple[int, ...]
    standardization: dict[str, list[float]] | None = None
    brightness: dict[str, float] | None = None


@dataclass(frozen=True)
class Weights:
    """The file with a version's parameters."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Baselines:
    """Accuracies on the test images without a network.

    linear: of a softmax regression on the same training images. majority_class: of a constant prediction.
    """

    linear: float
    majority_class: float


@dataclass(frozen=True)
class Finding:
    """A finding about a training. code: stable, for programs. message: a sentence for people.

    epoch: of a running training, after which epoch it was found.
    """

    code: str
    message: str
    epoch: int | None = None


@dataclass(frozen=True)
class Version:
    """A version of a model. damaged: its files are not those that were published, and it cannot be used.

    selection: how the preset `auto` chose the configuration; None for other presets and older servers.
    accuracy_interval: the 95 % confidence interval of the test accuracy. diagnosis: what is wrong with the result;
    empty if nothing was found. They and the baselines are None for versions of older releases.
    """

    model: str
    version: int
    aliases: tuple[str, ...]
    created_at: str
    job: str
    dataset: str
    configuration: dict[str, Any]
    seed: int
    blas_threads: int
    input: Input
    classes: tuple[str, ...]
    parameters: int
    metrics: dict[str, Any]
    weights: Weights
    damaged: bool
    links: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    selection: Selection | None = None
    accuracy_interval: tuple[float, ...] | None = None
    baselines: Baselines | None = None
    diagnosis: tuple[Finding, ...] | None = None

    @property
    def name(self) -> str:
        """The version's reference, such as `digits@3`."""
        return f"{self.model}@{self.version}"

    def file_name(self, ending: str) -> str:
        """Return the default name of a file of the version, such as `digits-3.npz`; no server can make it a path."""
        return Path(f"{self.model}-{self.version}.{ending}").name


@dataclass(frozen=True)
class Model:
    """A model. versions: their number. aliases: version by alias. latest: the newest version."""

    name: str
    versions: int
    aliases: dict[str, int]
    latest: Version
    links: dict[str, str]


@dataclass(frozen=True)
class Alias:
    """An alias, the version that it points to, the time of its last change, and the key or job that changed it."""

    model: str
    alias: str
    version: int
    moved_at: str
    links: dict[str, str]
    moved_by: str | None = None
