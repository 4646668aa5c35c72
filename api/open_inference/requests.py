"""An inference request: JSON, perhaps with the bytes of tensors behind it, as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.open_inference.tensors import Binary, Tensor, parameters_of, read_tensor, refuse, refuse_unknown
from api.requests import fast_json
from shared.errors import Malformed
from shared.runtime.settings import Settings

MEMBERS = {"id", "parameters", "inputs", "outputs"}
OUTPUT_MEMBERS = {"name", "parameters"}


@dataclass(frozen=True)
class Wanted:
    """One output that the client asks for. `classification` is how many classes to name in the place of numbers."""

    name: str
    binary: bool
    classification: int | None


@dataclass(frozen=True)
class InferRequest:
    """What a client sent; `outputs` are None where it leaves the choice to us."""

    id: str | None
    inputs: list[Tensor]
    outputs: list[Wanted] | None
    binary_outputs: bool


def read_request(body: bytes, header_length: str | None, limits: Settings) -> InferRequest:
    """Read a body; `header_length` is the header Inference-Header-Content-Length: of the JSON at its beginning.

    Raises `Malformed`, `TooLarge`, or `Invalid`.
    """
    length = len(body)
    if header_length is not None:
        length = int(header_length) if header_length.isascii() and header_length.isdecimal() else -1
        if not 0 <= length <= len(body):
            raise Malformed(
                "header_length_wrong",
                f"Inference-Header-Content-Length says {header_length!r}, of a body of {len(body)} bytes",
            )
    view = memoryview(body)
    document = fast_json.read(view[:length], limits.max_online_json_bytes)
    if not isinstance(document, dict):
        raise refuse("#", "must be a JSON object")
    refuse_unknown(document, MEMBERS, "#")
    request_id, inputs = document.get("id"), document.get("inputs")
    if not isinstance(request_id, str | None):
        raise refuse("#/id", "must be a string")
    if not isinstance(inputs, list):
        raise refuse("#/inputs", "must be a list")
    binary = Binary(view[length:])
    tensors = [read_tensor(given, binary, f"#/inputs/{index}") for index, given in enumerate(inputs)]
    binary.check_empty()
    binary_outputs = parameters_of(document, "#").get("binary_data_output", False)
    if not isinstance(binary_outputs, bool):
        raise refuse("#/parameters/binary_data_output", "must be true or false")
    return InferRequest(request_id, tensors, _outputs(document.get("outputs"), binary_outputs), binary_outputs)


def _outputs(given: Any, binary: bool) -> list[Wanted] | None:
    if given is None or given == []:
        return None
    if not isinstance(given, list):
        raise refuse("#/outputs", "must be a list")
    return [_wanted(output, binary, f"#/outputs/{index}") for index, output in enumerate(given)]


def _wanted(given: Any, binary: bool, pointer: str) -> Wanted:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise refuse(pointer, "must be a JSON object with a name")
    refuse_unknown(given, OUTPUT_MEMBERS, pointer)
    parameters = parameters_of(given, pointer)
    own = parameters.get("binary_data", binary)
    if not isinstance(own, bool):
        raise refuse(f"{pointer}/parameters/binary_data", "must be true or false")
    classification = parameters.get("classification")
    if classification is not None and (type(classification) is not int or classification < 1):
        raise refuse(f"{pointer}/parameters/classification", "must be a number from 1")
    return Wanted(given["name"], own, classification)
