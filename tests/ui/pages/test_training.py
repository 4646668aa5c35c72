"""The page of a job: a training live and afterwards, and the plain page of other kinds."""

from __future__ import annotations

import json
import struct
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page, Request, expect

from api.schema.examples import EPOCH, EVALUATION_JOB, JOB_ID, REPRODUCTION_JOB, TRAINING_JOB
from tests.ui.conftest import ORIGIN, Dashboard, Reply, stop_clock

PATH = f"/ui/jobs/{JOB_ID}"
JOB = f"/v1/jobs/{JOB_ID}"
HISTORY = f"{JOB}/history"
RUNNING = {**TRAINING_JOB, "state": "running", "finished_at": None, "result": None}
RUNNING["progress"] = {"done": 1, "total": 10, "unit": "epochs", "eta_seconds": 4.0}
HOSTILE = "<img src=x onerror=alert(1)> \u202egnp.exe\x00 " + "W" * 255


def epochs(first: int, last: int, **values: Any) -> dict[str, Any]:
    """Return a page of a history; the losses are 1, 1/2, 1/3 …"""
    numbers = range(first, last + 1)
    return {"items": [EPOCH | {"epoch": n, "train_loss": 1 / n, **values} for n in numbers], "next": None}


def stream(*events: dict[str, Any], kind: str = "training") -> Reply:
    """Return a stream of all jobs' events that ends after these."""
    text = "retry: 60000\n\n"
    for number, event in enumerate(events):
        data = {"time": "2026-01-31T12:00:05Z", "job": JOB_ID, "kind": kind, "model": "digits", "data": event["data"]}
        text += f"id: {number + 1}-0\nevent: {event['type']}\ndata: {json.dumps(data)}\n\n"
    return Reply(200, text.encode(), {"Content-Type": "text/event-stream"})


def tensors(metadata: dict[str, str] | None = None, /, **arrays: Any) -> bytes:
    """Return a safetensors file."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    data = b""
    for name, array in arrays.items():
        end = len(data) + array.nbytes
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [len(data), end]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def loss(page: Page) -> Any:
    return expect(page.get_by_role("slider", name="Loss"))


def test_a_training_that_has_ended_shows_its_curves_its_result_and_its_first_layer(dashboard: Dashboard) -> None:
    weights = Reply(206, tensors(**{"layer1.weights": np.ones((64, 3), np.float32)}))
    answers = {HISTORY: epochs(1, 10), "/v1/models/digits/versions/3/weights": weights}
    page = dashboard.open(PATH, answers)
    loss(page).to_have_attribute("aria-valuetext", "epoch 10: train 0.1, validation 0.36")
    expect(page.get_by_role("link", name="97.41 %")).to_have_attribute("href", "/ui/models/digits/3")
    expect(page.get_by_text("All 3 units")).to_be_visible()
    expect(page.get_by_text("mean -0.0021, standard deviation 0.062")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    assert page.title() == "Training of digits – Glassbox"


def test_the_first_layer_is_shown_while_the_training_runs_and_by_epoch_afterwards(dashboard: Dashboard) -> None:
    metadata = {"job": JOB_ID, "epochs": "4", "steps": "40"}
    layer = {"layer1.weights": np.ones((64, 3), np.float32)}
    answers = {
        JOB: RUNNING,
        HISTORY: epochs(1, 10),
        f"{JOB}/weights": Reply(200, tensors(metadata, **layer)),
        "/v1/models/digits/versions/3/weights": Reply(206, tensors(**layer)),
    }
    page = dashboard.open(PATH, answers)
    expect(page.get_by_text("after epoch 4", exact=True)).to_be_visible()
    dashboard.answers[JOB] = TRAINING_JOB
    page.evaluate("() => new BroadcastChannel('glassbox.live').postMessage({ type: 'missed' })")
    expect(page.get_by_text("after epoch 10", exact=True)).to_be_visible()
    page.get_by_label("Epoch of the weights").press("ArrowLeft")
    expect(page.get_by_text("after epoch 4", exact=True)).to_be_visible()


def test_an_epoch_appears_when_it_happens(dashboard: Dashboard) -> None:
    progress = {"done": 2, "total": 10, "unit": "epochs", "eta_seconds": 3.0}
    event = {"type": "epoch", "data": {"progress": progress, "metrics": EPOCH | {"epoch": 2, "train_loss": 0.25}}}
    page = dashboard.open(PATH, {JOB: RUNNING, HISTORY: epochs(1, 1), "/v1/events": stream(event)})
    loss(page).to_have_attribute("aria-valuetext", "epoch 2: train 0.25, validation 0.36")
    expect(page.get_by_text("2 of 10 epochs")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "2")


def test_a_finding_about_a_running_training_leaves_the_page_when_it_no_longer_holds(dashboard: Dashboard) -> None:
    finding = {"code": "diverged", "message": "The training diverges.", "epoch": 3}
    sick = {**RUNNING, "diagnosis": [finding], "warnings": [finding["message"]]}
    page = dashboard.open(PATH, {JOB: sick, HISTORY: epochs(1, 3)})
    expect(page.get_by_text("The training diverges.")).to_be_visible()
    dashboard.answers[JOB] = {**RUNNING, "diagnosis": []}
    data = {"progress": RUNNING["progress"], "metrics": EPOCH | {"epoch": 4}}
    event = {
        "id": "4-0",
        "type": "epoch",
        "time": "",
        "job": JOB_ID,
        "kind": "training",
        "model": "digits",
        "data": data,
    }
    send = "event => new BroadcastChannel('glassbox.live').postMessage(event)"
    page.evaluate(send, event)
    expect(page.get_by_text("The training diverges.")).to_have_count(0)


def test_a_job_is_read_again_when_its_state_changes(dashboard: Dashboard) -> None:
    states = iter([RUNNING])
    answers = {JOB: lambda _: next(states, TRAINING_JOB), HISTORY: epochs(1, 3)}
    page = dashboard.open(PATH, {**answers, "/v1/events": stream({"type": "state", "data": {"state": "succeeded"}})})
    expect(page.get_by_text("● succeeded")).to_be_visible()
    expect(page.get_by_role("link", name="97.41 %")).to_be_visible()


def test_a_deleted_job_keeps_its_last_state_in_sight(dashboard: Dashboard) -> None:
    page = dashboard.open(PATH, {HISTORY: epochs(1, 3), "/v1/events": stream({"type": "deleted", "data": {}})})
    expect(page.get_by_text("This job was deleted.")).to_be_visible()
    loss(page).to_have_attribute("aria-valuetext", "epoch 3: train 0.333, validation 0.36")
    expect(page.get_by_role("button", name="Delete")).to_be_hidden()


def test_a_missing_job_is_an_error_with_another_attempt(dashboard: Dashboard) -> None:
    page = dashboard.open(PATH, {JOB: Reply.problem(404, "job_not_found", "there is no job of this id")})
    expect(page.get_by_role("alert")).to_contain_text("there is no job of this id")
    dashboard.answers[JOB] = TRAINING_JOB
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("● succeeded")).to_be_visible()


def test_a_long_history_is_read_in_pages(dashboard: Dashboard) -> None:
    def history(request: Request) -> dict[str, Any]:
        after = int(parse_qs(urlsplit(request.url).query).get("after", ["0"])[0])
        return epochs(after + 1, after + 500) | {"next": str(after + 500) if after < 2500 else None}

    page = dashboard.open(PATH, {HISTORY: history})
    expect(page.get_by_text("Epoch 3,000 of 10")).to_have_count(0)
    loss(page).to_have_attribute("aria-valuemax", "3000")
    assert len(dashboard.sent("GET", HISTORY)) == 6


def test_what_was_not_measured_is_said(dashboard: Dashboard) -> None:
    unmeasured: dict[str, Any] = {
        "validation_loss": None,
        "validation_accuracy": None,
        "gradient_norm": None,
        "layer_gradient_norms": [],
        "dead_units": [],
    }
    page = dashboard.open(PATH, {HISTORY: epochs(1, 2, **unmeasured)})
    said = "Not measured: validation (there are no validation images), gradient norm, each layer."
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("slider", name="Gradient norm")).to_be_hidden()


def test_each_layer_has_its_gradient_and_its_dead_units_under_the_cursor_of_all_charts(dashboard: Dashboard) -> None:
    page = dashboard.open(PATH, {HISTORY: epochs(1, 3)})
    loss(page).to_have_attribute("aria-valuemax", "3")
    page.get_by_role("slider", name="Loss").press("Home")
    norm = page.get_by_role("slider", name="Layer 3: gradient norm")
    expect(norm).to_have_attribute("aria-valuetext", "epoch 1: train 0.348")
    dead = page.get_by_role("slider", name="Layer 2: dead units")
    expect(dead).to_have_attribute("aria-valuetext", "epoch 1: train 1.60 %")
    expect(page.get_by_role("slider", name="dead units")).to_have_count(2)


def test_another_training_is_laid_over_and_stays_in_the_address(dashboard: Dashboard) -> None:
    other = JOB_ID[:-1] + "9"
    jobs = {"items": [TRAINING_JOB, {**TRAINING_JOB, "id": other}], "next": None}
    answers = {HISTORY: epochs(1, 2), f"/v1/jobs/{other}/history": epochs(1, 4), "/v1/jobs": jobs}
    page = dashboard.open(PATH, answers)
    page.get_by_label("Compare with").select_option(other)
    page.wait_for_url(f"{ORIGIN}{PATH}?with={other}")
    loss(page).to_have_attribute("aria-valuemax", "4")
    page.reload()
    expect(page.get_by_label("Compare with")).to_have_value(other)
    loss(page).to_have_attribute("aria-valuemax", "4")


def test_the_race_of_the_preset_auto_is_shown_while_it_runs(dashboard: Dashboard) -> None:
    trial = {"rung": 0, "epochs": 14, "standard_error": 0.01, "validation_accuracy": 0.97}
    events = [
        ("selection", {"trials": 9, "candidates": 6, "validation_images": 287}),
        ("trial", trial | {"candidate": 0, "validation_loss": 0.2}),
        ("trial", trial | {"candidate": 1, "validation_loss": 0.1}),
    ]
    time = "2026-01-31T12:00:05Z"
    items = [{"id": f"{n}-0", "type": kind, "time": time, "data": data} for n, (kind, data) in enumerate(events)]
    job = {**RUNNING, "request": {"model": "digits", "dataset": "digits", "preset": "auto"}}
    empty: dict[str, Any] = {"items": [], "next": None}
    page = dashboard.open(PATH, {JOB: job, HISTORY: empty, f"{JOB}/events": {"items": items, "next": None}})
    expect(page.get_by_text("6 candidates, 2 of 9 trials")).to_be_visible()
    assert page.get_by_role("list", name="Rung 1").get_by_role("listitem").all_inner_texts()[0].startswith("2 (97.0 %)")


def test_the_race_of_a_version_names_the_winner(dashboard: Dashboard) -> None:
    job = {**TRAINING_JOB, "request": {"model": "digits", "dataset": "digits", "preset": "auto"}}
    page = dashboard.open(PATH, {JOB: job, HISTORY: epochs(1, 2)})
    expect(page.get_by_text("★ Candidate 1 won: learning rate 0.003.")).to_be_visible()


def test_a_failed_job_says_why_and_is_retried(dashboard: Dashboard) -> None:
    failed = {**RUNNING, "state": "failed", "finished_at": "2026-01-31T12:00:09Z"}
    failed["error"] = {"code": "poison", "detail": "three attempts were lost"}
    answers = {JOB: failed, HISTORY: epochs(1, 1), f"{JOB}/retry": {**RUNNING, "state": "queued"}}
    page = dashboard.open(PATH, answers)
    expect(page.get_by_text("three attempts were lost")).to_be_visible()
    expect(page.get_by_text("read the worker's log")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("○ queued")).to_be_visible()


def test_a_job_that_waits_says_why(dashboard: Dashboard) -> None:
    waiting = {"code": "no_workers", "detail": "no training worker is online"}
    page = dashboard.open(PATH, {JOB: {**RUNNING, "state": "queued", "waiting": waiting}, HISTORY: epochs(1, 0)})
    expect(page.get_by_text("It waits: no training worker is online")).to_be_visible()
    expect(page.get_by_text("no values yet").first).to_be_visible()


def test_a_running_job_is_cancelled(dashboard: Dashboard) -> None:
    answers = {JOB: RUNNING, HISTORY: epochs(1, 1), f"{JOB}/cancel": {**RUNNING, "state": "cancelling"}}
    page = dashboard.open(PATH, answers)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("◐ cancelling")).to_be_visible()


def test_a_deletion_can_be_undone(dashboard: Dashboard) -> None:
    access = {"key_required": False, "key": None, "scopes": ["read", "submit", "manage"]}
    dashboard.page.clock.install()
    page = dashboard.open(PATH, {"/v1/me": access, HISTORY: epochs(1, 2)})
    expect(page.get_by_role("button", name="Delete")).to_be_visible()
    stop_clock(page)
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{ORIGIN}/ui/")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url(f"{ORIGIN}{PATH}")
    expect(page.get_by_text("● succeeded")).to_be_visible()
    assert dashboard.sent("DELETE", JOB) == []


def test_a_key_without_the_scope_cannot_press_the_buttons(dashboard: Dashboard) -> None:
    access = {"key_required": True, "key": "reader", "scopes": ["read"]}
    page = dashboard.open(PATH, {"/v1/me": access, JOB: RUNNING, HISTORY: epochs(1, 1)})
    button = page.get_by_role("button", name="Cancel")
    expect(button).to_be_disabled()
    button.focus()
    page.keyboard.press("Enter")  # a tooltip needs a mouse
    expect(page.get_by_text("The key lacks the scope submit")).to_be_visible()
    assert dashboard.sent("POST", f"{JOB}/cancel") == []


def test_texts_from_outside_are_text_and_break_no_layout(dashboard: Dashboard) -> None:
    job = {**TRAINING_JOB, "warnings": [HOSTILE], "request": {"model": HOSTILE, "dataset": HOSTILE, "preset": "fast"}}
    job["result"] = {**TRAINING_JOB["result"], "model": HOSTILE}
    dashboard.page.set_viewport_size({"width": 390, "height": 800})
    page = dashboard.open(PATH, {JOB: job, HISTORY: epochs(1, 2)})
    expect(page.get_by_text("⟨U+202E⟩gnp.exe⟨U+0000⟩").first).to_be_visible()
    expect(page.locator("img")).to_have_count(0)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "All numbers agree bit for bit"),
        (
            {
                "reproduced": False,
                "differing_numbers": 1204,
                "first_difference": {"parameter": "layer1.weights", "index": [3, 7], "expected": 0.5, "got": 0.25},
            },
            "1,204 numbers differ; the first is layer1.weights[3, 7]: 0.5 before, 0.25 now",
        ),
    ],
)
def test_a_reproduction_says_whether_the_bits_agree(dashboard: Dashboard, changes: dict[str, Any], said: str) -> None:
    page = dashboard.open(PATH, {JOB: {**REPRODUCTION_JOB, "result": {**REPRODUCTION_JOB["result"], **changes}}})
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("heading", name="Reproduction of digits@champion")).to_be_visible()


def test_an_evaluation_shows_its_confusion_and_opens_the_images_of_a_cell(dashboard: Dashboard) -> None:
    page = dashboard.open(PATH, {JOB: EVALUATION_JOB})
    expect(page.get_by_role("heading", name="Evaluation of digits@champion")).to_be_visible()
    expect(page.get_by_text("97.20 %")).to_be_visible()
    with page.expect_response(lambda response: "/predictions?" in response.url and "&predicted=" in response.url):
        page.get_by_role("table", name="Confusion matrix").get_by_role("button").nth(1).click()
    page.wait_for_url("**?label=*&predicted=*")
    queries = [parse_qs(urlsplit(request.url).query) for request in dashboard.sent("GET", f"{JOB}/predictions")]
    assert queries[0]["wrong"] == ["true"]
    assert queries[-1].keys() >= {"label", "predicted"}
    images = page.locator(".panel").filter(has=page.get_by_role("heading", name="Images", exact=True))
    images.get_by_text("As code").click()
    (label,), (predicted,) = queries[-1]["label"], queries[-1]["predicted"]
    shown = [f"label={label}&predicted={predicted}", f'label="{label}", predicted="{predicted}"']
    expect(images.locator(".recipe pre")).to_contain_text(shown)


def test_the_log_is_read_when_it_is_opened(dashboard: Dashboard) -> None:
    warning = {"code": "overfits", "message": "it overfits"}
    items = [
        {"id": "1-0", "type": "state", "time": "2026-01-31T12:00:05Z", "data": {"state": "running", "attempt": 2}},
        {"id": "2-0", "type": "epoch", "time": "2026-01-31T12:00:06Z", "data": {"metrics": EPOCH}},
        {"id": "3-0", "type": "warning", "time": "2026-01-31T12:00:07Z", "data": warning},
    ]
    page = dashboard.open(PATH, {HISTORY: epochs(1, 2), f"{JOB}/events": {"items": items, "next": None}})
    expect(page.get_by_role("link", name="97.41 %")).to_be_visible()
    assert dashboard.sent("GET", f"{JOB}/events") == []
    page.get_by_text("Attempts, warnings, checkpoints").click()
    expect(page.locator(".log li")).to_have_text(
        ["12:00:05 state running · attempt 2", '12:00:07 warning it overfits · {"code":"overfits"}']
    )
