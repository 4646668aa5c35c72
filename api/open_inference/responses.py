"""The response to an inference request: probabilities as numbers or class labels, as JSON or as bytes after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from api.open_inference.requests import OUTPUT, InferRequest
from api.open_inference.tensors import BYTES, DATATYPES, invalid, packed
from api.requests.bodies import fast_json
from shared.network.settings.validation import shown
from shared.registry import ModelVersion
from shared.registry.classifier import best_of

HEADER_LENGTH = "Inference-Header-Content-Length"
NAMES = {dtype: name for name, dtype in DATATYPES.items()}


class OutputTensor(TypedDict):
    """An output of the response. `data` is omitted if the values follow the JSON as bytes."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: NotRequired[NDArray[Any] | list[str]]
    parameters: NotRequired[dict[str, int]]


@dataclass(frozen=True)
class InferResponse:
    """A response's bytes. If binary outputs follow the JSON, `header_length` is the JSON's length in bytes."""

    body: bytes
    header_length: int | None = None

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Headers that describe the body."""
        if self.header_length is None:
            return [("Content-Type", "application/json")]
        return [("Content-Type", "application/octet-stream"), (HEADER_LENGTH, str(self.header_length))]


def response_for(
    request: InferRequest, version: ModelVersion, P: NDArray[Any], warning: str | None = None
) -> InferResponse:
    """Return the response for probabilities P (N, classes). Raises `Invalid` for an unknown output.

    warning: a sentence that the response has as its parameter `warning`.
    """
    outputs = []
    binary: list[bytes] = []
    for index, wanted in enumerate(request.requested):
        if wanted.name != OUTPUT:
            reason = f"must be {OUTPUT!r}, the model's only output; got {shown(wanted.name)}"
            raise invalid(f"#/outputs/{index}/name", reason)
        output = _probabilities(P) if wanted.classification is None else _classes(P, version, wanted.classification)
        if wanted.binary:
            data = output.pop("data")
            binary.append(packed(data) if isinstance(data, list) else data.astype(P.dtype.newbyteorder("<")).tobytes())
            output["parameters"] = {"binary_data_size": len(binary[-1])}
        outputs.append(output)
    document: dict[str, object] = {"model_name": version.model, "model_version": str(version.version)}
    if request.id is not None:
        document["id"] = request.id
    if warning is not None:
        document["parameters"] = {"warning": warning}
    document["outputs"] = outputs
    header = fast_json.write(document)
    return InferResponse(b"".join([header, *binary]), len(header)) if binary else InferResponse(header)


def _probabilities(P: NDArray[Any]) -> OutputTensor:
    return {"name": OUTPUT, "shape": P.shape, "datatype": NAMES[P.dtype], "data": P.ravel()}


def _classes(P: NDArray[Any], version: ModelVersion, count: int) -> OutputTensor:
    """Return the classification extension's output: each image's top classes as `<probability>:<index>:<label>`."""
    responses = best_of(P, min(count, P.shape[1]))
    texts = [
        f"{probability:.7g}:{label}:{version.classes[label]}"
        for label, probability in zip(
            responses.labels.ravel().tolist(), np.ravel(responses.probabilities).tolist(), strict=True
        )
    ]
    return {"name": OUTPUT, "shape": responses.labels.shape, "datatype": BYTES, "data": texts}
