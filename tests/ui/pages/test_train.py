"""The form of a new training."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Page, Request, expect

from api.schema.examples import DATASET, JOB_ID, MODEL, PRESET, TRAINING_JOB, VERSION
from tests.ui.conftest import ORIGIN, Dashboard, Reply

PRESETS = {
    "items": [PRESET, {"name": "auto", "description": "Compares candidates.", "configuration": None}],
    "next": None,
}
ANSWERS: dict[str, Any] = {
    "/v1/presets": PRESETS,
    "/v1/datasets": {"items": [DATASET], "next": None},
    "/v1/models": {"items": [MODEL], "next": None},
    "POST /v1/training-jobs": TRAINING_JOB,
}


def open_form(dashboard: Dashboard, query: str = "", answers: dict[str, Any] | None = None) -> Page:
    return dashboard.open(f"/ui/train{query}", {**ANSWERS, **(answers or {})})


def sent(dashboard: Dashboard) -> list[Request]:
    return dashboard.sent("POST", "/v1/training-jobs")


def start(page: Page) -> None:
    page.get_by_role("button", name="Start the training").click()


def test_a_training_is_submitted_once_and_shown(dashboard: Dashboard) -> None:
    page = open_form(dashboard, "?dataset=digits")
    page.get_by_label("model", exact=True).fill("digits")
    page.get_by_label("epochs", exact=True).fill("10")
    start(page)
    page.wait_for_url(f"{ORIGIN}/ui/jobs/{JOB_ID}")
    [request] = sent(dashboard)
    assert request.post_data_json == {"model": "digits", "dataset": "digits", "epochs": 10}
    assert request.headers["idempotency-key"]


def test_the_preset_shows_its_values_until_others_are_given(dashboard: Dashboard) -> None:
    page = open_form(dashboard, "?preset=fast&dataset=digits")
    expect(page.get_by_label("epochs", exact=True)).to_have_attribute("placeholder", "8")
    expect(page.get_by_label("The network")).to_have_text("8 × 8 → 128 relu → 64 relu → 3 classes")
    page.get_by_label("hidden", exact=True).fill("32")
    expect(page.get_by_label("The network")).to_have_text("8 × 8 → 32 relu → 3 classes")


def test_an_estimate_follows_what_is_typed(dashboard: Dashboard) -> None:
    page = open_form(dashboard, "?model=digits&dataset=digits&preset=fast")
    expect(page.get_by_text("Estimate: 50,890 parameters, 204 MB of 2.1 GB of memory, 0.6 s – 1.1 s")).to_be_visible()
    dashboard.answers["/v1/training-jobs/estimate"] = Reply.problem(404, "dataset_not_found", "there is no data set")
    field = page.get_by_label("dataset", exact=True)
    field.fill("digit")
    expect(page.get_by_text("there is no data set")).to_be_visible()
    expect(field).to_be_focused()
    del dashboard.answers["/v1/training-jobs/estimate"]
    field.fill("digits")
    expect(page.get_by_text("50,890 parameters")).to_be_visible()
    assert sent(dashboard) == []


def test_a_key_that_may_only_read_asks_for_no_estimate(dashboard: Dashboard) -> None:
    access = {"key_required": True, "key": "viewer", "scopes": ["read"]}
    page = open_form(dashboard, "?model=digits&dataset=digits", {"/v1/me": access})
    expect(page.get_by_text("No estimate: The key lacks the scope submit")).to_be_visible()
    expect(page.get_by_role("button", name="Key: viewer (read)")).to_be_visible()
    assert sent(dashboard) == dashboard.sent("POST", "/v1/training-jobs/estimate") == []


def test_the_preset_auto_shows_one_of_its_candidates(dashboard: Dashboard) -> None:
    estimate = dashboard.example("POST", "/v1/training-jobs/estimate") | {"candidates": 6}
    page = open_form(dashboard, "?model=digits&dataset=digits", {"/v1/training-jobs/estimate": estimate})
    expect(page.get_by_label("The network")).to_have_text(
        "One of 6 candidates, such as 8 × 8 → 128 relu → 64 relu → 3 classes"
    )


def test_settings_stay_in_the_address(dashboard: Dashboard) -> None:
    page = open_form(dashboard, "")
    page.get_by_label("epochs", exact=True).fill("12")
    page.wait_for_url("**/ui/train?values=*")
    page.reload()
    expect(page.get_by_label("epochs", exact=True)).to_have_value("12")


def test_a_version_is_trained_again_with_its_settings(dashboard: Dashboard) -> None:
    configuration = {**PRESET["configuration"], "epochs": 20, "hidden": [7]}
    path = "/v1/models/digits/versions/3"
    page = open_form(dashboard, "?dataset=digits-2&like=digits@3", {path: {**VERSION, "configuration": configuration}})
    expect(page.get_by_label("epochs", exact=True)).to_have_attribute("placeholder", "20")
    expect(page.get_by_label("The network")).to_contain_text("7 relu")
    page.get_by_text("As code").click()
    page.get_by_label("epochs", exact=True).fill("5")
    expect(page.locator(".recipe pre").last).to_have_text(
        f"glassbox --url {ORIGIN} train digits-2 --model digits --like digits@3 --set epochs=5"
    )
    start(page)
    page.wait_for_url(f"{ORIGIN}/ui/jobs/{JOB_ID}")
    assert sent(dashboard)[0].post_data_json == {
        "model": "digits",
        "dataset": "digits-2",
        "like": "digits@3",
        "epochs": 5,
    }


def test_a_job_fills_the_form_convolutions_included(dashboard: Dashboard) -> None:
    wanted = {"model": "digits", "dataset": "digits", "convolutions": [{"filters": 16, "padding": "same"}]}
    page = open_form(dashboard, f"?job={JOB_ID}", {f"/v1/jobs/{JOB_ID}": {**TRAINING_JOB, "request": wanted}})
    start(page)
    page.wait_for_function("() => !location.search")
    assert sent(dashboard)[0].post_data_json == wanted


def test_an_error_stands_at_its_field_and_what_was_typed_stays(dashboard: Dashboard) -> None:
    errors = [{"pointer": "#/epochs", "detail": "must be at least 1; got 0"}]
    refused = Reply.problem(422, "validation_failed", "epochs: must be at least 1; got 0", errors=errors)
    page = open_form(dashboard, "?model=digits&dataset=digits", {"POST /v1/training-jobs": refused})
    field = page.get_by_label("epochs", exact=True)
    field.fill("0")
    start(page)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(page.get_by_text("must be at least 1; got 0")).to_be_visible()
    expect(page.get_by_role("button", name="Start the training")).to_be_enabled()


def test_a_second_attempt_after_a_lost_answer_has_the_same_key(dashboard: Dashboard) -> None:
    answers = iter([Reply.problem(503, "redis_unavailable", "Redis does not answer")])
    page = open_form(
        dashboard, "?model=digits&dataset=digits", {"POST /v1/training-jobs": lambda _: next(answers, TRAINING_JOB)}
    )
    start(page)
    expect(page.get_by_text("Redis does not answer")).to_be_visible()
    start(page)
    page.wait_for_url(f"{ORIGIN}/ui/jobs/{JOB_ID}")
    assert len({request.headers["idempotency-key"] for request in sent(dashboard)}) == 1


def test_the_same_training_is_shown_as_code(dashboard: Dashboard) -> None:
    values = {"optimizer": {"learning_rate": 0.01}, "standardize": True, "labels": {"why": "it's a test"}}
    page = open_form(dashboard, f"?model=digits&dataset=mnist&values={json.dumps(values)}")
    page.get_by_text("As code").click()
    expect(page.locator(".recipe pre")).to_have_count(3)
    curl, python, command = page.locator(".recipe pre").all_inner_texts()
    assert '"optimizer":{"learning_rate":0.01}' in curl
    assert 'model="digits"' in python
    assert "standardize=True" in python
    assert command == (
        f"glassbox --url {ORIGIN} train mnist --model digits --label 'why=it'\\''s a test'"
        " --set optimizer.learning_rate=0.01 --set standardize=true"
    )
