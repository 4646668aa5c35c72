"""The article: one training step, formula by formula. The document's example is a network of one layer."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Request, expect

from tests.ui.conftest import Dashboard, Reply

UNUSED = {"name": "mnist", "content": "handwritten digits", "origin": "download", "prepared": False}
STEP = "/v1/lessons/step"


def test_a_step_has_its_formula_its_arrays_and_the_source_of_its_function(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/article?step=4")
    expect(page.get_by_text("Step 4 of 8: P")).to_be_visible()
    expect(page.locator(".lesson math[display=block]")).to_have_text("P=eZ1ΣeZ1")
    expect(page.locator(".lesson")).to_contain_text("0: 0.378, 1: 0.623")
    expect(page.locator(".lesson pre")).to_have_text("def softmax(Z, P): …")
    expect(page.get_by_role("img", name="2 numbers of Z1")).to_be_visible()


def test_the_arrow_keys_move_through_the_steps_and_the_address_has_the_state(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/article?dataset=digits&index=3&seed=5&rate=0.5")
    expect(page.get_by_text("Step 1 of 8: X")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Step 3 of 8: Z1")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**step=2")
    page.get_by_label("Seed").focus()
    page.keyboard.press("ArrowRight")  # moves in the field
    expect(page.get_by_text("Step 2 of 8: W1, b1")).to_be_visible()
    bodies = [request.post_data_json for request in dashboard.sent("POST", STEP)]
    assert [body["update_order"] for body in bodies[:2] if body] == ["layerwise", "together"]
    wanted = {"dataset": "digits", "split": "train", "index": 3, "preset": "article", "seed": 5, "rate": 0.5}
    assert all(body and wanted.items() <= body.items() for body in bodies)
    page.get_by_label("Order of updates").select_option("together")
    page.wait_for_url("**order=together**")


def test_a_derivative_is_beside_the_slope_in_both_orders(dashboard: Dashboard) -> None:
    def answer(request: Request) -> Any:
        body = json.loads(request.post_data or "{}")
        found = dashboard.example("POST", STEP) | {"update_order": body["update_order"]}
        if "check" in body:
            assert body["check"] == {"parameter": "b1", "index": [1]}
            check = {"value": 0.3, "derivative": 0.25, "move": 0.001, "losses": [0.5, 0.5005], "slope": 0.25}
            if body["update_order"] == "layerwise":
                check["derivative"] = 0.26
            found["check"] = body["check"] | check
        return found

    page = dashboard.open("/ui/article", {f"POST {STEP}": answer})
    page.get_by_label("Parameters").select_option("b1")
    page.get_by_label("Row, column").fill("1")
    page.get_by_role("button", name="Move it by ±0.001").click()
    expect(page.get_by_text("the slope is 0.250000")).to_be_visible()
    expect(page.get_by_text("in the order layerwise: 0.260000 – 0.01 from the slope")).to_be_visible()
    expect(page.get_by_text("in the order together: 0.250000 – equal to the slope")).to_be_visible()


def test_an_array_that_differs_between_the_orders_is_shown_for_both(dashboard: Dashboard) -> None:
    def answer(request: Request) -> Any:
        order = json.loads(request.post_data or "{}")["update_order"]
        found = dashboard.example("POST", STEP) | {"update_order": order}
        if order == "together":
            found["steps"][-1]["values"] = [0.5, 0.25]
        return found

    page = dashboard.open("/ui/article?step=8", {f"POST {STEP}": answer})
    expect(page.get_by_role("heading", name="Order layerwise")).to_be_visible()
    expect(page.get_by_role("heading", name="Order together")).to_be_visible()
    expect(page.locator(".orders")).to_contain_text("0: 0.5, 1: 0.25")
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_text("The same numbers in both orders of updates.")).to_be_visible()


def test_a_refused_image_is_a_message_with_its_reason(dashboard: Dashboard) -> None:
    refused = Reply.problem(422, "validation_failed", "index: must be less than the number of images, 40; got 99")
    page = dashboard.open("/ui/article?index=99", {STEP: refused})
    expect(page.get_by_role("alert")).to_contain_text("must be less than the number of images, 40")


def test_without_a_data_set_the_step_takes_an_image_of_the_digits(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/article", {"GET /v1/datasets": {"items": [], "next": None, "built_in": [UNUSED]}})
    expect(page.get_by_role("button", name="Step")).to_be_visible()
    assert {json.loads(request.post_data or "")["dataset"] for request in dashboard.sent("POST", STEP)} == {"digits"}
    expect(page.get_by_label("Data set")).to_contain_text("mnist")
