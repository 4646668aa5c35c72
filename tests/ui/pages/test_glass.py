"""The glass box: one image through one version."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from tests.ui.conftest import Dashboard, Reply
from tests.ui.pages.test_every_page import violations

EXPLAIN = "/v1/models/digits/versions/3/explain"


def test_an_image_of_the_address_is_explained_with_its_completeness_and_its_control(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/glass/digits/3?dataset=digits&split=test&index=7")
    expect(
        page.get_by_text("The map sums to 1.5; the score differs from the baseline's by 1.5; gap 0; before")
    ).to_be_visible()
    expect(page.get_by_text("Rank correlation with the map: 0.65")).to_be_visible()
    expect(page.get_by_role("button", name="3 activations of layer1")).to_be_visible()
    (request,) = dashboard.sent("POST", EXPLAIN)
    assert request.post_data_json == {"dataset": "digits", "split": "test", "index": 7}


def test_the_question_is_in_the_address(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/glass/digits/3?job=01k8z4y6w9m3n5p7q1r2s4t6v8&index=1")
    page.get_by_label("Why not").select_option("1")
    page.wait_for_url("**against=1")
    with page.expect_request(lambda request: "explain?against=1" in request.url) as asked:
        page.reload()
    assert parse_qs(urlsplit(asked.value.url).query)["random_weights_seed"] == ["0"]
    page.get_by_role("button", name="Next image").click()
    page.wait_for_url("**index=2**")


def test_a_drawing_is_explained_as_28_rows(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/glass/digits/3")
    expect(page.get_by_text("Draw a digit, or choose an image.")).to_be_visible()
    expect(page.get_by_role("link", name="Take the first test image")).to_be_visible()
    box = page.get_by_role("img", name="Draw here").bounding_box()
    assert box is not None
    with page.expect_request(lambda request: "255" in (request.post_data or "")) as asked:
        page.mouse.move(box["x"] + 80, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 160, box["y"] + 200)
        page.mouse.up()
    assert asked.value.post_data_json is not None
    (image,) = asked.value.post_data_json["instances"]
    assert (len(image), len(image[0])) == (28, 28)
    expect(page.get_by_role("heading", name="What the network sees")).to_be_visible()


def test_a_refused_image_is_a_message_with_its_reason(dashboard: Dashboard) -> None:
    refused = Reply.problem(404, "job_not_found", "no job has this id")
    page = dashboard.open("/ui/glass/digits/3?job=x&index=0", {EXPLAIN: refused})
    expect(page.get_by_role("alert")).to_contain_text("no job has this id")


def test_a_unit_is_opened_by_keyboard_with_its_weights_and_its_sum(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/glass/digits/3?dataset=digits&split=test&index=7")
    layer = page.get_by_role("button", name="3 activations of layer1")
    layer.focus()
    layer.press("ArrowRight")
    expect(page.get_by_text("unit 1: 1.25")).to_be_visible()
    layer.press("Enter")

    expect(page.get_by_role("heading", name="Opened: unit 1 of layer1")).to_be_visible()
    expect(page.get_by_role("img", name="weights of unit 1 of layer1")).to_be_visible()
    rows = page.get_by_role("list", name="The sum z, from its largest term").get_by_role("listitem")
    expect(rows).to_have_text(
        ["row 0, column 1" + "0.9 × 1 = 0.9", "3 other terms" + "-0.1", "bias" + "0.45", "z" + "1.25"]
    )
    expect(page.get_by_text("z = 1.25; relu(z) = 1.25.")).to_be_visible()
    page.wait_for_url("**unit=layer1.1")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("heading", name="Opened")).to_have_count(0)


def test_two_versions_answer_side_by_side_without_violations(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/glass/digits/3?dataset=digits&split=test&index=7&with=2&unit=layer1.1")
    for version in (3, 2):
        expect(page.get_by_role("heading", name=f"digits@{version}", exact=True, level=2)).to_be_visible()
    expect(page.get_by_role("heading", name="Which pixels raise")).to_have_count(2)
    expect(page.get_by_role("heading", name="Opened: unit 1 of layer1")).to_have_count(1)
    assert len(dashboard.sent("POST", EXPLAIN.replace("/3/", "/2/"))) == 1
    assert violations(page) == []
    page.evaluate("() => (document.documentElement.dataset.theme = 'dark')")
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
