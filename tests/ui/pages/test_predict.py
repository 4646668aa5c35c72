"""Predictions of a drawing and of a file."""

from __future__ import annotations

import base64
from typing import Any

from playwright.sync_api import FloatRect, Page, Request, expect

from api.schema.examples import MODEL, PNG, VERSION
from tests.ui.conftest import Dashboard, Reply

PREDICT = "/v1/models/digits/versions/3/predict"
TOP = [{"label": "1", "probability": 0.9}, {"label": "0", "probability": 0.08}, {"label": "2", "probability": 0.02}]
PREDICTION = {"label": "1", "confidence": 0.9, "top": TOP}
ANSWER: dict[str, Any] = {"model": "digits", "version": 3, "predictions": [PREDICTION], "look_inverted": 0}
ANSWERS: dict[str, Any] = {
    "/v1/models": {"items": [MODEL], "next": None},
    "/v1/models/digits/versions/champion": VERSION,
    PREDICT: ANSWER,
}


def canvas(page: Page) -> FloatRect:
    box = page.get_by_role("img", name="Draw here").bounding_box()
    assert box is not None
    return box


def draw(page: Page, *, steps: int = 4) -> None:
    """Draw a vertical stroke."""
    box = canvas(page)
    page.mouse.move(box["x"] + 140, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 220, steps=steps)
    page.mouse.up()


def test_a_drawing_is_answered_with_probabilities_in_the_classes_order(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/predict", ANSWERS)
    expect(page.get_by_text("images of 8 × 8")).to_be_visible()
    draw(page)
    bars = page.get_by_role("list", name="Probabilities").get_by_role("listitem")
    expect(bars).to_have_text(["08.0 %", "190.0 %", "22.0 %"])
    request = dashboard.sent("POST", PREDICT)[-1]
    assert request.post_data_json is not None
    [image] = request.post_data_json["instances"]
    assert [len(row) for row in image] == [8] * 8
    assert max(map(max, image)) > 100
    assert max(image[3][0], image[3][7]) == 0  # a vertical stroke is centred
    expect(page.get_by_role("img", name="What the network sees")).to_be_visible()


def test_at_most_twenty_requests_a_second_and_one_at_a_time(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/predict", ANSWERS)
    expect(page.get_by_text("images of 8 × 8")).to_be_visible()
    page.evaluate(
        """() => {
          const send = window.fetch;
          window.times = [];
          window.open_ = 0;
          window.fetch = async (...request) => {
            window.times.push([performance.now(), ++window.open_]);
            try { return await send(...request); } finally { window.open_--; }
          };
        }"""
    )
    for _ in range(3):
        draw(page, steps=30)
    page.wait_for_function("() => window.times.length > 2 && window.open_ === 0")
    times = page.evaluate("() => window.times")
    assert times[-1][0] - times[0][0] >= 49 * (len(times) - 2)  # one start may come early
    assert max(number for _, number in times) == 1


def test_a_file_is_sent_as_it_is(dashboard: Dashboard) -> None:
    inverted = {**ANSWER, "look_inverted": 1, "warnings": ["the image is almost black"]}
    page = dashboard.open("/ui/predict", {**ANSWERS, PREDICT: inverted})
    content = base64.b64decode(PNG.partition(",")[2])
    page.get_by_label("choose an image").set_input_files(
        {"name": "one.png", "mimeType": "image/png", "buffer": content}
    )
    expect(page.get_by_text("The service made this from the file.")).to_be_visible()
    expect(page.get_by_role("img", name="What the network sees")).to_be_visible()
    expect(page.get_by_text("the image is almost black")).to_be_visible()
    request = dashboard.sent("POST", PREDICT)[-1]
    assert (request.post_data_buffer, request.headers["content-type"]) == (content, "image/png")


def test_the_model_is_in_the_address(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/predict", ANSWERS)
    page.get_by_label("Model").select_option("digits@latest")
    page.wait_for_url("**/ui/predict?model=digits%40latest")
    page.reload()
    expect(page.get_by_label("Model")).to_have_value("digits@latest")


def test_without_a_model_the_page_leads_to_a_training(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/predict", {"/v1/models": {"items": [], "next": None}})
    expect(page.get_by_role("link", name="Train on digits")).to_be_visible()


def test_an_error_is_shown_and_goes_when_the_next_answer_comes(dashboard: Dashboard) -> None:
    errors = [Reply.problem(503, "out_of_memory", "the models use all memory")]

    def predict(_: Request) -> Any:
        return errors.pop() if errors else ANSWER

    page = dashboard.open("/ui/predict", {**ANSWERS, PREDICT: predict})
    expect(page.get_by_text("images of 8 × 8")).to_be_visible()
    box = canvas(page)
    page.mouse.click(box["x"] + 140, box["y"] + 140)
    expect(page.get_by_text("the models use all memory")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("90.0 %").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_class_name_from_outside_is_text(dashboard: Dashboard) -> None:
    name = "<b>\u202e" + "W" * 255
    version = {**VERSION, "classes": [name, "1"]}
    hostile = {**PREDICTION, "label": name, "top": [{"label": name, "probability": 1.0}]}
    dashboard.page.set_viewport_size({"width": 390, "height": 800})
    answers = {"/v1/models/digits/versions/champion": version, PREDICT: {**ANSWER, "predictions": [hostile]}}
    page = dashboard.open("/ui/predict", {**ANSWERS, **answers})
    expect(page.get_by_text("images of 8 × 8")).to_be_visible()
    box = canvas(page)
    page.mouse.click(box["x"] + 140, box["y"] + 140)
    expect(page.locator(".answer .label")).to_contain_text("<b>⟨U+202E⟩WWW")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
