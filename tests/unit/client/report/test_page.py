"""The report: its facts are on one page, which loads no resource and runs no script."""

from __future__ import annotations

import base64
import io
import re
from array import array
from html import unescape
from typing import Any

import numpy as np
import pytest
from glassbox.report import page
from glassbox.report.first_layer import matches
from glassbox.report.tensors import Tensor
from numpy.typing import NDArray
from PIL import Image

from api.schema.examples import PNG
from tests.support.objects.evaluated import a_version, an_evaluation
from tests.unit.client.report.test_markup import Reader

HOSTILE = ("</style><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<!--", "]]>&#x3c;script>", "'\"`&")


def some_weights(units: int, pixels: int = 64) -> Tensor:
    values = [((7 * i) % 13 - 6) * (1 + i % units) / units for i in range(pixels * units)]
    return Tensor((pixels, units), array("f", values))


def text_of(html: str) -> str:
    """The visible text of the page."""
    visible = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", visible)))


@pytest.fixture
def report() -> str:
    return page(a_version(), an_evaluation(), some_weights(128))


class TestContent:
    @pytest.mark.parametrize(
        "fact",
        [
            "digits@3", "champion", "90.00%", "16,771", "Training", "Confusion matrix", "Metrics of each class",
            "Calibration", "expected calibration error", "First-layer weights", "64 of 128 units",
            "Most confident errors", "true 0", "predicted 1", "98.7% confidence", "Provenance",
            "Selection", "winner", "learning_rate=0.003",
            "glassbox models verify digits@3", "relu", "random seed", "BLAS threads", "2.4.6",
        ],
    )  # fmt: skip
    def test_the_page_has_the_facts_of_the_version(self, report: str, fact: str) -> None:
        assert fact in text_of(report)

    def test_the_page_has_the_interval_the_baselines_and_the_diagnosis(self) -> None:
        finding = {"code": "overfits", "message": "The network classifies only half of <the> test images correctly."}
        version = a_version(accuracy_interval=[0.918, 0.943], diagnosis=[finding])

        text = text_of(page(version, None, None))

        assert "91.8–94.3%" in text
        assert "linear model 95.3%" in text
        assert "most frequent class 33.6%" in text
        assert "Diagnosis overfits The network classifies only half of <the> test images correctly." in text

    def test_the_page_says_if_nothing_was_found_and_if_the_version_was_not_assessed(self) -> None:
        assert "No problem was found." in text_of(page(a_version(diagnosis=[]), None, None))
        older = text_of(page(a_version(accuracy_interval=None, baselines=None, diagnosis=None), None, None))
        assert "Diagnosis" not in older
        assert "linear model" not in older

    def test_each_image_has_a_description(self, report: str) -> None:
        images = [attributes for name, attributes in Reader(report).elements if name in {"img", "svg"}]

        assert len(images) == 64 + 1 + 3
        assert all(attributes.get("alt") or attributes.get("aria-label") for attributes in images)

    def test_each_table_has_headers_with_their_scope_and_each_section_its_heading(self, report: str) -> None:
        elements = Reader(report).elements

        assert all(attributes.get("scope") in {"col", "row"} for name, attributes in elements if name == "th")
        headings = {attributes["id"] for name, attributes in elements if name == "h2"}
        labelled = [attributes["aria-labelledby"] for name, attributes in elements if name == "section"]
        assert headings == set(labelled)

    def test_the_units_with_the_largest_weights_are_shown(self, report: str) -> None:
        units = [int(number) for number in re.findall(r"<figcaption>unit (\d+)</figcaption>", report)]

        assert len(set(units)) == 64
        assert min(units) >= 60  # `some_weights` gives later units larger weights

    def test_without_a_hidden_layer_the_images_are_the_classes(self) -> None:
        configuration = a_version().configuration | {"hidden": []}

        html = page(a_version(configuration=configuration), an_evaluation(), some_weights(3))

        assert "<figcaption>2</figcaption>" in html
        assert "no hidden layers" in html

    def test_for_many_classes_the_page_lists_confusions_instead_of_a_matrix(self) -> None:
        labels = tuple(f"class {number}" for number in range(300))

        html = page(a_version(classes=labels), an_evaluation(labels), None)

        assert 'class="matrix"' not in html
        assert "class 17 predicted as class 18" in text_of(page(a_version(), an_evaluation(labels[15:20]), None))
        assert len(html) < 200_000


def first_layer_images(html: str) -> list[NDArray[np.uint8]]:
    """The images of the section on the first layer, in RGB."""
    section = html[html.index("First-layer weights") :]
    uris = re.findall(r'src="data:image/png;base64,([^"]+)" alt="weights of', section)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri))).convert("RGBA"))[..., :3] for uri in uris]


class TestColourAndConvolutions:
    def test_the_title_and_the_first_layer_of_a_dense_network_are_in_colour(self) -> None:
        version = a_version(input={"image_shape": [4, 5, 3]})
        weights = np.zeros((4, 5, 3, 2), np.float32)
        weights[1, 2, 0, 0] = 1  # the red channel of row 1, column 2, of unit 0
        weights[3, 4, 2, 1] = -2

        html = page(version, None, Tensor((60, 2), array("f", weights.ravel())))

        first, second = first_layer_images(html)  # largest norm first
        assert first.shape == second.shape == (4, 5, 3)
        assert first[3, 4].tolist() == [127, 127, 0]
        assert second[1, 2].tolist() == [254, 127, 127]
        assert second[0, 0].tolist() == [127, 127, 127]
        assert "4×5 pixels in colour" in text_of(html)
        assert "Gray is zero" in text_of(html)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_the_filters_of_a_convolution_are_images(self, channels: int) -> None:
        convolutions = [{"filters": 6, "kernel_size": 5}, {"filters": 12, "kernel_size": 3}]
        configuration = a_version().configuration | {"hidden": [], "convolutions": convolutions}
        shape = [8, 8] if channels == 1 else [8, 8, 3]
        values = np.random.default_rng(0).normal(size=5 * 5 * channels * 6)

        html = page(
            a_version(input={"image_shape": shape}, configuration=configuration),
            None,
            Tensor((5, 5, channels, 6), array("d", values)),
        )

        assert [image.shape for image in first_layer_images(html)] == [(5, 5, 3)] * 6
        assert "All 6 filters" in text_of(html)
        assert "convolutions 6 filters 5×5, 12 filters 3×3 (relu)" in text_of(html)
        assert sorted(re.findall(r"<figcaption>filter (\d+)</figcaption>", html)) == list("012345")

    @pytest.mark.parametrize(
        ("weights", "image_shape", "expected"),
        [
            ((64, 10), (8, 8), True),
            ((192, 10), (8, 8, 3), True),
            ((64, 10), (8, 8, 3), False),
            ((5, 5, 1, 6), (8, 8), True),
            ((5, 5, 3, 6), (8, 8, 3), True),
            ((5, 5, 3, 6), (8, 8), False),
            ((5, 5, 6), (8, 8), False),
            ((6,), (8, 8), False),
        ],
    )
    def test_weights_of_another_shape_do_not_match(
        self, weights: tuple[int, ...], image_shape: tuple[int, ...], expected: bool
    ) -> None:
        assert matches(Tensor(weights, array("f")), image_shape) is expected


class TestMissingParts:
    def test_a_version_without_an_evaluation_has_a_page(self) -> None:
        html = page(a_version(), None, some_weights(4))

        assert "97.41%" in text_of(html)
        assert "Confusion matrix" not in html
        assert "First-layer weights" in html

    def test_the_page_of_a_damaged_version_reports_the_damage(self) -> None:
        html = page(a_version(damaged=True), an_evaluation(), None)

        assert "damaged" in text_of(html)
        assert "First-layer weights" not in html

    def test_an_evaluation_without_errors_has_no_section_for_them(self) -> None:
        assert "Most confident errors" not in page(a_version(), an_evaluation(mistakes=[]), None)

    def test_without_a_history_there_are_no_curves(self) -> None:
        assert ">Training</h2>" not in page(a_version(), an_evaluation(history=[]), None)

    def test_a_training_of_one_epoch_has_points(self) -> None:
        history = [{"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.5, "seconds": 1.0}]

        assert "<circle" in page(a_version(), an_evaluation(history=history), None)

    def test_the_page_of_a_version_without_errors_states_that_there_are_none(self) -> None:
        html = page(a_version(), an_evaluation(confusion_matrix=[[10, 0, 0], [0, 10, 0], [0, 0, 10]]), None)

        assert "Every test image is classified correctly." in html


class TestSafety:
    def test_the_page_loads_no_external_resource(self, report: str) -> None:
        sources = [
            str(value)
            for _, attributes in Reader(report).elements
            for name, value in attributes.items()
            if name in {"src", "href", "action", "data", "srcset", "poster"}
        ]

        assert sources
        assert all(source.startswith("data:image/png;base64,") for source in sources)
        assert not re.search(r"url\(|@import", report)
        assert "default-src 'none'" in unescape(report)

    def test_the_page_runs_no_script(self, report: str) -> None:
        elements = Reader(report).elements

        assert not any(name in {"script", "iframe", "object", "embed", "link", "base", "form"} for name, _ in elements)
        assert not any(name.startswith("on") for _, attributes in elements for name in attributes)

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_hostile_texts_stay_texts(self, report: str, hostile: str) -> None:
        version = a_version(
            model=hostile,
            aliases=[hostile],
            classes=[hostile, "1", "2"],
            dataset=hostile,
            job=hostile,
            created_at=hostile,
            configuration={"hidden": [8], "activation": hostile, hostile: hostile},
            environment={hostile: hostile},
            weights={"bytes": 1, "sha256": hostile},
        )
        evaluation = an_evaluation((hostile, "1", "2"))

        html = page(version, evaluation, some_weights(128))

        def shape(text: str) -> set[tuple[str, frozenset[str]]]:
            return {(name, frozenset(attributes)) for name, attributes in Reader(text).elements}

        assert shape(html) <= shape(report)
        assert " ".join(hostile.split()) in text_of(html)

    @pytest.mark.parametrize(
        "image",
        ["https://example.org/x.png", "javascript:alert(1)", "", "data:text/html,<script>", PNG + '" onload="x'],
    )
    def test_an_image_that_is_not_a_png_is_omitted(self, image: str) -> None:
        mistakes: Any = [{"index": 1, "label": "0", "predicted": "1", "confidence": 1.0, "image": image}]

        elements = Reader(page(a_version(), an_evaluation(mistakes=mistakes), None)).elements

        assert all(
            str(attributes["src"]).startswith("data:image/png;base64,") and "onload" not in attributes
            for name, attributes in elements
            if name == "img"
        )
