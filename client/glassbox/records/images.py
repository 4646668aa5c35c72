"""Images as the server sends them in bulk: a safetensors file with the pixels, the indices and the labels."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glassbox.errors import UnexpectedAnswer


@dataclass(frozen=True)
class Images:
    """Images of one shape.

    pixels: uint8 in row-major order; `numpy.frombuffer(images.pixels, "uint8").reshape(images.shape)` is the array.
    shape: (n, H, W), or (n, H, W, 3) in colour. indices: of the images in their split or archive. labels: indices into
    the data set's classes; empty for the images of a batch. total: the number of images selected. next: the `start` of
    the images that follow, None after the last ones. paths: those that the images had in their upload, None for one
    that is not known; empty if they were not requested.
    """

    pixels: bytes
    shape: tuple[int, ...]
    indices: tuple[int, ...]
    labels: tuple[int, ...]
    total: int
    next: int | None
    paths: tuple[str | None, ...] = ()


def images_of(content: bytes) -> Images:
    """Return the images in a response. Raises `UnexpectedAnswer` if they cannot be read."""
    try:
        data = 8 + int.from_bytes(content[:8], "little")
        header: dict[str, Any] = json.loads(content[8:data])
        start, end = header["images"]["data_offsets"]
        shape, metadata = header["images"]["shape"], header["__metadata__"]
        return Images(
            content[data + start : data + end],
            tuple(shape),
            _integers(content, data, header["indices"]),
            _integers(content, data, header["labels"]) if "labels" in header else (),
            int(metadata["total"]),
            int(metadata["next"]) if "next" in metadata else None,
            tuple(json.loads(metadata.get("paths", "[]"))),
        )
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise UnexpectedAnswer(f"the images cannot be read: {error!r}; is it a Glassbox server?") from error


def _integers(content: bytes, data: int, tensor: Mapping[str, Any]) -> tuple[int, ...]:
    start = tensor["data_offsets"][0]
    return struct.unpack_from(f"<{tensor['shape'][0]}i", content, data + start)
