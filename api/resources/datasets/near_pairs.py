"""`GET /v1/datasets/{ref}/near-pairs`: test and validation images that are almost the same as a training image."""

from __future__ import annotations

from flask import Blueprint
from pydantic import with_config
from typing_extensions import TypedDict

from api.resources.datasets.images import DAMAGED, NOT_FOUND, PREPARATION
from api.resources.datasets.summary import CopyView
from api.schema.examples import DATASET_ID, shown_as
from api.schema.operations import error_response, operation
from shared.datasets import DatasetStore, Manifest
from shared.datasets.builtin.built_in import BuiltIn
from shared.datasets.similarity.near_pair_search import NearPairSearch
from shared.datasets.similarity.near_pairs import NearPairs
from shared.datasets.summary import Copy
from shared.errors import Unavailable
from shared.storage.volume import Volume


class ComparedView(TypedDict):
    """The number of images of a split, and how many of them were compared."""

    images: int
    compared: int


class NearPairView(TypedDict):
    """An image, and the training image with the largest cosine of the pixels."""

    cosine: float
    image: CopyView
    nearest: CopyView


@with_config(
    shown_as(
        {
            "id": DATASET_ID,
            "threshold": 0.98,
            "compared_shape": [28, 28],
            "compared": {
                "train": {"images": 60000, "compared": 60000},
                "test": {"images": 10000, "compared": 10000},
            },
            "pairs": 161,
            "first": [
                {
                    "cosine": 0.992049,
                    "image": {"split": "test", "index": 3070, "label": "1"},
                    "nearest": {"split": "train", "index": 27111, "label": "1"},
                }
            ],
        }
    )
)
class NearPairsView(TypedDict):
    """Images whose nearest training image has a cosine above the threshold; equal images have the cosine 1.

    compared: by split, which images were compared: all, or as many that are spread evenly. compared_shape: images of
    more than 32 pixels a side are reduced to it. pairs: their number; `first` has at most 500, the most similar first.
    """

    id: str
    threshold: float
    compared_shape: list[int]
    compared: dict[str, ComparedView]
    pairs: int
    first: list[NearPairView]


def blueprint(store: DatasetStore, built_in: BuiltIn, volume: Volume) -> Blueprint:
    """Return the route of a data set's near pairs."""
    routes = Blueprint("near_pairs", __name__)
    search = NearPairSearch(store, volume)

    @routes.get("/v1/datasets/<reference>/near-pairs")
    @operation(
        "Find near pairs in a data set",
        scope="read",
        responses={200: NearPairsView},
        errors=(NOT_FOUND, DAMAGED, *PREPARATION, error_response(Unavailable, "near_pairs_busy")),
    )
    def show(reference: str) -> NearPairsView:
        """Of a data set with splits, finds test and validation images that leaked into the training images.

        The first request starts the search. After a 503 `near_pairs_busy` the search continues; request it again
        after `Retry-After` seconds. Later requests read the stored result.
        """
        return _view(*search.of(built_in.get(reference).id))

    return routes


def _view(manifest: Manifest, found: NearPairs) -> NearPairsView:
    def shown(copy: Copy) -> CopyView:
        return {"split": copy.split, "index": copy.index, "label": manifest.classes[copy.label]}

    return {
        "id": manifest.id,
        "threshold": found.threshold,
        "compared_shape": list(found.compared_shape),
        "compared": {
            name: {"images": split.images, "compared": split.compared} for name, split in found.compared.items()
        },
        "pairs": found.pairs,
        "first": [
            {"cosine": pair.cosine, "image": shown(pair.image), "nearest": shown(pair.nearest)} for pair in found.first
        ],
    }
