"""Parsing of inference requests: JSON, optionally followed by the bytes of tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.open_inference.tensors import INPUT, Binary, Tensor, invalid, parameters_of, read_tensor, reject_unknown
from api.requests.bodies import fast_json
from shared.errors import Malformed
from shared.network.settings.validation import shown
from shared.runtime.settings import Settings

OUTPUT = "probabilities"
MOST_OUTPUTS = 16
DIGITS = 19  # the length of a body has fewer
MEMBERS = {"id", "model_name", "model_version", "parameters", "inputs", "outputs"}
"""KServe's client repeats the model's name of the path in the body, and may add its version."""
OUTPUT_MEMBERS = {"name", "parameters"}


@dataclass(frozen=True)
class RequestedOutput:
    """An output that the client requests. `classification` is a number of class labels to return, or None."""

    name: str
    binary: bool
    classification: int | None


@dataclass(frozen=True)
class InferRequest:
    """A parsed request. `outputs` is None if the client requests no specific outputs, `model` if it names none."""

    id: str | None
    model: str | None
    input: Tensor
    outputs: list[RequestedOutput] | None
    binary_outputs: bool

    @property
    def requested(self) -> list[RequestedOutput]:
        """The requested outputs, by default the probabilities."""
        return self.outputs or [RequestedOutput(OUTPUT, self.binary_outputs, None)]


def read_request(body: bytes, header_length: str | None, limits: Settings) -> InferRequest:
    """Parse a body. `header_length` is the header Inference-Header-Content-Length, the length of the leading JSON.

    Raises `Malformed`, `TooLarge` or `Invalid`.
    """
    length = len(body)
    if header_length is not None:
        is_number = header_length.isascii() and header_length.isdecimal() and len(header_length) < DIGITS
        length = int(header_length) if is_number else -1
        if not 0 <= length <= len(body):
            raise Malformed(
                "header_length_wrong",
                f"Inference-Header-Content-Length must be at most the body's {len(body)} bytes; got {header_length!r}",
            )
    view = memoryview(body)
    document = fast_json.read(view[:length], limits.limit("max_online_json_bytes"))
    if not isinstance(document, dict):
        raise invalid("#", f"must be a JSON object; got {shown(document)}")
    reject_unknown(document, MEMBERS, "#")
    texts = {name: document.get(name) for name in ("id", "model_name", "model_version")}
    for name, text in texts.items():
        if not isinstance(text, str | None):
            raise invalid(f"#/{name}", f"must be a string; got {shown(text)}")
    inputs = document.get("inputs")
    if not isinstance(inputs, list):
        raise invalid("#/inputs", f"must be a list; got {shown(inputs)}")
    binary = Binary(view[length:])
    if len(inputs) != 1:
        raise invalid("#/inputs", f"must hold one tensor, {INPUT!r}; got {len(inputs)} tensors")
    tensor = read_tensor(inputs[0], binary, "#/inputs/0", limits.max_online_images)
    binary.check_empty()
    binary_outputs = parameters_of(document, "#").get("binary_data_output", False)
    if not isinstance(binary_outputs, bool):
        raise invalid("#/parameters/binary_data_output", f"must be true or false; got {shown(binary_outputs)}")
    outputs = _outputs(document.get("outputs"), binary_outputs)
    return InferRequest(texts["id"], texts["model_name"], tensor, outputs, binary_outputs)


def _outputs(given: Any, binary: bool) -> list[RequestedOutput] | None:
    if given is None or given == []:
        return None
    if not isinstance(given, list):
        raise invalid("#/outputs", f"must be a list; got {shown(given)}")
    if len(given) > MOST_OUTPUTS:
        raise invalid("#/outputs", f"must have at most {MOST_OUTPUTS} entries; got {len(given)}")
    return [_requested(output, binary, f"#/outputs/{index}") for index, output in enumerate(given)]


def _requested(given: Any, binary: bool, pointer: str) -> RequestedOutput:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise invalid(pointer, "must be a JSON object with a string `name`")
    reject_unknown(given, OUTPUT_MEMBERS, pointer)
    parameters = parameters_of(given, pointer)
    own = parameters.get("binary_data", binary)
    if not isinstance(own, bool):
        raise invalid(f"{pointer}/parameters/binary_data", f"must be true or false; got {shown(own)}")
    classification = parameters.get("classification")
    if classification is not None and (type(classification) is not int or classification < 1):
        reason = f"must be a whole number of at least 1; got {shown(classification)}"
        raise invalid(f"{pointer}/parameters/classification", reason)
    return RequestedOutput(given["name"], own, classification)
