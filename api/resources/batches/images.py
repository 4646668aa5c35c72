"""`GET /v1/jobs/{id}/images`: many images of a batch as the network saw them, with their indices in the archive."""

from __future__ import annotations

import math
import time

import numpy as np
from flask import Blueprint, Response, request
from numpy.typing import NDArray

from api.requests.online.memory import WAIT_SECONDS, memory_busy
from api.requests.validation import from_texts
from api.resources.batches.results import NOT_A_BATCH, batch_of, reads_archive
from api.resources.image_selection import MEDIA, ImageSelection, fitting, response_of
from api.schema.operations import error_response, operation
from api.schema.references import STORE_ERRORS
from shared.archives import ArchiveIndex, Contents
from shared.archives import load as load_index
from shared.errors import Conflict, Damaged, Invalid, Malformed, NotFound, Unavailable
from shared.images.decoding import decode_into, resize_into
from shared.images.inversion import invert
from shared.images.turns import NoTurn
from shared.jobs import JobStore
from shared.jobs.specifications import BatchSpecification
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume

SECONDS = 2.0  # for the images of one response, before the last one


def blueprint(jobs: JobStore, registry: Registry, volume: Volume, limits: Settings) -> Blueprint:
    """Return the route of a batch's images."""
    routes = Blueprint("batch_images", __name__)

    @routes.get("/v1/jobs/<job_id>/images")
    @operation(
        "Read images of a batch",
        scope="read",
        query=ImageSelection,
        responses={200: MEDIA},
        errors=(
            error_response(
                NotFound,
                "job_not_found",
                "archive_not_found",
                "source_not_found",
                "source_unreadable",
                "model_not_found",
                "version_not_found",
                "version_deleted",
            ),
            NOT_A_BATCH,
            error_response(Conflict, "source_changed"),
            error_response(Invalid, "specification_unknown"),
            error_response(Damaged, "plan_damaged", "version_unreadable"),
            error_response(Unavailable, "memory_busy"),
            *STORE_ERRORS,
        ),
    )
    def images(job_id: str) -> Response:
        """Decoded, resized and, if the job inverts them, inverted, in the shape of the model's input.

        An image's index is that in the archive. Images that cannot be decoded are omitted. A response that takes more
        than 2 s of decoding has fewer images: continue with `from` = `next`.
        """
        query = from_texts(ImageSelection, request.args)
        job = batch_of(jobs, job_id)
        specification = BatchSpecification.of(job.specification)
        version = registry.get(specification.model, str(specification.version))
        with reads_archive(job):
            index = load_index(volume.archive_index(job.id))
            with Contents(volume.archive(job.id), index, limits) as contents:
                listed = query.listed(len(index))
                total = len(index) if listed is None else len(listed)
                start, count = query.range_of(total)
                count = fitting(count, math.prod(version.image_shape), limits.max_entry_bytes)
                chosen = np.arange(start, start + count) if listed is None else listed[start : start + count]
                pixels = np.empty((count, *version.image_shape), np.uint8)
                decoded, tried = _decode_into(pixels, contents, index, chosen, limits)
        pixels = pixels[: len(decoded)]
        compares = specification.invert != "auto" or specification.compares_with_training
        invert(pixels, specification.invert, version.brightness if compares else None)
        return response_of({"indices": decoded.astype("<i4"), "images": pixels}, total, start + tried)

    return routes


def _decode_into(
    pixels: NDArray[np.uint8], contents: Contents, index: ArchiveIndex, chosen: NDArray[np.int64], limits: Settings
) -> tuple[NDArray[np.int64], int]:
    """Decode the entries into the first rows of `pixels`, for `SECONDS`, and at least one.

    Returns the indices of the entries that were decoded, and how many were tried. Raises `Unavailable` if the first one
    waits too long for other large images.
    """
    end = time.monotonic() + SECONDS
    decoded: list[int] = []
    for tried, entry in enumerate(chosen.tolist()):
        if tried and time.monotonic() >= end:
            return np.array(decoded, np.int64), tried
        row = pixels[len(decoded)]
        try:
            decode_entry(row, contents, index, entry, limits)
        except Malformed:
            continue
        except NoTurn:
            if tried:
                return np.array(decoded, np.int64), tried
            raise memory_busy("other large images are decoded in this process, one at a time") from None
        decoded.append(entry)
    return np.array(decoded, np.int64), len(chosen)


def decode_entry(row: NDArray[np.uint8], contents: Contents, index: ArchiveIndex, entry: int, limits: Settings) -> None:
    """Decode an entry of an archive into `row`, resized. Raises `Malformed`, or `NoTurn`."""
    if index.shape_of(entry):
        resize_into(row[np.newaxis], contents.images(entry, entry + 1))
    else:
        content, most = contents.read(entry), limits.max_image_pixels
        decode_into(row, content, most, seconds=limits.max_image_seconds, patience=WAIT_SECONDS)
