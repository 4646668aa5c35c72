"""The size of a response to a request for predictions, and the work for it, estimated before it is computed."""

from __future__ import annotations

from api.requests.online.memory import Held
from shared.errors import TooLarge
from shared.registry.classifier import Classifier
from shared.runtime.settings import Settings


def check_response(images: int, each: int, classifier: Classifier, limits: Settings, memory: Held) -> None:
    """Hold the memory of a response with at most `each` bytes for each image.

    Raises `TooLarge` if a response may not have that size, or if the classification takes too long; `Unavailable` if
    other requests use the memory.
    """
    size, most = images * each, limits.max_online_response_bytes
    if size > most:
        raise TooLarge(
            "response_too_large",
            f"the response to {images} images would have up to {size} bytes, and GLASSBOX_MAX_ONLINE_RESPONSE_BYTES is"
            f" {most}; send at most {most // each} images, request fewer classes, or submit a batch job",
        )
    operations, allowed = images * classifier.operations, limits.max_online_operations
    if operations > allowed:
        raise TooLarge(
            "too_many_operations",
            f"the classification of {images} images takes about {operations} multiply-adds, and"
            f" GLASSBOX_MAX_ONLINE_OPERATIONS is {allowed}; send at most {allowed // classifier.operations} images, or"
            " submit a batch job",
        )
    memory.response(size)
