"""`POST /v1/training-jobs`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from api.app import create_app
from api.requests.field_errors import name_of
from shared.errors import FieldError
from shared.jobs import JobStore
from shared.jobs.specifications import TrainingSpecification
from shared.jobs.task_queue import Presence
from shared.network import preset
from shared.registry import Registry
from shared.runtime.settings import MiB, Settings
from shared.storage.volume import Volume
from tests.support.data.files import files_below, left_behind
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.objects.jobs import messages
from tests.support.objects.models import publish
from tests.support.problems import assert_problem, pointers

PATH = "/v1/training-jobs"
MINIMAL = {"model": "toy", "dataset": "easy"}


@pytest.fixture
def client(client: FlaskClient) -> FlaskClient:
    """A client of an API that has the data set `easy`."""
    assert client.post("/v1/datasets?name=easy", data=npz()).status_code == 201
    return client


class TestSettingsOfAVersion:
    def test_version_is_trained_again_on_another_data_set(
        self, client: FlaskClient, registry: Registry, jobs: JobStore
    ) -> None:
        configuration = preset("article", epochs=3, validation_fraction=0.2, early_stopping={"patience": 1}).to_dict()
        publish(registry, configuration=configuration)

        job: Any = client.post(PATH, json={**MINIMAL, "like": "toy@latest", "epochs": 9}).json

        assert job["request"] == {**MINIMAL, "like": "toy@1", "epochs": 9}
        specification = TrainingSpecification.of(jobs.get(job["id"]).specification)
        assert specification.configurations == (configuration | {"epochs": 9},)

    def test_settings_fit_the_data_set(self, client: FlaskClient, registry: Registry, jobs: JobStore) -> None:
        accurate = preset("accurate", validation_fraction=0.1).to_dict()
        publish(registry, configuration=accurate)
        x, y = easy_images(12, seed=3)
        client.post("/v1/datasets?name=other", data=npz(easy_arrays() | {"x_val": x, "y_val": y}))

        job: Any = client.post(PATH, json={"model": "toy", "dataset": "other", "like": "toy"}).json

        chosen = jobs.get(job["id"]).specification["configuration"]
        assert (chosen["batch_size"], chosen["validation_fraction"]) == (60, 0.0)
        assert {block["padding"] for block in chosen["convolutions"]} == {"same"}

    def test_unknown_version_or_preset_beside_it_is_an_error(self, client: FlaskClient, registry: Registry) -> None:
        publish(registry)
        both = {**MINIMAL, "like": "toy", "preset": "fast"}

        assert pointers(assert_problem(client.post(PATH, json=both), 422, "validation_failed")) == ["#/preset"]
        assert_problem(client.post(PATH, json={**MINIMAL, "like": "toy@7"}), 404, "version_not_found")
        assert_problem(client.post(PATH, json={**MINIMAL, "like": "none"}), 404, "model_not_found")


class TestSubmitting:
    def test_training_job_is_accepted_and_queued(self, client: FlaskClient) -> None:
        response = client.post(PATH, json={**MINIMAL, "epochs": 7, "batch_size": 10})

        assert response.status_code == 202
        job: Any = response.json
        assert (job["kind"], job["state"], job["attempt"]) == ("training", "queued", 0)
        assert job["progress"] == {"done": 0, "total": 7, "unit": "epochs", "eta_seconds": None}
        assert (job["started_at"], job["finished_at"], job["result"], job["error"]) == (None, None, None, None)
        assert job["created_at"].endswith("Z")
        assert response.headers["Location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
        del job["warnings"]
        found: Any = client.get(response.headers["Location"]).json
        assert found["progress"].pop("place") is None  # no worker is online
        assert found["progress"].pop("starts_in_seconds") is None
        assert found == job

    def test_specification_is_on_the_volume_before_the_message_is_sent(
        self, client: FlaskClient, redis: Redis, volume: Volume, jobs: JobStore
    ) -> None:
        job: Any = client.post(PATH, json={**MINIMAL, "batch_size": 10}).json

        written = json.loads(volume.specification(job["id"]).read_bytes())
        assert written["id"] == job["id"]
        assert written["kind"] == "training"
        assert written["request"] == job["request"]
        assert written["specification"] == jobs.get(job["id"]).specification
        assert len(messages(redis, "training")) == 1
        assert messages(redis, "inference") == []

    def test_job_shows_the_request_as_sent(self, client: FlaskClient) -> None:
        request = {**MINIMAL, "batch_size": 10, "labels": {"owner": "ada"}, "promote": "champion"}

        job: Any = client.post(PATH, json=request).json

        assert job["request"] == {**request, "preset": "fast"}

    @pytest.mark.parametrize(
        "labels",
        [
            {f"{number:02d}" + "\U0001f600" * 126: "\U0001f600" * 1024 for number in range(64)},
            {f"{number}": "x" * 1000 for number in range(9)},
            {"quoted": '"' * 1024, **{f"{number}": "\\" * 1000 for number in range(4)}},
        ],
    )
    def test_large_labels_are_refused_with_the_limit(
        self, client: FlaskClient, jobs: JobStore, labels: dict[str, str]
    ) -> None:
        problem = assert_problem(client.post(PATH, json={**MINIMAL, "labels": labels}), 422, "validation_failed")

        (error,) = problem["errors"]
        assert error["pointer"] == "#/labels"
        assert error["detail"].startswith(
            "must have at most 8.0 KiB together, as JSON (GLASSBOX_MAX_LABELS_BYTES); got "
        )
        assert list(jobs.newest_first()) == []

    def test_labels_up_to_the_limit_are_kept(self, client: FlaskClient) -> None:
        labels = {f"{number}": "é" * 500 for number in range(8)}

        job: Any = client.post(PATH, json={**MINIMAL, "batch_size": 10, "labels": labels}).json

        assert client.get(job["links"]["self"]).get_json()["request"]["labels"] == labels

    def test_request_that_is_too_large_for_its_record_is_refused_with_the_limit(
        self, settings: Settings, client: FlaskClient, jobs: JobStore, volume: Volume
    ) -> None:
        assert client.get("/v1/datasets/easy").status_code == 200
        small = create_app(settings.model_copy(update={"max_record_bytes": 1000})).test_client()

        problem = assert_problem(small.post(PATH, json=MINIMAL), 422, "record_too_large")

        assert "at most 1000 bytes (GLASSBOX_MAX_RECORD_BYTES)" in problem["detail"]
        assert list(jobs.newest_first()) == []
        assert not volume.jobs.exists() or not any(volume.jobs.iterdir())

    def test_data_set_reference_is_resolved_on_submission(self, client: FlaskClient, jobs: JobStore) -> None:
        old = client.get("/v1/datasets/easy").get_json()["id"]
        job: Any = client.post(PATH, json={**MINIMAL, "batch_size": 10}).json
        client.post("/v1/datasets?name=easy", data=npz(easy_arrays(seed=5)))

        assert jobs.get(job["id"]).specification["dataset"] == old
        assert client.get("/v1/datasets/easy").get_json()["id"] != old

    def test_field_of_the_request_overrides_the_preset(self, client: FlaskClient, jobs: JobStore) -> None:
        fields = {"preset": "article", "hidden": [5], "optimizer": {"learning_rate": 0.5}, "seed": 9}
        job: Any = client.post(PATH, json={**MINIMAL, **fields}).json

        configuration = jobs.get(job["id"]).specification["configuration"]

        assert configuration["hidden"] == [5]
        assert configuration["optimizer"] == {**configuration["optimizer"], "name": "sgd", "learning_rate": 0.5}
        assert configuration["seed"] == 9
        assert (configuration["activation"], configuration["batch_size"]) == ("sigmoid", 1)

    def test_batch_size_of_a_preset_shrinks_to_the_data(self, client: FlaskClient, jobs: JobStore) -> None:
        job: Any = client.post(PATH, json={**MINIMAL, "preset": "fast"}).json
        assert jobs.get(job["id"]).specification["configuration"]["batch_size"] == 60

    def test_built_in_data_set_is_prepared(self, client: FlaskClient) -> None:
        response = client.post(PATH, json={"model": "toy", "dataset": "digits"})

        assert response.status_code == 202
        assert client.get("/v1/datasets/digits").status_code == 200

    def test_job_without_an_online_worker_has_a_warning(self, client: FlaskClient, redis: Redis) -> None:
        Presence(redis, "host:1", "inference", 1).renew()

        job: Any = client.post(PATH, json={**MINIMAL, "batch_size": 10}).json

        assert len(job["warnings"]) == 1
        assert "no worker is online for" in job["warnings"][0]
        assert "training" in job["warnings"][0]

    def test_job_with_an_online_worker_has_no_warning(self, client: FlaskClient, redis: Redis) -> None:
        Presence(redis, "host:1", "training", 1).renew()

        job: Any = client.post(PATH, json={**MINIMAL, "batch_size": 10}).json

        assert "warnings" not in job


class TestValidationSplit:
    @pytest.fixture
    def client(self, client: FlaskClient) -> FlaskClient:
        """A client of an API that has the data set `split` with 24 validation images."""
        x, y = easy_images(24, seed=3)
        assert (
            client.post("/v1/datasets?name=split", data=npz(easy_arrays() | {"x_val": x, "y_val": y})).status_code
            == 201
        )
        return client

    def test_early_stopping_needs_no_share_of_the_training_images(self, client: FlaskClient) -> None:
        request = {"model": "toy", "epochs": 7, "early_stopping": {"patience": 2}}

        assert client.post(PATH, json={**request, "dataset": "split"}).status_code == 202
        rejected: Any = client.post(PATH, json={**request, "dataset": "easy"}).json
        assert rejected["errors"][0]["pointer"] == "#/early_stopping"

    @pytest.mark.parametrize("preset", ["fast", "auto"])
    def test_share_of_the_training_images_is_rejected(self, client: FlaskClient, preset: str) -> None:
        request = {"model": "toy", "dataset": "split", "preset": preset, "validation_fraction": 0.2}

        response = client.post(PATH, json=request)

        assert response.status_code == 422
        rejected: Any = response.json
        assert rejected["errors"][0]["pointer"] == "#/validation_fraction"
        assert "its 24 images are used for validation" in rejected["detail"]

    def test_candidates_of_auto_stop_early_without_a_share(self, client: FlaskClient, jobs: JobStore) -> None:
        job: Any = client.post(PATH, json={"model": "toy", "dataset": "split"}).json

        for candidate in jobs.get(job["id"]).specification["candidates"]:
            assert candidate["validation_fraction"] == 0
            assert candidate["early_stopping"] is not None


class TestAuto:
    @pytest.mark.parametrize("fields", [{}, {"seed": 5}, {"promote": "champion", "labels": {"owner": "ada"}}], ids=str)
    def test_request_without_preset_and_settings_chooses_between_candidates(
        self, client: FlaskClient, jobs: JobStore, fields: dict[str, Any]
    ) -> None:
        job: Any = client.post(PATH, json={**MINIMAL, **fields}).json

        specification = jobs.get(job["id"]).specification
        assert job["request"] == {**MINIMAL, **fields, "preset": "auto"}
        assert len(specification["candidates"]) > 1
        assert specification["configuration"] == specification["candidates"][0]
        assert {each["seed"] for each in specification["candidates"]} == {fields.get("seed", 0)}
        assert job["progress"]["total"] == specification["configuration"]["epochs"]

    @pytest.mark.parametrize(
        "fields", [{"epochs": 2}, {"hidden": [5]}, {"augmentation": None}, {"seed": 5, "dropout": 0.1}], ids=str
    )
    def test_request_with_settings_but_no_preset_uses_fast(
        self, client: FlaskClient, jobs: JobStore, fields: dict[str, Any]
    ) -> None:
        job: Any = client.post(PATH, json={**MINIMAL, **fields}).json

        assert job["request"]["preset"] == "fast"
        assert "candidates" not in jobs.get(job["id"]).specification

    def test_settings_are_fixed_in_all_candidates(self, client: FlaskClient, jobs: JobStore) -> None:
        fields = {"preset": "auto", "hidden": [5], "epochs": 9, "batch_size": 7}
        job: Any = client.post(PATH, json={**MINIMAL, **fields}).json

        candidates = jobs.get(job["id"]).specification["candidates"]
        assert len(candidates) > 1
        assert {(*each["hidden"], each["epochs"], each["batch_size"]) for each in candidates} == {(5, 9, 7)}

    @pytest.mark.parametrize("images", [2, 8])
    def test_smallest_data_sets_are_accepted(self, client: FlaskClient, jobs: JobStore, images: int) -> None:
        assert client.post("/v1/datasets?name=tiny", data=npz(easy_arrays(images, 2, classes=2))).status_code == 201

        response = client.post(PATH, json={"model": "toy", "dataset": "tiny"})

        assert response.status_code == 202
        job: Any = response.json
        for candidate in jobs.get(job["id"]).specification["candidates"]:
            assert candidate["batch_size"] <= images

    def test_candidates_with_too_many_parameters_are_dropped(self, settings: Settings) -> None:
        client = create_app(settings.model_copy(update={"max_parameters": 60_000})).test_client()
        assert client.post("/v1/datasets?name=easy", data=npz()).status_code == 201

        few: Any = client.post(PATH, json=MINIMAL).json
        rejected = client.post(PATH, json={**MINIMAL, "preset": "auto", "hidden": [9000]})

        assert few["state"] == "queued"
        assert pointers(assert_problem(rejected, 422, "validation_failed")) == ["#/hidden"]

    @pytest.mark.parametrize("limit", [100 * MiB, 300 * MiB])
    def test_training_that_needs_more_memory_than_a_trainer_has_is_rejected(
        self, settings: Settings, limit: int
    ) -> None:
        client = create_app(settings.model_copy(update={"trainer_memory_bytes": limit})).test_client()
        assert client.post("/v1/datasets?name=easy", data=npz()).status_code == 201

        response = client.post(PATH, json={**MINIMAL, "hidden": [6000, 6000], "batch_size": 10})

        problem = assert_problem(response, 422, "training_too_large")
        assert f"{limit // MiB}.0 MiB (GLASSBOX_TRAINER_MEMORY_BYTES)" in problem["detail"]
        assert pointers(problem) == ["#/hidden"]
        assert client.get("/v1/jobs").json == {"items": [], "next": None}

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"batch_size": 61}, "#/batch_size"),
            ({"optimizer": {"name": "sgd", "momentum": 0.5}}, "#/optimizer/momentum"),
            ({"early_stopping": {"patience": 2}}, "#/early_stopping"),
            ({"schedule": {"name": "step", "every": 1000}}, "#/schedule/every"),
        ],
        ids=str,
    )
    def test_setting_that_fits_no_candidate_is_rejected(
        self, client: FlaskClient, fields: dict[str, Any], pointer: str
    ) -> None:
        response = client.post(PATH, json={**MINIMAL, "preset": "auto", **fields})

        assert pointers(assert_problem(response, 422, "validation_failed")) == [pointer]


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"", b"{", b"{'model': 'toy'}", b'{"model": NaN}', b'{"epochs": Infinity}', b'{"epochs": -Infinity}',
            b"\xff\xfe", b'{"model": "toy"} {}', b"[" * 100_000, json.dumps(MINIMAL).encode("utf-16"),
        ],
        ids=lambda body: ascii(body[:20]),
    )  # fmt: skip
    def test_malformed_json_is_rejected(self, client: FlaskClient, body: bytes) -> None:
        response = client.post(PATH, data=body, content_type="application/json")

        assert_problem(response, 400, "malformed_json")

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
    def test_other_content_types_are_rejected(self, client: FlaskClient, content_type: str) -> None:
        response = client.post(PATH, data=json.dumps(MINIMAL), content_type=content_type)

        assert_problem(response, 415, "json_expected")

    def test_content_type_with_a_charset_is_accepted(self, client: FlaskClient) -> None:
        body = json.dumps({**MINIMAL, "batch_size": 10})

        assert client.post(PATH, data=body, content_type="application/json; charset=utf-8").status_code == 202

    def test_too_large_body_is_rejected(self, settings: Settings) -> None:
        client = create_app(settings.model_copy(update={"max_json_bytes": 100})).test_client()

        assert_problem(client.post(PATH, json={**MINIMAL, "labels": {"a": "a" * 100}}), 413, "body_too_large")

    @pytest.mark.parametrize("body", ["[]", "null", "3", '"model"'])
    def test_json_that_is_not_an_object_is_rejected(self, client: FlaskClient, body: str) -> None:
        response = client.post(PATH, data=body, content_type="application/json")

        assert pointers(assert_problem(response, 422, "validation_failed")) == ["#"]


class TestValidation:
    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"epoch": 3}, "#/epoch"),
            ({"a/b~c": 3}, "#/a~1b~0c"),
            ({"update_order": "layerwise"}, "#/update_order"),
            ({"model": None}, "#/model"),
            ({"model": 3}, "#/model"),
            ({"model": "Not A Name"}, "#/model"),
            ({"model": "../toy"}, "#/model"),
            ({"model": "toy\n"}, "#/model"),
            ({"dataset": 3}, "#/dataset"),
            ({"epochs": "3"}, "#/epochs"),
            ({"epochs": 3.0}, "#/epochs"),
            ({"epochs": True}, "#/epochs"),
            ({"epochs": 0}, "#/epochs"),
            ({"epochs": -1}, "#/epochs"),
            ({"batch_size": 0}, "#/batch_size"),
            ({"batch_size": 61}, "#/batch_size"),
            ({"seed": -1}, "#/seed"),
            ({"seed": 2**63}, "#/seed"),
            ({"hidden": 64}, "#/hidden"),
            ({"hidden": [64, 0]}, "#/hidden/1"),
            ({"hidden": [64, "32"]}, "#/hidden/1"),
            ({"hidden": [10_000_000]}, "#/hidden"),
            ({"activation": "step"}, "#/activation"),
            ({"initializer": "ones"}, "#/initializer"),
            ({"dtype": "float16"}, "#/dtype"),
            ({"preset": "unknown"}, "#/preset"),
            ({"preset": 3}, "#/preset"),
            ({"optimizer": "adam"}, "#/optimizer"),
            ({"optimizer": {"name": "unknown"}}, "#/optimizer/name"),
            ({"optimizer": {"name": 3}}, "#/optimizer/name"),
            ({"optimizer": {"learning_rate": 0}}, "#/optimizer/learning_rate"),
            ({"optimizer": {"learning_rate": -1}}, "#/optimizer/learning_rate"),
            ({"optimizer": {"learning_rate": "fast"}}, "#/optimizer/learning_rate"),
            ({"optimizer": {"learning_rate": 10**400}}, "#/optimizer/learning_rate"),
            ({"optimizer": {"speed": 1}}, "#/optimizer/speed"),
            ({"augmentation": {"flip": 1}}, "#/augmentation/flip"),
            ({"augmentation": {"saturation": 0.1}}, "#/augmentation/saturation"),  # the images are grayscale
            ({"promote": "Not A Name"}, "#/promote"),
            ({"promote": "latest"}, "#/promote"),
            ({"promote": "1"}, "#/promote"),
            ({"epochs": 100_001}, "#/epochs"),
            ({"epochs": 2**63 - 1}, "#/epochs"),
            ({"hidden": [1] * 101}, "#/hidden"),
            ({"labels": {"a": 1}}, "#/labels/a"),
            ({"labels": {"a": "a" * 1025}}, "#/labels/a"),
            ({"labels": {str(number): "" for number in range(65)}}, "#/labels"),
            ({"labels": ["a"]}, "#/labels"),
        ],
        ids=lambda value: json.dumps(value)[:40],
    )
    def test_invalid_field_is_reported_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, redis: Redis, fields: dict[str, Any], pointer: str
    ) -> None:
        response = client.post(PATH, json={**MINIMAL, "batch_size": 10, **fields})

        problem = assert_problem(response, 422, "validation_failed")

        assert pointers(problem) == [pointer]
        assert problem["detail"].startswith(f"{name_of(FieldError('', pointer=pointer))}: ")
        assert files_below(volume.jobs) == []
        assert redis.keys("*") == []

    @pytest.mark.parametrize("field", ["model", "dataset"])
    def test_missing_field_is_reported(self, client: FlaskClient, field: str) -> None:
        response = client.post(PATH, json={name: value for name, value in MINIMAL.items() if name != field})

        assert pointers(assert_problem(response, 422, "validation_failed")) == [f"#/{field}"]

    def test_all_invalid_fields_are_reported_together(self, client: FlaskClient) -> None:
        response = client.post(PATH, json={"model": 3, "dataset": 4, "colour": "red"})

        assert set(pointers(assert_problem(response, 422, "validation_failed"))) == {"#/model", "#/dataset", "#/colour"}

    @pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
    def test_lone_surrogate_is_rejected(self, client: FlaskClient, volume: Volume, text: str) -> None:
        for fields in (
            {"labels": {"a": text}},
            {"model": text},
            {"labels": {text: "a"}},
            {"optimizer": {"name": text}},
        ):
            response = client.post(PATH, json={**MINIMAL, "batch_size": 10, **fields})

            assert_problem(response, 400, "malformed_json")
        assert files_below(volume.jobs) == []

    @pytest.mark.parametrize("dataset", ["unknown", "sha256:" + "0" * 64, "", "../easy", "a\0b"])
    def test_unknown_data_set_is_not_found_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, dataset: str
    ) -> None:
        assert_problem(client.post(PATH, json={**MINIMAL, "dataset": dataset}), 404, "dataset_not_found")
        assert files_below(volume.jobs) == []


def test_submission_without_redis_fails_and_leaves_no_files(client_without_redis: FlaskClient, volume: Volume) -> None:
    client_without_redis.post("/v1/datasets?name=easy", data=npz())

    response = client_without_redis.post(PATH, json={**MINIMAL, "batch_size": 10})

    assert_problem(response, 503, "redis_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert [path for path in left_behind(volume) if not path.startswith("datasets")] == []


def test_values_at_the_limits_are_accepted(client: FlaskClient) -> None:
    labels = {f"{number:0128d}": "a" * 1024 if number < 2 else "" for number in range(44)}
    labels |= {f"{number}": "" for number in range(20)}
    request = {**MINIMAL, "epochs": 100_000, "hidden": [1] * 100, "labels": labels}

    assert client.post(PATH, json=request).status_code == 202
