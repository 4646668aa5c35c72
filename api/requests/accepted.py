"""The media types that a client accepts (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from flask import request


def quality(media_type: str) -> float:
    """Return how much the client wants a media type: from 0, not at all, to 1.

    The most specific of the header's ranges counts. Parameters, such as a version, are ignored.
    """
    if not request.accept_mimetypes:
        return 1.0
    by_range: dict[str, float] = {}
    for name, weight in request.accept_mimetypes:
        essence = name.partition(";")[0].strip().lower()
        by_range[essence] = max(by_range.get(essence, 0.0), weight)
    candidates = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    return next((by_range[name] for name in candidates if name in by_range), 0.0)


def names(media_type: str) -> bool:
    """Return whether the client names a media type, not only a range that includes it."""
    return any(name.partition(";")[0].strip().lower() == media_type for name in request.accept_mimetypes.values())
