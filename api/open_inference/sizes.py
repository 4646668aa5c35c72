"""The memory that an inference request takes, checked before its images are decoded and classified."""

from __future__ import annotations

import math

from api.open_inference.requests import InferRequest
from api.open_inference.tensors import BYTES
from api.requests.online.memory import Held
from api.requests.online.sizes import check_response
from shared.registry.classifier import Classifier
from shared.runtime.settings import Settings

DIGITS = {4: 16, 8: 26}  # bytes of a probability in JSON, by its bytes in memory
ENTRY = 24  # bytes of a class in the classification extension, without the class's name


def check_size(body: int, request: InferRequest, classifier: Classifier, limits: Settings, memory: Held) -> None:
    """Hold the memory of the images and the response. `body` in bytes.

    Raises `TooLarge` if a limit is too small, `Unavailable` if other requests use the memory.
    """
    version = classifier.version
    shape = request.input.shape
    images = shape[0] if shape else 0
    if request.input.datatype == BYTES:
        memory.body(body + images * math.prod(version.image_shape))
    classes = len(version.classes)
    numbers = classes * DIGITS[classifier.network.dtype.itemsize]
    longest = ENTRY + classifier.longest_name
    each = sum(
        numbers if output.classification is None else min(output.classification, classes) * longest
        for output in request.requested
    )
    check_response(
        images, max(each, numbers), classifier, limits, memory
    )  # all probabilities are in memory in any case
