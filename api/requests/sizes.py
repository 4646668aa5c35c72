"""The size of a response to a request for predictions, estimated before it is computed."""

from __future__ import annotations

from api.requests.online_memory import Held
from shared.errors import TooLarge
from shared.runtime.settings import Settings


def check_response(images: int, each: int, limits: Settings, memory: Held) -> None:
    """Hold the memory of a response with at most `each` bytes for each image.

    Raises `TooLarge` if it is more than a response may have, `Unavailable` if other requests use the memory.
    """
    size, most = images * each, limits.max_online_response_bytes
    if size > most:
        raise TooLarge(
            "response_too_large",
            f"the response to {images} images would have up to {size} bytes, and GLASSBOX_MAX_ONLINE_RESPONSE_BYTES is"
            f" {most}; send at most {most // each} images, request fewer classes, or submit a batch job",
        )
    memory.response(size)
