"""The selection of images of a data set or a batch: a range, or single indices; and the response that has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import numpy as np
from flask import Response, request
from numpy.typing import NDArray
from pydantic import Field

from api.exports.safetensors import encode_arrays
from api.requests.online.memory import held
from api.requests.validation import Matching, RequestModel
from api.schema.operations import MediaType
from shared.errors import FieldError, Invalid

DEFAULT_IMAGES = 100
MOST_IMAGES = 2000
MOST_INDICES = 500  # so that the URL stays shorter than 8 KB
MOST_BYTES = 8 * 1024 * 1024
INDICES = rf"\d{{1,12}}(?:,\d{{1,12}}){{0,{MOST_INDICES - 1}}}"
MEDIA = MediaType(
    "application/octet-stream",
    "a safetensors file: `images` uint8 (n, H, W), or (n, H, W, 3) in colour; `indices` int32 (n,); in `__metadata__`"
    f" `total`, and `next` unless these are the last images. A response has at most {MOST_BYTES // 2**20} MiB of images"
    " and at least one image: continue with `from` = `next`",
)


class ImageSelection(RequestModel):
    """A range of images, or the images at some indices."""

    from_: int = Field(0, alias="from", ge=0, lt=10**12, description="position of the first image among those selected")
    count: int | None = Field(
        None, ge=1, le=MOST_IMAGES, description="maximum number of images; by default 100, or all of `indices`"
    )
    indices: (
        Annotated[
            str, Matching(INDICES, f"must be 1 to {MOST_INDICES} numbers from 0, separated by commas, such as 3,17,20")
        ]
        | None
    ) = Field(None, description="only the images at these indices, separated by commas, in this order")

    def listed(self, total: int) -> NDArray[np.int64] | None:
        """Return `indices` (n,), None if the request has none. Raises `Invalid` if one is not less than `total`."""
        if self.indices is None:
            return None
        listed = np.array(self.indices.split(","), np.int64)
        if int(listed.max()) >= total:
            raise invalid("indices", f"must be less than the number of images, {total}; got {listed.max()}")
        return listed

    def range_of(self, total: int) -> tuple[int, int]:
        """Return the position of the first image to return, and the number of images, of `total` selected ones."""
        start = min(self.from_, total)
        count = self.count or (DEFAULT_IMAGES if self.indices is None else MOST_INDICES)
        return start, min(count, total - start)


def invalid(parameter: str, reason: str) -> Invalid:
    """Return the error of a query parameter."""
    return Invalid("validation_failed", f"{parameter}: {reason}", [FieldError(reason, parameter=parameter)])


def fitting(count: int, image_bytes: int, besides: int = 0) -> int:
    """Return how many of `count` images fit into a response, at least one if there is one, and hold its memory.

    besides: bytes that the request needs besides the images. Raises `Unavailable` if other requests use the memory.
    """
    count = min(count, max(1, MOST_BYTES // image_bytes))
    held(request.environ).response(2 * count * image_bytes + besides)  # the array, and the response's body
    return count


def response_of(
    arrays: Mapping[str, NDArray[np.generic]],
    total: int,
    following: int,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """Return the response with these arrays. following: position of the next image, which may be `total`."""
    metadata = {"total": str(total)} | ({"next": str(following)} if following < total else {}) | dict(more)
    return Response(encode_arrays(arrays, metadata), mimetype=MEDIA.name)
