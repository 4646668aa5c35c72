"""`GET /v1/datasets/{ref}/summary`: the balance of a data set, its mean images and its exact duplicates."""

from __future__ import annotations

from flask import Blueprint
from pydantic import with_config
from typing_extensions import TypedDict

from api.resources.datasets.images import DAMAGED, NOT_FOUND, PREPARATION
from api.schema.examples import DATASET_ID, PNG, shown_as
from api.schema.operations import error_response, operation
from shared.datasets import DatasetStore, Manifest
from shared.datasets.builtin.built_in import BuiltIn
from shared.datasets.summary import Groups, Summary
from shared.errors import Unavailable


class ClassSummaryView(TypedDict):
    """A class: its numbers of images by split, and the mean of all of them as a PNG in a data URI, null without one."""

    label: str
    images: dict[str, int]
    mean_image: str | None


class CopyView(TypedDict):
    """One of several equal images: its split, its index in the split, and its class."""

    split: str
    index: int
    label: str


class DuplicateGroupView(TypedDict):
    """Equal images: their number, and at most 20 of them."""

    count: int
    copies: list[CopyView]


class DuplicateGroupsView(TypedDict):
    """Groups of equal images: their number, the number of images in them, and at most 50 of the groups."""

    groups: int
    images: int
    first: list[DuplicateGroupView]


GROUPS = {
    "groups": 1,
    "images": 2,
    "first": [
        {
            "count": 2,
            "copies": [
                {"split": "train", "index": 17, "label": "0"},
                {"split": "test", "index": 3, "label": "0"},
            ],
        }
    ],
}
NONE = {"groups": 0, "images": 0, "first": []}


@with_config(
    shown_as(
        {
            "id": DATASET_ID,
            "classes": [{"label": "0", "images": {"train": 142, "test": 36}, "mean_image": PNG}],
            "within_splits": NONE,
            "between_splits": GROUPS,
            "different_labels": NONE,
        }
    )
)
class DatasetSummaryView(TypedDict):
    """The balance of a data set, the mean image of each class, and its exact duplicates.

    within_splits: groups with several images in one split. between_splits: groups with images in several splits.
    different_labels: groups with images of several classes. A group can be of several kinds. Images that are similar
    and not equal are in the near pairs.
    """

    id: str
    classes: list[ClassSummaryView]
    within_splits: DuplicateGroupsView
    between_splits: DuplicateGroupsView
    different_labels: DuplicateGroupsView


def blueprint(store: DatasetStore, built_in: BuiltIn) -> Blueprint:
    """Return the route of a data set's summary."""
    routes = Blueprint("dataset_summary", __name__)

    @routes.get("/v1/datasets/<reference>/summary")
    @operation(
        "Summarize a data set",
        scope="read",
        responses={200: DatasetSummaryView},
        errors=(NOT_FOUND, DAMAGED, *PREPARATION, error_response(Unavailable, "summary_busy")),
    )
    def summary(reference: str) -> DatasetSummaryView:
        """The first request for a data set computes the summary from all images; later ones read the stored one."""
        return _view(*store.summary(built_in.get(reference).id))

    return routes


def _view(manifest: Manifest, summary: Summary) -> DatasetSummaryView:
    return {
        "id": manifest.id,
        "classes": [
            {
                "label": label,
                "images": {split: counts[index] for split, counts in manifest.class_counts.items()},
                "mean_image": summary.mean_images[index],
            }
            for index, label in enumerate(manifest.classes)
        ],
        "within_splits": _groups_view(summary.within_splits, manifest.classes),
        "between_splits": _groups_view(summary.between_splits, manifest.classes),
        "different_labels": _groups_view(summary.different_labels, manifest.classes),
    }


def _groups_view(groups: Groups, classes: tuple[str, ...]) -> DuplicateGroupsView:
    return {
        "groups": groups.groups,
        "images": groups.images,
        "first": [
            {
                "count": group.count,
                "copies": [
                    {"split": copy.split, "index": copy.index, "label": classes[copy.label]} for copy in group.copies
                ],
            }
            for group in groups.first
        ],
    }
