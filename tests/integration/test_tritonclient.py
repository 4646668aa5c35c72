"""The Open Inference Protocol, tested with Triton's client."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.support.data.images import png
from tests.support.data.npz import easy_images
from tests.support.objects.models import tiny_network, tiny_parameters
from tests.support.servers.api import api_with_two_versions

IMAGES = easy_images(5, seed=1)[0]
GRAYSCALE = IMAGES.reshape(5, 36)
FLOATS = (GRAYSCALE / 255).astype(np.float32)
P = tiny_network().probabilities(tiny_parameters(), IMAGES)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API of two processes."""
    with api_with_two_versions(tmp_path_factory.mktemp("api"), processes=2) as http:
        yield http


@pytest.fixture
def client(api: httpx.Client) -> Iterator[triton.InferenceServerClient]:
    """Triton's client, unchanged."""
    with triton.InferenceServerClient(f"127.0.0.1:{api.base_url.port}") as stock:
        yield stock


def an_input(array: np.ndarray = FLOATS, datatype: str = "FP32", *, binary: bool = True) -> triton.InferInput:
    given = triton.InferInput("images", list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


class TestHealth:
    def test_the_server_is_live_and_ready(self, client: triton.InferenceServerClient) -> None:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.get_server_metadata()["name"] == "glassbox"

    @pytest.mark.parametrize("version", ["", "1", "champion"])
    def test_the_model_is_ready_and_describes_its_input(
        self, client: triton.InferenceServerClient, version: str
    ) -> None:
        assert client.is_model_ready("toy", version)
        metadata = client.get_model_metadata("toy", version)
        assert metadata["versions"] == ["1", "2"]
        assert metadata["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 36]}]

    def test_a_missing_model_is_not_ready(self, client: triton.InferenceServerClient) -> None:
        assert not client.is_model_ready("other")
        assert not client.is_model_ready("toy", "3")


class TestInference:
    @pytest.mark.parametrize("binary_output", [True, False])
    @pytest.mark.parametrize("binary_input", [True, False])
    def test_the_outputs_are_those_of_the_network(
        self, client: triton.InferenceServerClient, binary_input: bool, binary_output: bool
    ) -> None:
        outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary_output)]

        result = client.infer("toy", [an_input(binary=binary_input)], outputs=outputs, request_id="7")

        assert np.allclose(result.as_numpy("probabilities"), P, atol=1e-6)
        assert result.get_response()["id"] == "7"
        assert result.get_response()["model_version"] == "2"

    def test_a_request_without_outputs_gets_all_outputs(self, client: triton.InferenceServerClient) -> None:
        assert np.allclose(client.infer("toy", [an_input()]).as_numpy("probabilities"), P, atol=1e-6)

    @pytest.mark.parametrize(
        ("array", "datatype"),
        [
            (GRAYSCALE, "UINT8"),
            (GRAYSCALE.astype(np.int64), "INT64"),
            (FLOATS.astype(np.float64), "FP64"),
            (FLOATS.reshape(5, 6, 6), "FP32"),
            (np.array([png(image) for image in IMAGES], np.object_), "BYTES"),
        ],
    )
    def test_other_types_and_shapes_have_the_same_outputs(
        self, client: triton.InferenceServerClient, array: np.ndarray, datatype: str
    ) -> None:
        result = client.infer("toy", [an_input(array, datatype)])

        assert np.allclose(result.as_numpy("probabilities"), P, atol=1e-6)

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    def test_requests_and_responses_may_be_compressed(self, client: triton.InferenceServerClient, coding: str) -> None:
        result = client.infer(
            "toy", [an_input()], request_compression_algorithm=coding, response_compression_algorithm=coding
        )

        assert np.allclose(result.as_numpy("probabilities"), P, atol=1e-6)

    @pytest.mark.parametrize("binary", [True, False])
    def test_classes_have_their_labels(self, client: triton.InferenceServerClient, binary: bool) -> None:
        outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)]

        classes = client.infer("toy", [an_input()], outputs=outputs).as_numpy("probabilities")

        assert classes.shape == (5, 2)
        for row, texts in zip(P, classes, strict=True):
            labels = [(text.decode() if isinstance(text, bytes) else text).split(":")[2] for text in texts]
            assert labels == [str(label) for label in np.argsort(-row)[:2]]

    def test_an_alias_replaces_the_version(self, api: httpx.Client, client: triton.InferenceServerClient) -> None:
        for version in (2, 1):
            api.put("/v1/models/toy/aliases/champion", json={"version": version})

            result = client.infer("toy", [an_input()], model_version="champion")

            assert result.get_response()["model_version"] == str(version)

    def test_the_outputs_are_those_of_predict(self, api: httpx.Client, client: triton.InferenceServerClient) -> None:
        predicted = api.post("/v1/models/toy/versions/latest/predict", json={"instances": GRAYSCALE.tolist()}).json()

        found = client.infer("toy", [an_input()]).as_numpy("probabilities")

        assert [each["label"] for each in predicted["predictions"]] == [str(label) for label in found.argmax(axis=1)]
        assert np.allclose([each["confidence"] for each in predicted["predictions"]], found.max(axis=1), atol=1e-6)

    def test_many_concurrent_requests_succeed(self, api: httpx.Client) -> None:
        with triton.InferenceServerClient(f"127.0.0.1:{api.base_url.port}", concurrency=8) as stock:
            requests = [stock.async_infer("toy", [an_input()]) for _ in range(40)]
            assert all(np.allclose(each.get_result().as_numpy("probabilities"), P, atol=1e-6) for each in requests)

    def test_an_error_has_its_message(self, client: triton.InferenceServerClient) -> None:
        with pytest.raises(InferenceServerException, match="there is no model 'other'"):
            client.infer("other", [an_input()])
        with pytest.raises(InferenceServerException, match=r"inputs\[0\]\.shape"):
            client.infer("toy", [an_input(FLOATS[:, :35])])


def test_models_are_listed_unloaded_and_loaded(client: triton.InferenceServerClient) -> None:
    index = client.get_model_repository_index()
    assert [(entry["name"], entry["version"], entry["state"]) for entry in index] == [
        ("toy", "2", "READY"),
        ("toy", "1", "READY"),
    ]

    client.unload_model("toy")
    for _ in range(6):  # repeated, to reach each process
        assert not client.is_model_ready("toy")
    with pytest.raises(InferenceServerException, match="unloaded"):
        client.infer("toy", [an_input()])

    client.load_model("toy")
    assert client.is_model_ready("toy")
