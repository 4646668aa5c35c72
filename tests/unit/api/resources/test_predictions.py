"""`POST /v1/models/{name}/versions/{ref}/predict`."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from api.app import create_app
from shared.images.inversion import measured
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.costly_images import jpeg_of_scans
from tests.support.data.images import encoded, png
from tests.support.data.npz import easy_images
from tests.support.objects.models import (
    colour_network,
    colour_parameters,
    publish,
    publish_colour,
    tiny_network,
    tiny_parameters,
)
from tests.support.problems import assert_problem, parameters, pointers

IMAGES = easy_images(6, seed=1)[0]
P = tiny_network().probabilities(tiny_parameters(), IMAGES)
PATH = "/v1/models/toy/versions/latest/predict"

pytestmark = pytest.mark.usefixtures("model")


def form(*contents: bytes, **texts: str) -> dict[str, Any]:
    """Return a form with these images."""
    return {"image": [(io.BytesIO(content), f"{number}.png") for number, content in enumerate(contents)], **texts}


def predictions(response: Any) -> list[dict[str, Any]]:
    """Return the predictions of a successful response."""
    assert response.status_code == 200, response.data
    found: list[dict[str, Any]] = response.json["predictions"]
    return found


def assert_agrees(found: list[dict[str, Any]], expected: Any = P) -> None:
    """Check that the predictions are the network's."""
    assert [one["label"] for one in found] == [str(label) for label in expected.argmax(axis=1)]
    assert np.allclose([one["confidence"] for one in found], expected.max(axis=1), atol=1e-6)


class TestInversion:
    """Images on the opposite ground, for versions whose manifest describes the training images, and others."""

    PATH = "/v1/models/drawn/versions/latest/predict"
    INVERTED = tuple(png(255 - image) for image in IMAGES)

    @pytest.fixture(autouse=True)
    def drawn(self, registry: Registry) -> None:
        publish(registry, "drawn", "job-drawn", brightness=measured(easy_images(300)[0]))

    def test_dark_on_light_is_inverted_by_default_for_a_model_of_light_on_dark(self, client: FlaskClient) -> None:
        response = client.post(self.PATH, data=form(*self.INVERTED, png(IMAGES[0])))

        assert_agrees(predictions(response), np.concatenate([P, P[:1]]))
        assert (response.json["look_inverted"], response.json.get("warnings")) == (6, None)  # type: ignore[index,union-attr]

    def test_numbers_are_inverted_by_default(self, client: FlaskClient) -> None:
        assert_agrees(predictions(client.post(self.PATH, json={"instances": (255 - IMAGES).tolist()})))

    def test_mode_never_warns_of_images_that_look_inverted(self, client: FlaskClient) -> None:
        response = client.post(f"{self.PATH}?invert=never", data=form(*self.INVERTED, png(IMAGES[0])))

        expected = tiny_network().probabilities(tiny_parameters(), np.concatenate([255 - IMAGES, IMAGES[:1]]))
        assert_agrees(predictions(response), expected)
        assert response.json["look_inverted"] == 6  # type: ignore[index]
        [warning] = response.json["warnings"]  # type: ignore[index]
        assert warning.startswith("6 of 7 images look inverted against the training images of drawn@1: ")

    def test_images_like_the_training_images_have_no_warning(self, client: FlaskClient) -> None:
        response = client.post(f"{self.PATH}?invert=never", data=form(*map(png, IMAGES)))

        assert_agrees(predictions(response))
        assert (response.json["look_inverted"], response.json.get("warnings")) == (0, None)  # type: ignore[index,union-attr]

    def test_a_model_of_photographs_never_inverts(self, client: FlaskClient, registry: Registry) -> None:
        both = np.concatenate([IMAGES, 255 - IMAGES])
        publish(registry, "photographs", "job-photographs", brightness=measured(both))

        response = client.post("/v1/models/photographs/versions/1/predict?invert=auto", data=form(*map(png, both)))

        assert_agrees(predictions(response), tiny_network().probabilities(tiny_parameters(), both))
        assert response.json["look_inverted"] == 0  # type: ignore[index]

    def test_the_default_for_a_version_without_figures_is_never(self, client: FlaskClient) -> None:
        response = client.post(PATH, data=form(*self.INVERTED))

        assert_agrees(predictions(response), tiny_network().probabilities(tiny_parameters(), 255 - IMAGES))
        assert set(response.json) == {"model", "version", "predictions", "look_inverted"}  # type: ignore[arg-type]
        assert response.json["look_inverted"] is None  # type: ignore[index]


class TestImages:
    def test_image_files_of_0_and_1_alone_are_warned_of(self, client: FlaskClient) -> None:
        mask = (IMAGES[0] > 100).astype(np.uint8)

        [warning] = client.post(PATH, data=form(png(mask), png(IMAGES[1]), png(0 * mask))).json["warnings"]  # type: ignore[index]

        assert warning.startswith("1 of 3 images have no gray level above 1 of 255")
        assert client.post(PATH, data=png(mask)).json["warnings"]  # type: ignore[index]
        assert "warnings" not in client.post(PATH, data=png(IMAGES[1])).json  # type: ignore[operator]

    def test_images_in_a_form_are_classified_in_their_order(self, client: FlaskClient) -> None:
        response = client.post(PATH, data=form(*map(png, IMAGES)))

        assert_agrees(predictions(response))
        assert (response.json["model"], response.json["version"]) == ("toy", 1)  # type: ignore[index]

    def test_body_may_be_one_image(self, client: FlaskClient) -> None:
        response = client.post(PATH, data=png(IMAGES[0]), content_type="image/png")

        assert_agrees(predictions(response), P[:1])

    def test_image_may_have_another_format_and_size(self, client: FlaskClient) -> None:
        large = encoded(Image.fromarray(IMAGES[0]).resize((24, 24), Image.Resampling.NEAREST), "BMP")

        assert_agrees(predictions(client.post(PATH, data=large)), P[:1])

    def test_top_k_classes_are_returned(self, client: FlaskClient) -> None:
        found = predictions(client.post(f"{PATH}?top_k=3", data=form(png(IMAGES[0]))))

        assert [best["label"] for best in found[0]["top"]] == [str(label) for label in np.argsort(-P[0])]
        assert sum(best["probability"] for best in found[0]["top"]) == pytest.approx(1, abs=1e-5)
        assert found[0]["top"][0] == {"label": found[0]["label"], "probability": found[0]["confidence"]}

    @pytest.mark.parametrize("mode", ["always", "auto"])
    def test_bright_images_are_inverted(self, client: FlaskClient, mode: str) -> None:
        contents = [png(255 - image) for image in IMAGES]

        assert_agrees(predictions(client.post(PATH, query_string={"invert": mode}, data=form(*contents))))

    def test_options_may_be_parts_of_the_form(self, client: FlaskClient) -> None:
        found = predictions(client.post(PATH, data=form(png(255 - IMAGES[0]), top_k="2", invert="always")))

        assert len(found[0]["top"]) == 2
        assert_agrees(found, P[:1])

    def test_unreadable_image_is_reported(self, client: FlaskClient) -> None:
        whole = png(IMAGES[0])

        problem = assert_problem(client.post(PATH, data=form(whole, whole[:-25], whole)), 422, "image_damaged")

        assert parameters(problem) == ["image[1]"]

    def test_an_image_that_costs_too_much_is_reported_with_the_limit_and_its_setting(self, client: FlaskClient) -> None:
        response = client.post(PATH, data=jpeg_of_scans(100, 4000), content_type="image/jpeg")

        problem = assert_problem(response, 422, "image_too_costly")
        assert "at most 1,024,000,000 are allowed: 64 times GLASSBOX_MAX_IMAGE_PIXELS" in problem["detail"]

    def test_all_unreadable_images_are_reported(self, client: FlaskClient) -> None:
        problem = assert_problem(client.post(PATH, data=form(b"text", png(IMAGES[0]), b"")), 422, "invalid_images")

        assert parameters(problem) == ["image[0]", "image[2]"]

    @pytest.mark.parametrize("body", [b"", b"no image"])
    def test_body_that_is_not_an_image_is_rejected(self, client: FlaskClient, body: bytes) -> None:
        assert_problem(client.post(PATH, data=body, content_type="image/png"), 422, "not_an_image")

    def test_form_without_images_is_rejected(self, client: FlaskClient) -> None:
        other = {"picture": (io.BytesIO(png(IMAGES[0])), "a.png")}

        assert_problem(client.post(PATH, data=other), 422, "file_expected")
        assert_problem(client.post(PATH, data={"top_k": "1"}, content_type="multipart/form-data"), 422, "file_expected")

    def test_malformed_form_is_rejected(self, client: FlaskClient) -> None:
        response = client.post(PATH, data=b"no parts", content_type="multipart/form-data; boundary=x")

        assert_problem(response, 400, "malformed_form")


class TestNumbers:
    @pytest.mark.parametrize(
        "instances",
        [
            IMAGES.reshape(6, 36).tolist(),
            IMAGES.tolist(),
            IMAGES[..., np.newaxis].tolist(),
            (IMAGES / 255).tolist(),
            IMAGES.astype(float).reshape(6, 36).tolist(),
        ],
    )
    def test_pixels_may_be_flat_or_in_rows_and_up_to_255_or_1(self, client: FlaskClient, instances: Any) -> None:
        assert_agrees(predictions(client.post(PATH, json={"instances": instances})))

    def test_images_of_different_ranges_are_rejected(self, client: FlaskClient) -> None:
        instances = [(IMAGES[0] / 255).ravel().tolist(), IMAGES[1].ravel().tolist()]

        problem = assert_problem(client.post(PATH, json={"instances": instances}), 422, "validation_failed")

        assert pointers(problem) == ["#/instances/0"]
        assert "those of image 0 from 0 to 1: send all in one range" in problem["errors"][0]["detail"]

    def test_integers_0_and_1_alone_are_black_and_white_with_a_warning(self, client: FlaskClient) -> None:
        bright = IMAGES > 100
        expected = tiny_network().probabilities(tiny_parameters(), bright * np.uint8(255))

        response = client.post(PATH, json={"instances": bright.astype(int).tolist()})

        assert_agrees(predictions(response), expected)
        (warning,) = response.json["warnings"]  # type: ignore[index]
        assert warning == (
            "the numbers are taken as black and white: the largest integer is 1, so it is not certain whether 1"
            " is white (255) or almost black; multiply them by 255 if 1 is white"
        )

    def test_a_black_and_white_image_among_gray_levels_is_almost_black_with_a_warning(
        self, client: FlaskClient
    ) -> None:
        images = IMAGES.copy()
        images[2] = images[2] > 100

        response = client.post(PATH, json={"instances": images.tolist()})

        assert_agrees(predictions(response), tiny_network().probabilities(tiny_parameters(), images))
        (warning,) = response.json["warnings"]  # type: ignore[index]
        assert warning.startswith("no number of image 2 is above 1, but those of the request range to ")

    @pytest.mark.parametrize("white", [1.0, 255, 255.0])
    def test_certain_ranges_have_no_warning(self, client: FlaskClient, white: float) -> None:
        bright = IMAGES > 100
        instances = [*(bright * white).tolist(), np.zeros((6, 6), int).tolist()]

        response = client.post(PATH, json={"instances": instances})

        images = np.concatenate([bright * np.uint8(255), np.zeros((1, 6, 6), np.uint8)])
        assert_agrees(predictions(response), tiny_network().probabilities(tiny_parameters(), images))
        assert "warnings" not in response.json  # type: ignore[operator]

    def test_floats_slightly_above_1_are_white(self, client: FlaskClient) -> None:
        response = client.post(PATH, json={"instances": (IMAGES / IMAGES.max() * 1.0005).tolist()})

        white = np.rint(IMAGES / IMAGES.max() * 255.1275).clip(0, 255).astype(np.uint8)
        assert_agrees(predictions(response), tiny_network().probabilities(tiny_parameters(), white))

    def test_floats_of_an_unknown_range_are_rejected(self, client: FlaskClient) -> None:
        response = client.post(PATH, json={"instances": (IMAGES / 200).tolist()})

        problem = assert_problem(response, 422, "validation_failed")
        assert pointers(problem) == ["#/instances"]
        assert "floats must range from 0 to 1, or from 0 to 255" in problem["errors"][0]["detail"]

    @pytest.mark.parametrize(
        ("instances", "expected"),
        [
            ([[0] * 36, [0] * 35, [0] * 36], ["#/instances/1"]),
            ([[0] * 36, "x", [[0] * 6] * 6], ["#/instances/1"]),
            ([[0] * 36, [[0] * 6] * 6], ["#/instances"]),
            ([[0] * 35 + [None]], ["#/instances/0"]),
            ([["0"] * 36], ["#/instances/0"]),
            ([[True] * 35], ["#/instances/0"]),
            ([[0] * 35 + [256], [0] * 36, [-1] * 36], ["#/instances/0", "#/instances/2"]),
            ([[0] * 35 + [1e300]], ["#/instances/0"]),
            ([[0] * 35 + [10**30]], ["#/instances/0"]),
            ([[[]] * 36], ["#/instances/0"]),
            ([0] * 36, [f"#/instances/{number}" for number in range(20)]),
            ([], ["#/instances"]),
            (None, ["#/instances"]),
        ],
    )
    def test_invalid_instances_are_reported(self, client: FlaskClient, instances: Any, expected: list[str]) -> None:
        response = client.post(PATH, json={"instances": instances})

        assert pointers(assert_problem(response, 422, "validation_failed")) == expected

    def test_unknown_field_is_reported(self, client: FlaskClient) -> None:
        response = client.post(PATH, json={"instances": IMAGES.tolist(), "topk": 3})

        assert pointers(assert_problem(response, 422, "validation_failed")) == ["#/topk"]

    @pytest.mark.parametrize("body", [b"", b"{", b'{"instances": [[NaN]]}', b"\xff", b"[" * 5000])
    def test_invalid_json_is_rejected(self, client: FlaskClient, body: bytes) -> None:
        assert_problem(client.post(PATH, data=body, content_type="application/json"), 400, "malformed_json")


class TestColour:
    """Images of a model in colour, and images in colour for a grayscale model."""

    GRAYSCALE = PATH
    GRAY = IMAGES
    PATH = "/v1/models/painted/versions/latest/predict"
    IMAGES = np.random.default_rng(2).integers(0, 256, (4, 6, 6, 3), np.uint8)
    P = colour_network().probabilities(colour_parameters(), IMAGES)

    @pytest.fixture(autouse=True)
    def painted(self, registry: Registry) -> None:
        publish_colour(registry)

    @pytest.mark.parametrize("instances", [IMAGES.tolist(), (IMAGES / 255).tolist(), IMAGES.reshape(4, 108).tolist()])
    def test_numbers_are_nested_by_row_pixel_and_channel_or_flat(self, client: FlaskClient, instances: Any) -> None:
        assert_agrees(predictions(client.post(self.PATH, json={"instances": instances})), self.P)

    def test_files_in_colour_are_classified_in_colour(self, client: FlaskClient) -> None:
        assert_agrees(predictions(client.post(self.PATH, data=form(*map(png, self.IMAGES)))), self.P)

    def test_a_grayscale_file_becomes_equal_channels_for_a_model_in_colour(self, client: FlaskClient) -> None:
        equal = np.repeat(self.GRAY[..., np.newaxis], 3, axis=3)
        expected = colour_network().probabilities(colour_parameters(), equal)

        assert_agrees(predictions(client.post(self.PATH, data=form(*map(png, self.GRAY)))), expected)

    def test_a_file_in_colour_becomes_its_luma_for_a_grayscale_model(self, client: FlaskClient) -> None:
        luma = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in self.IMAGES])
        expected = tiny_network().probabilities(tiny_parameters(), luma)

        assert_agrees(predictions(client.post(self.GRAYSCALE, data=form(*map(png, self.IMAGES)))), expected)

    def test_each_channel_is_inverted(self, client: FlaskClient) -> None:
        contents = [png(255 - image) for image in self.IMAGES]

        assert_agrees(predictions(client.post(f"{self.PATH}?invert=always", data=form(*contents))), self.P)

    @pytest.mark.parametrize(
        ("path", "instance", "shapes"),
        [
            (
                PATH,
                IMAGES[0, :, :, 0],
                "6 lists of 6 pixels [R, G, B]: the model's images have the shape [6, 6, 3]; got [6, 6]",
            ),
            (PATH, IMAGES[0, :, :, 0].ravel(), "the model's images have the shape [6, 6, 3]; got [36]"),
            (PATH, IMAGES[0, :, :, :1], "the model's images have the shape [6, 6, 3]; got [6, 6, 1]"),
            (PATH, np.moveaxis(IMAGES[0], 2, 0), "the model's images have the shape [6, 6, 3]; got [3, 6, 6]"),
            (GRAYSCALE, IMAGES[0], "6 lists of 6 numbers: the model's images have the shape [6, 6]; got [6, 6, 3]"),
            (GRAYSCALE, IMAGES[0].ravel(), "the model's images have the shape [6, 6]; got [108]"),
            (GRAYSCALE, IMAGES[0, :, :, :2], "the model's images have the shape [6, 6]; got [6, 6, 2]"),
        ],
    )
    def test_numbers_of_another_shape_are_rejected_with_both_shapes(
        self, client: FlaskClient, path: str, instance: Any, shapes: str
    ) -> None:
        problem = assert_problem(client.post(path, json={"instances": [instance.tolist()]}), 422, "validation_failed")

        assert pointers(problem) == ["#/instances/0"]
        assert problem["errors"][0]["detail"].endswith(shapes)


class TestOptions:
    @pytest.mark.parametrize(
        ("query", "named"), [("top_k=0", "top_k"), ("top_k=4", "top_k"), ("invert=x", "invert"), ("topk=1", "topk")]
    )
    def test_invalid_option_is_reported(self, client: FlaskClient, query: str, named: str) -> None:
        problem = assert_problem(client.post(f"{PATH}?{query}", data=png(IMAGES[0])), 422, "validation_failed")

        assert parameters(problem) == [named]


class TestLimits:
    @pytest.fixture
    def client(self, settings: Settings) -> FlaskClient:
        """A client of an API with low limits."""
        limits = {"max_online_images": 3, "max_online_bytes": 9000, "max_online_json_bytes": 900}
        return create_app(settings.model_copy(update=limits)).test_client()

    def test_too_many_images_are_rejected(self, client: FlaskClient) -> None:
        assert_agrees(predictions(client.post(PATH, data=form(*map(png, IMAGES[:3])))), P[:3])
        assert_problem(client.post(PATH, data=form(*map(png, IMAGES[:4]))), 413, "too_many_images")
        assert_problem(client.post(PATH, data=form(*map(png, [*IMAGES] * 3))), 413, "form_too_large")

    def test_too_many_bytes_are_rejected(self, client: FlaskClient) -> None:
        assert_problem(client.post(PATH, data=bytes(9001)), 413, "body_too_large")

    def test_too_much_json_is_rejected(self, client: FlaskClient) -> None:
        assert_problem(client.post(PATH, json={"instances": [[0.25] * 400]}), 413, "body_too_large")

    def test_decompression_bomb_is_rejected(self, client: FlaskClient) -> None:
        response = client.post(PATH, data=gzip.compress(bytes(1_000_000)), headers={"Content-Encoding": "gzip"})

        assert_problem(response, 413, "body_too_large")


class TestVersions:
    def test_prediction_follows_an_alias_that_moves(self, client: FlaskClient, registry: Registry) -> None:
        publish(registry, job="job-2")
        for version in (1, 2, 1):
            registry.point("toy", "champion", version)

            response = client.post("/v1/models/toy/versions/champion/predict", data=png(IMAGES[0]))

            assert response.json["version"] == version  # type: ignore[index]

    def test_latest_is_the_newest_version(self, client: FlaskClient, registry: Registry) -> None:
        assert client.post(PATH, data=png(IMAGES[0])).json["version"] == 1  # type: ignore[index]
        publish(registry, job="job-2")

        assert client.post(PATH, data=png(IMAGES[0])).json["version"] == 2  # type: ignore[index]

    def test_deleted_version_is_not_used(self, client: FlaskClient, registry: Registry) -> None:
        publish(registry, job="job-2")
        path = "/v1/models/toy/versions/1/predict"
        assert client.post(path, data=png(IMAGES[0])).status_code == 200
        registry.delete("toy", "1")

        assert_problem(client.post(path, data=png(IMAGES[0])), 404, "version_deleted")

    def test_unknown_model_or_version_is_not_found(self, client: FlaskClient) -> None:
        for path, code in [("toy/versions/2", "version_not_found"), ("other/versions/latest", "model_not_found")]:
            assert_problem(client.post(f"/v1/models/{path}/predict", data=png(IMAGES[0])), 404, code)

    def test_damaged_version_is_rejected(self, client: FlaskClient, volume: Volume) -> None:
        (volume.version("toy", 1) / "weights.npz").write_bytes(b"something else")

        assert_problem(client.post(PATH, data=png(IMAGES[0])), 500, "version_damaged")

    def test_unloaded_model_is_rejected(self, client: FlaskClient, registry: Registry) -> None:
        registry.serve("toy", served=False)

        assert_problem(client.post(PATH, data=png(IMAGES[0])), 409, "model_unloaded")

    def test_prediction_needs_no_redis(self, client_without_redis: FlaskClient) -> None:
        assert_agrees(predictions(client_without_redis.post(PATH, data=form(*map(png, IMAGES)))))
