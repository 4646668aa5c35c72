"""`POST /v2/models/{model}/infer` with handwritten requests."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from PIL import Image
from werkzeug.test import TestResponse

from api.app import create_app
from api.open_inference.tensors import DATATYPES
from shared.images.inversion import measured
from shared.registry import Registry
from shared.runtime.settings import Settings
from tests.support.data.images import png
from tests.support.data.npz import easy_images
from tests.support.objects.models import (
    colour_network,
    colour_parameters,
    publish,
    publish_colour,
    tiny_network,
    tiny_parameters,
)
from tests.support.problems import assert_problem, pointers

IMAGES = easy_images(4, seed=1)[0]
PIXELS = IMAGES.reshape(4, 36)
P = tiny_network().probabilities(tiny_parameters(), IMAGES)
PATH = "/v2/models/toy/infer"
LENGTH = "Inference-Header-Content-Length"

pytestmark = pytest.mark.usefixtures("model")


def tensor(array: NDArray[Any] = PIXELS, datatype: str = "UINT8", **changes: Any) -> dict[str, Any]:
    """Return an input in JSON. None in `changes` omits a member."""
    whole = {"name": "images", "datatype": datatype, "shape": list(array.shape), "data": array.ravel().tolist()}
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def infer(client: FlaskClient, *inputs: Any, path: str = PATH, **members: Any) -> TestResponse:
    """Send a request without a Content-Type, as stock clients do."""
    return client.post(path, data=json.dumps({"inputs": inputs, **members}))


def infer_binary(client: FlaskClient, given: dict[str, Any], content: bytes, **members: Any) -> TestResponse:
    """Send one input as bytes after the JSON."""
    header = json.dumps(
        {"inputs": [{"parameters": {"binary_data_size": len(content)}, **given, "data": None}], **members}
    ).replace(', "data": null', "")
    return client.post(PATH, data=header.encode() + content, headers={LENGTH: str(len(header))})


def output(response: TestResponse) -> dict[str, Any]:
    """Return the single output of a JSON response."""
    assert response.status_code == 200, response.data
    assert response.content_type == "application/json"
    document: Any = response.json
    assert len(document["outputs"]) == 1
    found: dict[str, Any] = document["outputs"][0]
    return found


def probabilities(response: TestResponse) -> NDArray[Any]:
    """Return the output as an array."""
    found = output(response)
    assert (found["name"], found["datatype"]) == ("probabilities", "FP32")
    return np.array(found["data"]).reshape(found["shape"])


class TestInputs:
    @pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
    def test_floating_point_inputs_are_not_rescaled(self, client: FlaskClient, datatype: str) -> None:
        assert np.allclose(probabilities(infer(client, tensor(PIXELS / 255, datatype))), P, atol=1e-5)

    @pytest.mark.parametrize("datatype", [f"{kind}{bits}" for kind in ("UINT", "INT") for bits in (8, 16, 32, 64)])
    def test_integers_are_grayscale_values(self, client: FlaskClient, datatype: str) -> None:
        assert np.allclose(probabilities(infer(client, tensor(datatype=datatype))), P, atol=1e-6)

    @pytest.mark.parametrize("encoded_images", [False, True])
    def test_images_that_look_inverted_are_not_inverted(
        self, client: FlaskClient, registry: Registry, encoded_images: bool
    ) -> None:
        publish(registry, "drawn", "job-drawn", brightness=measured(easy_images(300)[0]))
        texts = [base64.b64encode(png(255 - image)).decode() for image in IMAGES]
        images = tensor(255 - PIXELS)
        if encoded_images:
            images = {"name": "images", "datatype": "BYTES", "shape": [4], "data": texts}

        expected = tiny_network().probabilities(tiny_parameters(), 255 - IMAGES)
        assert np.allclose(probabilities(infer(client, images, path="/v2/models/drawn/infer")), expected, atol=1e-6)

    def test_booleans_are_black_and_white(self, client: FlaskClient) -> None:
        white = PIXELS > 127

        found = probabilities(infer(client, tensor(white, "BOOL")))

        assert np.allclose(found, tiny_network().probabilities(tiny_parameters(), white.astype(np.float32)), atol=1e-6)

    def test_input_may_have_height_and_width(self, client: FlaskClient) -> None:
        assert np.allclose(probabilities(infer(client, tensor(IMAGES))), P, atol=1e-6)
        assert np.allclose(probabilities(infer(client, tensor(IMAGES[..., np.newaxis]))), P, atol=1e-6)

    @pytest.mark.parametrize("shape", [(4, 6, 6, 3), (4, 108)])
    @pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
    def test_input_in_colour_has_three_channels_or_is_flat(
        self, client: FlaskClient, registry: Registry, shape: tuple[int, ...], datatype: str
    ) -> None:
        publish_colour(registry)
        images = np.random.default_rng(2).integers(0, 256, (4, 6, 6, 3), np.uint8)
        values = images if datatype == "UINT8" else images / 255

        response = infer(client, tensor(values.reshape(shape), datatype), path="/v2/models/painted/infer")

        expected = colour_network().probabilities(colour_parameters(), images)
        assert np.allclose(probabilities(response), expected, atol=1e-6)

    def test_encoded_images_are_converted_to_the_models_channels(self, client: FlaskClient, registry: Registry) -> None:
        publish_colour(registry)
        images = np.random.default_rng(2).integers(0, 256, (6, 6, 3), np.uint8)
        gray = np.ascontiguousarray(images[..., 0])
        contents = [base64.b64encode(png(one)).decode() for one in (images, gray)]
        given = tensor(datatype="BYTES", shape=[2], data=contents)

        in_colour = infer(client, given, path="/v2/models/painted/infer")
        in_gray = infer(client, given)

        both = np.stack([images, np.repeat(gray[..., np.newaxis], 3, axis=2)])
        expected = colour_network().probabilities(colour_parameters(), both)
        assert np.allclose(probabilities(in_colour), expected, atol=1e-6)
        luma = np.stack([np.asarray(Image.fromarray(images).convert("L")), gray])
        expected = tiny_network().probabilities(tiny_parameters(), luma)
        assert np.allclose(probabilities(in_gray), expected, atol=1e-6)

    @pytest.mark.parametrize(
        ("name", "shape", "detail"),
        [
            ("painted", [1, 6, 6], "[N, 108] or [N, 6, 6, 3] with N of at least 1; got [1, 6, 6]"),
            ("painted", [1, 36], "[N, 108] or [N, 6, 6, 3] with N of at least 1; got [1, 36]"),
            ("painted", [1, 3, 6, 6], "[N, 108] or [N, 6, 6, 3] with N of at least 1; got [1, 3, 6, 6]"),
            ("toy", [1, 6, 6, 3], "[N, 36] or [N, 6, 6] with N of at least 1; got [1, 6, 6, 3]"),
            ("toy", [1, 6, 6, 2], "[N, 36] or [N, 6, 6] with N of at least 1; got [1, 6, 6, 2]"),
        ],
    )
    def test_tensor_of_another_number_of_channels_is_rejected_with_both_shapes(
        self, client: FlaskClient, registry: Registry, name: str, shape: list[int], detail: str
    ) -> None:
        publish_colour(registry)

        response = infer(client, tensor(np.zeros(shape, np.uint8)), path=f"/v2/models/{name}/infer")

        problem = assert_problem(response, 422, "validation_failed")
        assert pointers(problem) == ["#/inputs/0/shape"]
        assert problem["errors"][0]["detail"].endswith(detail)

    def test_data_may_be_nested(self, client: FlaskClient) -> None:
        assert np.allclose(probabilities(infer(client, tensor(data=PIXELS.tolist()))), P, atol=1e-6)
        assert np.allclose(probabilities(infer(client, tensor(data=IMAGES.tolist()))), P, atol=1e-6)

    def test_encoded_images_are_decoded(self, client: FlaskClient) -> None:
        contents = [base64.b64encode(png(image)).decode() for image in IMAGES]

        response = infer(client, tensor(datatype="BYTES", shape=[4], data=contents))

        assert np.allclose(probabilities(response), P, atol=1e-6)

    @pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
    def test_floats_to_255_are_gray_levels(self, client: FlaskClient, datatype: str) -> None:
        assert np.allclose(probabilities(infer(client, tensor(PIXELS.astype(float), datatype))), P, atol=1e-6)

    @pytest.mark.parametrize("datatype", ["UINT8", "INT64"])
    def test_integers_0_and_1_alone_are_black_and_white_with_a_warning(
        self, client: FlaskClient, datatype: str
    ) -> None:
        bright = (PIXELS > 100).astype(np.uint8)

        response = infer(client, tensor(bright, datatype))

        expected = tiny_network().probabilities(tiny_parameters(), (bright * 255).reshape(-1, 6, 6))
        assert np.allclose(probabilities(response), expected, atol=1e-6)
        warning = response.json["parameters"]["warning"]  # type: ignore[index]
        assert warning.startswith("the numbers are taken as black and white: the largest integer is 1")

    @pytest.mark.parametrize(("datatype", "white"), [("BOOL", True), ("FP32", 1.0), ("FP32", 255.0), ("UINT8", 255)])
    def test_certain_ranges_have_no_warning(self, client: FlaskClient, datatype: str, white: Any) -> None:
        bright = PIXELS > 100

        response = infer(client, tensor(bright if white is True else bright * white, datatype))

        expected = tiny_network().probabilities(tiny_parameters(), (bright * np.uint8(255)).reshape(-1, 6, 6))
        assert np.allclose(probabilities(response), expected, atol=1e-5)
        assert "parameters" not in response.json  # type: ignore[operator]

    def test_floats_of_different_ranges_are_rejected(self, client: FlaskClient) -> None:
        mixed = PIXELS.astype(float)
        mixed[2] /= mixed[2].max()

        problem = assert_problem(infer(client, tensor(mixed, "FP32")), 422, "validation_failed")

        assert pointers(problem) == ["#/inputs/0/data"]
        assert "but those of image 2 from 0 to 1: send all in one range" in problem["errors"][0]["detail"]

    def test_an_integer_image_of_0_and_1_among_others_has_a_warning(self, client: FlaskClient) -> None:
        mixed = PIXELS.copy()
        mixed[2] = mixed[2] > 100

        warning = infer(client, tensor(mixed)).json["parameters"]["warning"]  # type: ignore[index]

        assert warning.startswith("no number of image 2 is above 1, but those of the request range to ")

    def test_floating_point_input_accepts_whole_numbers(self, client: FlaskClient) -> None:
        assert probabilities(infer(client, tensor(np.zeros((1, 36), int), "FP32"))).shape == (1, 3)

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"name": "pixels"}, "#/inputs/0/name"),
            ({"name": None}, "#/inputs/0/name"),
            ({"name": 1}, "#/inputs/0/name"),
            ({"datatype": "FP8"}, "#/inputs/0/datatype"),
            ({"datatype": ["FP32"]}, "#/inputs/0/datatype"),
            ({"datatype": None}, "#/inputs/0/datatype"),
            ({"shape": [4, 35]}, "#/inputs/0/shape"),
            ({"shape": [3, 48]}, "#/inputs/0/shape"),
            ({"shape": [144]}, "#/inputs/0/shape"),
            ({"shape": []}, "#/inputs/0/shape"),
            ({"shape": [-4, -36]}, "#/inputs/0/shape"),
            ({"shape": [True, 144]}, "#/inputs/0/shape"),
            ({"shape": [10**30, 10**30]}, "#/inputs/0/shape"),
            ({"shape": "4,36"}, "#/inputs/0/shape"),
            ({"shape": None}, "#/inputs/0/shape"),
            ({"shape": [0, 36], "data": []}, "#/inputs/0/shape"),
            ({"shape": [0, 2**63], "data": []}, "#/inputs/0/shape"),
            ({"shape": [0, 2**62, 2**62], "data": []}, "#/inputs/0/shape"),
            ({"data": None}, "#/inputs/0/data"),
            ({"data": [0] * 143}, "#/inputs/0/shape"),
            ({"data": [0] * 143 + ["1"]}, "#/inputs/0/data"),
            ({"data": [0] * 143 + [0.5]}, "#/inputs/0/data"),
            ({"data": [0] * 143 + [256]}, "#/inputs/0/data"),
            ({"data": [0] * 143 + [-1]}, "#/inputs/0/data"),
            ({"data": [[0] * 36, [0] * 35]}, "#/inputs/0/data"),
            ({"data": {"0": 1}}, "#/inputs/0/data"),
            ({"datatype": "FP32", "data": [0.0] * 143 + [1.5]}, "#/inputs/0/data"),
            ({"datatype": "FP32", "data": [0.0] * 143 + [-0.1]}, "#/inputs/0/data"),
            ({"datatype": "FP32", "data": [0.0] * 143 + [1e300]}, "#/inputs/0/data"),
            ({"datatype": "BYTES", "shape": [1], "data": ["not base64"]}, "#/inputs/0/data"),
            ({"datatype": "BYTES", "shape": [1], "data": [1]}, "#/inputs/0/data"),
            ({"datatype": "BYTES", "shape": [2], "data": ["QUJD"]}, "#/inputs/0/shape"),
            ({"datatype": "BYTES", "shape": [1], "data": ["QUJD"]}, "#/inputs/0/data/0"),
            ({"datatype": "BYTES", "shape": [1, 1, 1], "data": ["QUJD"]}, "#/inputs/0/shape"),
            ({"parameters": {"binary_data_size": 1}}, "#/inputs/0/data"),
            ({"parameters": 7}, "#/inputs/0/parameters"),
            ({"foo": 1}, "#/inputs/0/foo"),
        ],
    )
    def test_invalid_input_is_reported(self, client: FlaskClient, changes: dict[str, Any], pointer: str) -> None:
        problem = assert_problem(infer(client, tensor(**changes)), 422, "validation_failed")

        assert pointers(problem) == [pointer]
        assert problem["error"] == problem["detail"]

    @pytest.mark.parametrize("inputs", [[], [tensor(), tensor()], [3]])
    def test_exactly_one_input_is_required(self, client: FlaskClient, inputs: list[Any]) -> None:
        assert_problem(infer(client, *inputs), 422, "validation_failed")


class TestBinary:
    @pytest.mark.parametrize(
        ("datatype", "array"),
        [
            ("FP32", (PIXELS / 255).astype("<f4")),
            ("FP64", (PIXELS / 255).astype("<f8")),
            ("FP16", (PIXELS / 255).astype("<f2")),
            ("UINT8", PIXELS),
            ("INT32", PIXELS.astype("<i4")),
        ],
    )
    def test_input_tensor_may_be_binary(self, client: FlaskClient, datatype: str, array: NDArray[Any]) -> None:
        given = {"name": "images", "datatype": datatype, "shape": [4, 36]}

        found = probabilities(infer_binary(client, given, array.tobytes()))

        assert np.allclose(found, P, atol=1e-2 if datatype == "FP16" else 1e-6)

    @pytest.mark.parametrize("datatype", ["FP64", "FP32", "FP16", "INT64", "UINT16"])
    @pytest.mark.parametrize("elements", [143, 144])
    def test_binary_tensor_with_a_cut_element_is_rejected(
        self, client: FlaskClient, datatype: str, elements: int
    ) -> None:
        content = bytes(elements * DATATYPES[datatype].itemsize + 1)

        response = infer_binary(client, {"name": "images", "datatype": datatype, "shape": [4, 36]}, content)

        assert pointers(assert_problem(response, 422, "validation_failed")) == ["#/inputs/0"]

    def test_encoded_images_may_be_binary(self, client: FlaskClient) -> None:
        content = b"".join(len(png(image)).to_bytes(4, "little") + png(image) for image in IMAGES)

        response = infer_binary(client, {"name": "images", "datatype": "BYTES", "shape": [4, 1]}, content)

        assert np.allclose(probabilities(response), P, atol=1e-6)

    def test_output_may_be_binary(self, client: FlaskClient) -> None:
        requested = [{"name": "probabilities", "parameters": {"binary_data": True}}]

        response = infer(client, tensor(), outputs=requested, id="7")

        assert response.content_type == "application/octet-stream"
        length = int(response.headers[LENGTH])
        header = json.loads(response.data[:length])
        assert header["outputs"] == [
            {"name": "probabilities", "shape": [4, 3], "datatype": "FP32", "parameters": {"binary_data_size": 48}}
        ]
        assert header["id"] == "7"
        found = np.frombuffer(response.data[length:], "<f4").reshape(4, 3)
        assert np.allclose(found, P, atol=1e-6)

    def test_output_parameter_overrides_binary_data_output(self, client: FlaskClient) -> None:
        everything = {"binary_data_output": True}
        assert LENGTH in infer(client, tensor(), parameters=everything).headers
        requested = [{"name": "probabilities", "parameters": {"binary_data": False}}]

        assert np.allclose(
            probabilities(infer(client, tensor(), parameters=everything, outputs=requested)), P, atol=1e-6
        )

    @pytest.mark.parametrize(
        ("size", "content", "pointer"),
        [
            (143, bytes(143), "#/inputs/0/shape"),
            (145, bytes(145), "#/inputs/0/shape"),
            (144, bytes(145), "#/inputs"),
            (144, bytes(143), "#/inputs/0/parameters/binary_data_size"),
            (-1, bytes(144), "#/inputs/0/parameters/binary_data_size"),
            ("144", bytes(144), "#/inputs/0/parameters/binary_data_size"),
            (True, bytes(144), "#/inputs/0/parameters/binary_data_size"),
        ],
    )
    def test_inconsistent_binary_sizes_are_rejected(
        self, client: FlaskClient, size: Any, content: bytes, pointer: str
    ) -> None:
        given = {"name": "images", "datatype": "UINT8", "shape": [4, 36], "parameters": {"binary_data_size": size}}

        assert pointers(assert_problem(infer_binary(client, given, content), 422, "validation_failed")) == [pointer]

    def test_binary_nan_is_named(self, client: FlaskClient) -> None:
        numbers = np.zeros((4, 36), "<f4")
        numbers[2, 5] = np.nan
        given = {"name": "images", "datatype": "FP32", "shape": [4, 36]}

        problem = assert_problem(infer_binary(client, given, numbers.tobytes()), 422, "validation_failed")
        assert problem["detail"] == "inputs[0].data: the numbers must not be NaN"

    def test_binary_booleans_must_be_0_or_1(self, client: FlaskClient) -> None:
        given = {"name": "images", "datatype": "BOOL", "shape": [1, 36]}

        assert infer_binary(client, given, b"\0\1" * 18).status_code == 200
        assert_problem(infer_binary(client, given, b"\0\2" * 18), 422, "validation_failed")

    @pytest.mark.parametrize("content", [b"\1", b"\1\0\0\0", b"\xff\xff\xff\xffabc"])
    def test_truncated_elements_are_rejected(self, client: FlaskClient, content: bytes) -> None:
        given = {"name": "images", "datatype": "BYTES", "shape": [1]}

        assert_problem(infer_binary(client, given, content), 422, "validation_failed")

    @pytest.mark.parametrize("length", ["-1", "x", "", "1e3", "100000", "²"])
    def test_invalid_header_length_is_rejected(self, client: FlaskClient, length: str) -> None:
        response = client.post(PATH, data=b"{}", headers={LENGTH: length})

        assert_problem(response, 400, "header_length_wrong")

    def test_nan_and_infinity_are_rejected(self, client: FlaskClient) -> None:
        given = {"name": "images", "datatype": "FP32", "shape": [1, 36]}
        for number in (np.nan, np.inf, -np.inf):
            content = np.full(36, number, "<f4").tobytes()

            assert_problem(infer_binary(client, given, content), 422, "validation_failed")


class TestOutputs:
    def test_response_has_the_id_and_the_version_number(self, client: FlaskClient) -> None:
        document: Any = infer(client, tensor(), id="mine").json

        assert (document["id"], document["model_name"], document["model_version"]) == ("mine", "toy", "1")
        assert "id" not in infer(client, tensor()).json  # type: ignore[operator]

    def test_classification_returns_labels_instead_of_numbers(self, client: FlaskClient) -> None:
        requested = [{"name": "probabilities", "parameters": {"classification": 2}}]

        found = output(infer(client, tensor(), outputs=requested))

        assert (found["datatype"], found["shape"]) == ("BYTES", [4, 2])
        for text, row, rank in zip(found["data"], np.repeat(P, 2, axis=0), [0, 1] * 4, strict=True):
            value, index, label = text.split(":")
            assert label == index == str(np.argsort(-row)[rank])
            assert float(value) == pytest.approx(row[int(index)], rel=1e-5)

    def test_classification_may_be_binary_and_is_limited_to_the_classes(self, client: FlaskClient) -> None:
        requested = [{"name": "probabilities", "parameters": {"classification": 100, "binary_data": True}}]

        response = infer(client, tensor(PIXELS[:1]), outputs=requested)

        length = int(response.headers[LENGTH])
        assert json.loads(response.data[:length])["outputs"][0]["shape"] == [1, 3]
        rest, texts = response.data[length:], []
        while rest:
            end = 4 + int.from_bytes(rest[:4], "little")
            texts.append(rest[4:end].decode())
            rest = rest[end:]
        assert [text.split(":")[2] for text in texts] == [str(label) for label in np.argsort(-P[0])]

    @pytest.mark.parametrize(
        ("outputs", "pointer"),
        [
            ([{"name": "other"}], "#/outputs/0/name"),
            ([{"name": "probabilities"}, {}], "#/outputs/1"),
            ("probabilities", "#/outputs"),
            ([{"name": "probabilities", "foo": 1}], "#/outputs/0/foo"),
            ([{"name": "probabilities", "parameters": []}], "#/outputs/0/parameters"),
            (
                [{"name": "probabilities", "parameters": {"classification": 0}}],
                "#/outputs/0/parameters/classification",
            ),
            (
                [{"name": "probabilities", "parameters": {"classification": True}}],
                "#/outputs/0/parameters/classification",
            ),
            ([{"name": "probabilities", "parameters": {"binary_data": 1}}], "#/outputs/0/parameters/binary_data"),
        ],
    )
    def test_invalid_output_is_reported(self, client: FlaskClient, outputs: Any, pointer: str) -> None:
        problem = assert_problem(infer(client, tensor(), outputs=outputs), 422, "validation_failed")

        assert pointers(problem) == [pointer]

    def test_unknown_parameters_are_ignored(self, client: FlaskClient) -> None:
        requested = [{"name": "probabilities", "parameters": {"other": 1}}]

        assert infer(client, tensor(), outputs=requested, parameters={"priority": 3}).status_code == 200
        assert infer(client, tensor(parameters={"content_type": "np"})).status_code == 200


class TestBodies:
    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    def test_compressed_bodies_are_accepted(self, client: FlaskClient, coding: str) -> None:
        compress = gzip.compress if coding == "gzip" else zlib.compress
        header = json.dumps({"inputs": [tensor(PIXELS, data=None, parameters={"binary_data_size": 144})]}).encode()

        response = client.post(
            PATH,
            data=compress(header + PIXELS.tobytes()),
            headers={"Content-Encoding": coding, LENGTH: str(len(header))},
        )

        assert np.allclose(probabilities(response), P, atol=1e-6)

    @pytest.mark.parametrize("body", [b"", b"x", b"[", b"\xff", b'{"inputs": [NaN]}', b"[" * 100_000])
    def test_invalid_json_is_rejected(self, client: FlaskClient, body: bytes) -> None:
        assert_problem(client.post(PATH, data=body), 400, "malformed_json")

    @pytest.mark.parametrize(
        ("document", "pointer"),
        [
            ([], "#"),
            (None, "#"),
            ({}, "#/inputs"),
            ({"inputs": {}}, "#/inputs"),
            ({"inputs": [], "extra": 1}, "#/extra"),
            ({"inputs": [tensor()], "id": 7}, "#/id"),
            ({"inputs": [tensor()], "parameters": 7}, "#/parameters"),
            (
                {"inputs": [tensor()], "parameters": {"binary_data_output": "yes"}},
                "#/parameters/binary_data_output",
            ),
        ],
    )
    def test_invalid_members_are_reported(self, client: FlaskClient, document: Any, pointer: str) -> None:
        problem = assert_problem(client.post(PATH, data=json.dumps(document)), 422, "validation_failed")

        assert pointers(problem) == [pointer]

    @pytest.mark.parametrize(("datatype", "pointer"), [("UINT8", "#/inputs/0/data"), ("BYTES", "#/inputs/0/data")])
    def test_deeply_nested_data_is_rejected(self, client: FlaskClient, datatype: str, pointer: str) -> None:
        for depth in (70, 990):
            body = json.dumps({"inputs": [tensor(datatype=datatype, shape=[1], data="HERE")]})

            response = client.post(PATH, data=body.replace('"HERE"', "[" * depth + "1" + "]" * depth))

            assert pointers(assert_problem(response, 422, "validation_failed")) == [pointer]

    def test_request_above_the_limits_is_rejected(self, settings: Settings) -> None:
        small = settings.model_copy(update={"max_online_bytes": 2000, "max_online_json_bytes": 500})
        client = create_app(small).test_client()

        assert_problem(infer(client, tensor()), 413, "body_too_large")
        assert_problem(client.post(PATH, data=bytes(2001)), 413, "body_too_large")


class TestVersions:
    def test_alias_is_resolved_and_the_response_has_the_version_number(
        self, client: FlaskClient, registry: Registry
    ) -> None:
        publish(registry, job="job-2")
        for version in (1, 2, 1):
            registry.point("toy", "champion", version)

            response = infer(client, tensor(), path="/v2/models/toy/versions/champion/infer")

            assert response.json["model_version"] == str(version)  # type: ignore[index]

    def test_inference_and_predict_return_the_same_classes(self, client: FlaskClient) -> None:
        requested = [{"name": "probabilities", "parameters": {"classification": 3}}]
        classes = output(infer(client, tensor(), outputs=requested))["data"]
        predicted: Any = client.post(
            "/v1/models/toy/versions/1/predict?top_k=3", json={"instances": PIXELS.tolist()}
        ).json

        tops = [best for prediction in predicted["predictions"] for best in prediction["top"]]
        for text, best in zip(classes, tops, strict=True):
            value, _, label = text.split(":")
            assert label == best["label"]
            assert float(value) == pytest.approx(best["probability"], abs=1e-6)

    @pytest.mark.parametrize("path", ["/v2/models/other/infer", "/v2/models/toy/versions/9/infer"])
    def test_unknown_model_is_not_found_with_both_message_members(self, client: FlaskClient, path: str) -> None:
        response = infer(client, tensor(), path=path)

        assert response.status_code == 404
        assert response.json["error"] == response.json["detail"]  # type: ignore[index]

    def test_inference_needs_no_redis(self, client_without_redis: FlaskClient) -> None:
        assert np.allclose(probabilities(infer(client_without_redis, tensor())), P, atol=1e-6)
