"""Models, their versions and aliases, as the API describes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Input:
    """What a model takes: height and width of an image."""

    image_shape: tuple[int, ...]


@dataclass(frozen=True)
class Weights:
    """The file of a version's parameters."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Version:
    """A version of a model. A `damaged` one is not what was published, and cannot be used."""

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

    @property
    def name(self) -> str:
        """How it is named wherever a version is: `digits@3`."""
        return f"{self.model}@{self.version}"


@dataclass(frozen=True)
class Model:
    """A model: how many versions it has, where its aliases point, and its newest version."""

    name: str
    versions: int
    aliases: dict[str, int]
    latest: Version
    links: dict[str, str]


@dataclass(frozen=True)
class Alias:
    """An alias, the version that it points to, and since when."""

    model: str
    alias: str
    version: int
    moved_at: str
    links: dict[str, str]
