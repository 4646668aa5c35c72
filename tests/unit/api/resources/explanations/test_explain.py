"""`POST /v1/models/{name}/versions/{ref}/explain`."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from safetensors.numpy import load

from api.app import create_app
from shared.images.inversion import measured
from shared.network import Network
from shared.network.attribution.attribution import METHODS, attribute
from shared.network.attribution.baselines import blurred
from shared.network.attribution.randomization import randomized, rank_correlation
from shared.network.attribution.score import Score
from shared.registry import Registry
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, easy_images, npy, npz
from tests.support.data.safetensors import metadata_of
from tests.support.objects.batches import Batches
from tests.support.objects.bench import WorkBench
from tests.support.objects.models import (
    SIDE,
    a_draft,
    publish,
    publish_colour,
    tiny_configuration,
    tiny_network,
    tiny_parameters,
)
from tests.support.problems import assert_problem, parameters, pointers

IMAGES, _ = easy_images(10, seed=3)
ARRAYS = easy_arrays(train=40, test=12)
P = tiny_network().probabilities(tiny_parameters(), IMAGES)
PATH = "/v1/models/toy/versions/latest/explain"

pytestmark = pytest.mark.usefixtures("model")


def explained(client: FlaskClient, body: Any = None, path: str = PATH, **query: Any) -> dict[str, Any]:
    """Return the explanation of this JSON, or of the first image."""
    sent = {"data": png(IMAGES[0])} if body is None else {"json": body}
    response = client.post(path, query_string=query, **sent)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json or {}
    return found


def refused(client: FlaskClient, body: Any = None, **query: Any) -> Any:
    sent = {"data": png(IMAGES[0])} if body is None else {"json": body}
    return client.post(PATH, query_string=query, **sent)


class TestExplanation:
    def test_it_has_the_input_the_layers_and_the_probabilities_of_the_prediction(self, client: FlaskClient) -> None:
        found = explained(client)

        assert found["input"] == {"pixels": IMAGES[0].tolist(), "inverted": False, "changes": [], "label": None}
        assert found["probabilities"] == pytest.approx(P[0].tolist(), rel=1e-4)
        label = str(P[0].argmax())
        assert found["prediction"] == {"label": label, "confidence": pytest.approx(P[0].max())}
        assert found["attribution"]["target"] == label
        [layer] = found["layers"]
        assert (layer["name"], layer["kind"], layer["shape"]) == ("layer1", "dense", [8])
        parameters = tiny_parameters()
        logits = np.array(layer["activations"]) @ parameters["layer2.weights"] + parameters["layer2.biases"]
        assert found["logits"] == pytest.approx(logits.tolist(), rel=1e-5)

    @pytest.mark.parametrize("method", METHODS)
    def test_the_map_is_that_of_the_network(self, method: Any, client: FlaskClient) -> None:
        found = explained(client, method=method, target="2", against="0", steps=7, baseline="blurred")["attribution"]

        image = IMAGES[0].astype(np.float32) / 255
        score = Score(tiny_network(), tiny_parameters(), 2, 0, images=7)
        expected = attribute(score, image, blurred(image), method, steps=7)
        np.testing.assert_allclose(found["values"], expected.values, rtol=1e-4, atol=1e-5)
        assert (found["target"], found["against"]) == ("2", "0")
        integrates = method == "integrated_gradients"
        assert (found["steps"], found["rule"]) == ((7, "adaptive") if integrates else (None, None))
        names = {"gradient": None, "gradient_x_input": "black"}
        assert found["baseline"] == names.get(method, "blurred")
        if expected.completeness is None:
            assert found["completeness"] is None
        else:
            sums = found["completeness"]
            assert sums["gap"] == pytest.approx(sums["sum"] - sums["difference"])
            assert sums["sum"] == pytest.approx(expected.completeness.sum, rel=1e-4)

    def test_integrated_gradients_sum_to_the_difference_of_the_logits(self, client: FlaskClient) -> None:
        found = explained(client, steps=256, rule="midpoint")
        sums = found["attribution"]["completeness"]
        black = explained(client, {"instances": [[0] * SIDE**2]})
        target = int(found["attribution"]["target"])
        assert sums["difference"] == pytest.approx(found["logits"][target] - black["logits"][target], rel=1e-4)
        assert abs(sums["gap"]) < 0.02 * abs(sums["difference"])
        corrected = explained(client, steps=16)["attribution"]["completeness"]
        assert corrected["gap"] == pytest.approx(0, abs=1e-4)
        assert 0 < abs(corrected["correction"]) < 0.1 * abs(sums["difference"])

    def test_the_control_is_the_map_with_random_weights(self, client: FlaskClient) -> None:
        found = explained(client, random_weights_seed=4, method="gradient")["attribution"]

        random = randomized(tiny_network(), tiny_parameters(), 4)
        score = Score(tiny_network(), random, int(found["target"]))
        expected = score.gradients(IMAGES[:1].reshape(1, -1) / np.float32(255))[0].reshape(SIDE, SIDE)
        control = found["control"]
        np.testing.assert_allclose(control["values"], expected, rtol=1e-4)
        assert control["seed"] == 4
        correlation = rank_correlation(np.array(found["values"]), expected)
        assert control["rank_correlation"] == pytest.approx(correlation, abs=1e-3)

    def test_smoothing_changes_the_map_and_is_reproducible(self, client: FlaskClient) -> None:
        plain, *smooth = (explained(client, method="gradient", smooth=count)["attribution"] for count in (0, 5, 5))
        assert smooth[0]["values"] == smooth[1]["values"] != plain["values"]

    def test_the_mean_baseline_is_that_of_the_training_images(self, client: FlaskClient) -> None:
        found = explained(client, baseline="mean")["attribution"]
        [mean] = tiny_parameters()["input.mean"].tolist()
        image = IMAGES[0].astype(np.float32) / 255
        score = Score(tiny_network(), tiny_parameters(), int(found["target"]), images=64)
        expected = attribute(score, image, np.full_like(image, mean))
        np.testing.assert_allclose(found["values"], expected.values, rtol=1e-4, atol=1e-5)

    def test_safetensors_have_the_same_numbers(self, client: FlaskClient) -> None:
        response = client.post(
            f"{PATH}?random_weights_seed=1", data=png(IMAGES[0]), headers={"Accept": "application/octet-stream"}
        )
        arrays = load(response.data)
        document = json.loads(metadata_of(response.data)["explanation"])
        found = explained(client, random_weights_seed=1)

        assert response.vary.as_set() >= {"accept"}
        assert arrays["input"].tolist() == found["input"].pop("pixels")
        assert arrays["layer1"].tolist() == pytest.approx(found["layers"][0].pop("activations"))
        np.testing.assert_allclose(arrays["control"], found["attribution"]["control"].pop("values"), rtol=1e-6)
        np.testing.assert_allclose(arrays["attribution"], found["attribution"].pop("values"), rtol=1e-6)
        for name in ("logits", "probabilities"):
            np.testing.assert_allclose(arrays[name], found.pop(name), rtol=1e-6)
        assert document == found


class TestImage:
    def test_a_part_of_a_form_and_numbers_are_explained_as_a_file(self, client: FlaskClient) -> None:
        expected = explained(client)
        form = client.post(PATH, data={"image": (io.BytesIO(png(IMAGES[0])), "0.png"), "steps": "64"}).json

        assert form == explained(client, {"instances": [IMAGES[0].tolist()]}) == expected

    def test_an_image_is_inverted_as_a_prediction_would_be(self, client: FlaskClient, registry: Registry) -> None:
        publish(registry, "drawn", "job-drawn", brightness=measured(easy_images(300)[0]))

        response = client.post("/v1/models/drawn/versions/1/explain", data=png(255 - IMAGES[0]))

        found = response.json["input"]  # type: ignore[index]
        assert found == {"pixels": IMAGES[0].tolist(), "inverted": True, "changes": [], "label": None}

    def test_an_image_of_a_data_set_has_its_label(self, client: FlaskClient) -> None:
        stored = client.post("/v1/datasets?name=easy", data=npz(ARRAYS)).json

        for split, reference in (("train", "easy"), ("test", stored["id"])):  # type: ignore[index]
            found = explained(client, {"dataset": reference, "split": split, "index": 3})
            assert found["input"]["label"] == str(ARRAYS[f"y_{split}"][3])
            assert found["input"]["pixels"] == ARRAYS[f"x_{split}"][3].tolist()

    def test_an_image_of_another_size_says_so(self, client: FlaskClient) -> None:
        larger = {name: array.repeat(2, axis=2) if array.ndim == 3 else array for name, array in ARRAYS.items()}
        client.post("/v1/datasets?name=wide", data=npz(larger))

        found = explained(client, {"dataset": "wide", "split": "test", "index": 3})

        sizes = f"resized from {2 * SIDE} × {SIDE} to {SIDE} × {SIDE} pixels"
        assert found["input"]["changes"] == [f"{sizes}, which changes its proportions"]
        assert found["input"]["pixels"] == ARRAYS["x_test"][3].tolist()

    def test_an_image_of_a_batch_is_inverted_as_the_batch_did(self, client: FlaskClient, settings: Settings) -> None:
        batches = Batches(WorkBench(settings))
        files = {"a.png": b"no image", "b.png": png(IMAGES[1]), "c.png": png(IMAGES[2].repeat(2, 0).repeat(2, 1))}
        of_files = batches.submit(zip_of(files), invert="always")
        of_arrays = batches.submit(npy(IMAGES))

        assert explained(client, {"job": of_files.id, "index": 1})["input"]["pixels"] == (255 - IMAGES[1]).tolist()
        assert explained(client, {"job": of_arrays.id, "index": 7})["input"]["pixels"] == IMAGES[7].tolist()
        larger = explained(client, {"job": of_files.id, "index": 2})["input"]
        assert larger["changes"] == [f"resized from {2 * SIDE} × {2 * SIDE} to {SIDE} × {SIDE} pixels"]
        assert_problem(refused(client, {"job": of_files.id, "index": 0}), 422, "not_an_image")
        assert pointers(assert_problem(refused(client, {"job": of_files.id, "index": 3}), 422, "validation_failed"))

    def test_a_model_in_colour_has_a_map_for_each_channel(self, client: FlaskClient, registry: Registry) -> None:
        publish_colour(registry)
        response = client.post("/v1/models/painted/versions/1/explain?method=occlusion", data=png(IMAGES[0]))
        assert np.shape(response.json["attribution"]["values"]) == (SIDE, SIDE, 3)  # type: ignore[index]


class TestErrors:
    @pytest.mark.parametrize(
        ("query", "parameter", "reason"),
        [
            ({"target": "seven"}, "target", 'must be a class of the model: 0, 1, 2; got "seven"'),
            ({"against": "x"}, "against", 'must be a class of the model: 0, 1, 2; got "x"'),
            ({"target": "1", "against": "1"}, "against", "must be another class than the target; both are 1"),
            ({"method": "magic"}, "method", "integrated_gradients"),
            ({"steps": 513}, "steps", "512"),
            ({"smooth": 65}, "smooth", "64"),
            ({"method": "occlusion", "smooth": 2}, "smooth", "occlusion"),
            ({"baseline": "white"}, "baseline", "black"),
            ({"rule": "simpson"}, "rule", "midpoint"),
        ],
    )
    def test_invalid_options_are_named_with_what_is_possible(
        self, query: dict[str, Any], parameter: str, reason: str, client: FlaskClient
    ) -> None:
        problem = assert_problem(refused(client, **query), 422, "validation_failed")
        assert parameters(problem) == [parameter]
        assert reason in problem["detail"]

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "#/instances"),
            ([], "#"),
            ({"instances": IMAGES[:2].tolist()}, "#/instances"),
            ({"dataset": "easy"}, "#/index"),
            ({"index": 1}, "#/index"),
            ({"dataset": "easy", "job": "x", "index": 1}, "#/index"),
            ({"job": "x", "split": "test", "index": 1}, "#/split"),
            ({"dataset": "easy", "index": -1}, "#/index"),
            ({"dataset": "easy", "index": 1.5}, "#/index"),
            ({"dataset": "easy", "split": "all", "index": 1}, "#/split"),
            ({"dataset": "easy", "index": 1, "labels": 1}, "#/labels"),
            ({"dataset": "easy", "split": "validation", "index": 1}, "#/split"),
            ({"dataset": "easy", "split": "train", "index": 40}, "#/index"),
        ],
    )
    def test_a_body_that_is_not_one_image_names_the_field(self, body: Any, pointer: str, client: FlaskClient) -> None:
        client.post("/v1/datasets?name=easy", data=npz(ARRAYS))
        assert pointers(assert_problem(refused(client, body), 422, "validation_failed")) == [pointer]

    def test_two_files_are_refused(self, client: FlaskClient) -> None:
        files = [(io.BytesIO(png(image)), "image.png") for image in IMAGES[:2]]
        problem = assert_problem(client.post(PATH, data={"image": files}), 422, "validation_failed")
        assert parameters(problem) == ["image"]

    def test_images_of_another_number_of_channels_are_refused(self, client: FlaskClient, registry: Registry) -> None:
        publish_colour(registry)
        client.post("/v1/datasets?name=easy", data=npz(ARRAYS))
        response = client.post(
            "/v1/models/painted/versions/1/explain", json={"dataset": "easy", "split": "train", "index": 1}
        )
        assert pointers(assert_problem(response, 422, "image_channels")) == ["#/dataset"]

    def test_what_does_not_exist_is_not_found(self, client: FlaskClient) -> None:
        assert_problem(refused(client, {"dataset": "none", "index": 1}), 404, "dataset_not_found")
        assert_problem(refused(client, {"job": "none", "index": 1}), 404, "job_not_found")
        assert_problem(client.post(PATH.replace("toy", "none"), data=b""), 404, "model_not_found")

    def test_work_and_response_are_limited(self, settings: Settings) -> None:
        limits = {"max_online_operations": "too_many_operations", "max_online_response_bytes": "response_too_large"}
        for limit, code in limits.items():
            client = create_app(settings.model_copy(update={limit: 1000})).test_client()
            problem = assert_problem(client.post(PATH, data=png(IMAGES[0])), 413, code)
            assert f"GLASSBOX_{limit.upper()} is 1000" in problem["detail"]

    def test_a_version_without_the_mean_of_its_images_refuses_it_as_baseline(
        self, client: FlaskClient, registry: Registry
    ) -> None:
        configuration = tiny_configuration(standardize=False)
        weights = Network((SIDE, SIDE), 3, configuration).initialize(np.random.default_rng(0))
        draft = a_draft("plain", "job-plain", configuration=configuration.to_dict())
        registry.publish(draft, weights, registry._volume.job("job-plain"))

        response = client.post("/v1/models/plain/versions/1/explain?baseline=mean", data=png(IMAGES[0]))
        assert parameters(assert_problem(response, 422, "validation_failed")) == ["baseline"]
