"""Changes that derive a data set from another one, and how they are sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class AddFromJob:
    """Add image `index` of a batch's archive as one of the class `label`."""

    job: str
    index: int
    label: str


@dataclass(frozen=True)
class AddFromDataset:
    """Add image `index` of a split of another data set as one of the class `label`."""

    dataset: str
    split: SplitName
    index: int
    label: str


@dataclass(frozen=True)
class Relabel:
    """Move image `index` of a split to the class `label`."""

    split: SplitName
    index: int
    label: str


@dataclass(frozen=True)
class Remove:
    """Leave image `index` of a split out."""

    split: SplitName
    index: int


Change = AddFromJob | AddFromDataset | Relabel | Remove


def as_json(changes: Iterable[Change]) -> dict[str, list[dict[str, Any]]]:
    """Return the JSON of a request."""
    found: dict[str, list[dict[str, Any]]] = {"add": [], "relabel": [], "remove": []}
    kinds = {AddFromJob: "add", AddFromDataset: "add", Relabel: "relabel", Remove: "remove"}
    for change in changes:
        found[kinds[type(change)]].append(asdict(change))
    return {kind: members for kind, members in found.items() if members}
