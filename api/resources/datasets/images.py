"""`GET /v1/datasets/{ref}/images`: many images of a data set in one response, with their indices and labels."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import Literal

import numpy as np
from flask import Blueprint, Response, request
from numpy.typing import NDArray
from pydantic import Field

from api.requests.conditions import conditional
from api.requests.online.memory import held
from api.requests.validation import from_texts
from api.resources.image_selection import MEDIA, ImageSelection, fitting, invalid, response_of
from api.schema.operations import ResponseSpec, error_response, operation
from shared.datasets import DatasetStore, Manifest
from shared.datasets.builtin.built_in import BuiltIn
from shared.datasets.content import Images, Labels
from shared.datasets.paths import ImagePaths
from shared.datasets.similarity.typicality import Distances
from shared.errors import Damaged, NotFound, StorageFull, Unavailable
from shared.network.settings.validation import shown

FILE = replace(MEDIA, description=f"{MEDIA.description}. `labels` int32 (n,) are indices of the data set's `classes`")
NOT_FOUND = error_response(NotFound, "dataset_not_found")
PREPARATION = error_response(Unavailable, "dataset_unavailable"), error_response(StorageFull, "storage_full")
"""The errors of the first use of a built-in data set."""
DAMAGED = error_response(Damaged, "dataset_unreadable", "dataset_damaged")


class DatasetImagesQuery(ImageSelection):
    """The images of a split, or of one class in it, by their index or at random."""

    split: Literal["train", "validation", "test"] = Field("train", description="the part of the data set")
    class_: str | None = Field(None, alias="class", max_length=255, description="only images of this class, by name")
    order: Literal["index", "random", "least_typical"] = Field(
        "index",
        description="`random` is the same order for the same `seed`; `least_typical` begins with the images that are"
        " farthest from the mean image of their class",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="random seed of the order")
    paths: bool = Field(
        False,
        description="whether `__metadata__` has `paths`: a JSON list of the paths that the images had in their upload,"
        " null for one that is not known; of a path of more than 255 bytes, its end",
    )


def blueprint(store: DatasetStore, built_in: BuiltIn) -> Blueprint:
    """Return the route of a data set's images."""
    routes = Blueprint("dataset_images", __name__)

    @routes.get("/v1/datasets/<reference>/images")
    @operation(
        "Read images of a data set",
        scope="read",
        query=DatasetImagesQuery,
        responses={
            200: ResponseSpec((FILE,), headers=("ETag",)),
            304: ResponseSpec(description="The client's copy is current.", headers=("ETag",)),
        },
        errors=(NOT_FOUND, DAMAGED, *PREPARATION, error_response(Unavailable, "memory_busy", "summary_busy")),
        headers=("If-Match", "If-None-Match"),
    )
    def images(reference: str) -> Response:
        """An image's index is its position in the split. `indices` is not combined with a class or an order.

        The images of a data set never change: the ETag depends on its id and on the query, and on whether it has paths.
        """
        query = from_texts(DatasetImagesQuery, request.args)
        manifest, arrays = store.load(built_in.get(reference).id, anew=False)
        split = arrays.splits.get(query.split)
        if split is None:
            raise invalid(
                "split", f"this data set has no images for {query.split}; it has {', '.join(manifest.splits)}"
            )
        paths = store.paths(manifest.id) if query.paths else None
        distances = store.distances(manifest.id)[query.split] if query.order == "least_typical" else None
        response = _selected(query, manifest, *split, paths, distances)
        tag = f"{manifest.digest} {query!r} {paths is not None and list(paths.splits)}"
        response.set_etag(hashlib.sha256(tag.encode()).hexdigest())
        return conditional(response)

    return routes


def _selected(
    query: DatasetImagesQuery,
    manifest: Manifest,
    images: Images,
    labels: Labels,
    paths: ImagePaths | None,
    distances: Distances | None,
) -> Response:
    listed = query.listed(len(labels))
    if listed is not None:
        for parameter, field in (("class", "class_"), ("order", "order"), ("seed", "seed")):
            if field in query.model_fields_set:
                raise invalid(parameter, "cannot be combined with indices")
    matching = _matching(query, manifest, labels, distances) if listed is None else listed
    total = len(labels) if matching is None else len(matching)
    start, count = query.range_of(total)
    count = fitting(count, math.prod(manifest.image_shape))
    chosen = np.arange(start, start + count) if matching is None else matching[start : start + count]
    arrays = {"indices": chosen.astype("<i4"), "labels": labels[chosen].astype("<i4"), "images": images[chosen]}
    more = {} if paths is None else {"paths": json.dumps(paths.at(query.split, chosen.tolist()), ensure_ascii=False)}
    return response_of(arrays, total, start + count, more)


def _matching(
    query: DatasetImagesQuery, manifest: Manifest, labels: Labels, distances: Distances | None
) -> NDArray[np.int64] | None:
    """Return the indices of the images that match, in the query's order; None if these are all by their index."""
    if query.class_ is None and query.order == "index":
        return None
    held(request.environ).response(2 * labels.nbytes)  # for the indices, and their order
    if query.class_ is None:
        matching = np.arange(len(labels))
    elif query.class_ in manifest.classes:
        matching = np.flatnonzero(labels == manifest.classes.index(query.class_))
    else:
        raise invalid("class", f"must be a class of this data set; got {shown(query.class_)}")
    if distances is not None:
        return matching[np.argsort(-distances[matching], kind="stable")]
    return np.random.default_rng(query.seed).permutation(matching) if query.order == "random" else matching
