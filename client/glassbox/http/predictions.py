"""The predictions of a version or an evaluation job, image by image: their pages, and comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from glassbox.http.reading import read
from glassbox.http.transport import Transport
from glassbox.records.predictions import ComparedImage, Comparison, PredictedImage


def predicted_images(
    transport: Transport, route: str, limit: int | None, query: Mapping[str, Any]
) -> Iterator[PredictedImage]:
    """Return the predictions that match, page by page. route: of the version or the job."""
    return (read(PredictedImage, item) for item in transport.pages(f"{route}/predictions", limit, **query))


def comparison(transport: Transport, route: str, other: str) -> Comparison:
    """Return the comparison with the other version or job."""
    return read(Comparison, transport.get(f"{route}/predictions/compare", **{"with": other}, limit=1))


def compared_images(
    transport: Transport, route: str, other: str, limit: int | None, query: Mapping[str, Any]
) -> Iterator[ComparedImage]:
    """Return the images of a comparison that match, page by page."""
    pages = transport.pages(f"{route}/predictions/compare", limit, **{"with": other}, **query)
    return (read(ComparedImage, item) for item in pages)
