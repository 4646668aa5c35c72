"""Answers with images in bulk, as the API sends them."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import numpy as np
from playwright.sync_api import Request

from api.exports.safetensors import encode_arrays
from tests.ui.conftest import Reply

HOSTILE = "<b>\u202e\n"  # in the paths of images


def query_of(request: Request) -> dict[str, str]:
    """Return the parameters of a request."""
    return {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}


def images_of(total: int, classes: int = 3) -> Callable[[Request], Reply]:
    """Return the answer to requests for images: gray ones of 8 x 8, at `indices` or in a range of `total`."""

    def answer(request: Request) -> Reply:
        query = query_of(request)
        start, count = int(query.get("from", 0)), int(query.get("count", 100))
        listed = query.get("indices")
        indices = list(map(int, listed.split(","))) if listed else list(range(start, min(total, start + count)))
        arrays = {
            "indices": np.array(indices, "<i4"),
            "labels": np.array(indices, "<i4") % classes,
            "images": np.full((len(indices), 8, 8), 200, np.uint8),
        }
        metadata = {"total": str(len(indices) if listed else total)}
        if "paths" in query:
            metadata["paths"] = json.dumps([f"{index % classes}/{HOSTILE}{index}.png" for index in indices])
        return Reply(200, encode_arrays(arrays, metadata), {})

    return answer
