"""The board of jobs."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import expect

from tests.ui.conftest import Dashboard, Reply, stop_clock

HOSTILE = '<img src=x onerror="alert(1)">\u202eevil\u0007' + "n" * 220
LATE = """{
  const fetched = window.fetch;
  const answer = (state) => new Response(JSON.stringify({ ...JOB, state }));
  window.fetch = (url, ...options) => {
    if (!String(url).endsWith("ID")) return fetched(url, ...options);
    if (window.answerFirst) return Promise.resolve(answer("failed"));
    return new Promise((resolve) => {
      window.answerFirst = async () => {
        resolve(answer("running"));
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      };
    });
  };
}"""  # the first request for a job gets its answer after the second one


def jobs_of(dashboard: Dashboard, *changes: dict[str, Any]) -> dict[str, Any]:
    example = dashboard.example("GET", "/v1/jobs")["items"][0]
    items = [{**example, "id": f"01k8z4y6w9m3n5p7q1r2s4{index:04d}", **change} for index, change in enumerate(changes)]
    return {"items": items[::-1], "next": None}


def stream(number: int, event: dict[str, Any]) -> Reply:
    """Return a stream of one event that ends in the middle of another one."""
    text = f"id: {number}-0\nevent: {event['type']}\ndata: {json.dumps(event)}\n\nid: 99-0\nevent: state\ndata: {{"
    return Reply(200, text.encode(), {"Content-Type": "text/event-stream"})


def test_jobs_are_listed_with_state_result_and_links(dashboard: Dashboard) -> None:
    running = {
        "state": "running",
        "result": None,
        "finished_at": None,
        "progress": {"done": 3, "total": 10, "unit": "epochs", "eta_seconds": 7.2},
    }
    failed = {"state": "failed", "result": None, "error": {"code": "out_of_memory", "detail": "set GLASSBOX_MEMORY"}}
    waits = {
        "state": "queued",
        "result": None,
        "started_at": None,
        "finished_at": None,
        "progress": {"done": 0, "total": 9, "unit": "epochs", "eta_seconds": None, "place": 2, "starts_in_seconds": 12},
    }
    page = dashboard.open("/ui/", {"/v1/jobs": jobs_of(dashboard, {}, failed, running, waits)})
    rows = page.get_by_role("table", name="Jobs").locator("tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(0)).to_contain_text("place 2 in the queue, starts in about 12 s")
    expect(rows.nth(1)).to_contain_text("3 of 10 epochs, 7.2 s left")
    expect(rows.nth(2)).to_contain_text("out_of_memory set GLASSBOX_MEMORY")
    expect(rows.nth(3)).to_contain_text("97.4 % correct")
    expect(rows.nth(3).get_by_role("link", name="digits@3")).to_have_attribute("href", "/ui/models/digits/3")
    expect(page.get_by_role("heading", name="training s40002")).to_be_visible()  # the card of what runs now


def test_without_jobs_the_page_offers_first_steps(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/", {"GET /v1/jobs": {"items": [], "next": None}})
    page.get_by_role("button", name="Train on digits").click()
    page.wait_for_url("**/ui/jobs/*")
    (request,) = dashboard.sent("POST", "/v1/training-jobs")
    assert request.post_data_json == {"model": "digits", "dataset": "digits", "preset": "fast"}
    assert request.headers["idempotency-key"]


def test_a_filter_is_in_the_address_and_in_the_request(dashboard: Dashboard) -> None:
    page = dashboard.open("/ui/?kind=batch")
    with page.expect_request(lambda request: "/v1/jobs?" in request.url and "kind=batch&state=failed" in request.url):
        page.get_by_label("state").select_option("failed")
    page.wait_for_url("**/ui/?kind=batch&state=failed")
    expect(page.get_by_label("kind")).to_have_value("batch")
    page.get_by_text("As code").click()
    expect(page.locator(".recipe pre")).to_contain_text(
        [
            "/v1/jobs?kind=batch&state=failed'",
            'client.jobs.list(kind="batch", state="failed")',
            " jobs list --kind batch --state failed",
        ]
    )
    page.go_back()
    expect(page.get_by_label("state")).to_have_value("")


def test_jobs_are_cancelled_by_keyboard(dashboard: Dashboard) -> None:
    running = {"state": "running", "result": None}
    listed = jobs_of(dashboard, running, running)
    cancelled = {**listed["items"][0], "state": "cancelling"}
    path = f"/v1/jobs/{cancelled['id']}/cancel"
    page = dashboard.open("/ui/", {"/v1/jobs": listed, path: Reply(202, json.dumps(cancelled).encode())})
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="Cancel 1")).to_be_visible()
    page.keyboard.press("c")
    expect(page.locator("tbody tr").first).to_contain_text("cancelling")


def test_a_deletion_can_be_undone_before_it_is_sent(dashboard: Dashboard) -> None:
    dashboard.page.clock.install()
    page = dashboard.open("/ui/", {"/v1/jobs": jobs_of(dashboard, {}, {})})
    page.get_by_label("select all rows").check()
    expect(page.get_by_role("button", name="Delete 2")).to_be_visible()
    stop_clock(page)
    page.get_by_role("button", name="Delete 2").click()
    expect(page.locator("tbody tr")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    assert [request for request in dashboard.requests if request.method == "DELETE"] == []


def test_a_card_on_a_phone_can_be_selected_and_names_its_version_once(dashboard: Dashboard) -> None:
    dashboard.page.set_viewport_size({"width": 390, "height": 800})
    evaluation = {
        "kind": "evaluation",
        "request": {"model": "digits@champion"},
        "result": {"model": "digits", "version": 3},
    }
    page = dashboard.open("/ui/", {"/v1/jobs": jobs_of(dashboard, evaluation)})
    expect(page.get_by_role("link", name="digits@3", exact=True)).to_have_attribute("href", "/ui/models/digits/3")
    box = page.locator("tbody input").bounding_box()
    assert box is not None
    assert box["width"] > 10


def test_a_stream_that_is_cut_continues_after_its_last_whole_event(dashboard: Dashboard) -> None:
    listed = jobs_of(dashboard, {"state": "running", "result": None})
    job = {"job": listed["items"][0]["id"], "kind": "training", "model": "digits", "time": "2026-01-31T12:00:05.120Z"}
    progress = {"progress": {"done": 4, "total": 10, "unit": "epochs", "eta_seconds": 1}}
    warning = stream(1, {"type": "warning", "data": {}, **job})
    streams = iter([warning, stream(2, {"type": "epoch", "data": progress, **job})])
    answers = {"/v1/jobs": listed, "/v1/events": lambda _: next(streams, Reply(204))}
    page = dashboard.open("/ui/", answers)
    expect(page.locator("tbody tr")).to_contain_text("4 of 10 epochs")
    expect(page.locator(".live")).to_have_text("")  # 204: there is nothing to follow
    ids = [request.headers.get("last-event-id") for request in dashboard.sent("GET", "/v1/events")]
    assert ids == [None, "1-0", "2-0"]


def test_an_answer_that_comes_after_a_newer_one_is_dropped(dashboard: Dashboard) -> None:
    listed = jobs_of(dashboard, {"state": "running", "result": None})
    (job,) = listed["items"]
    event = {"job": job["id"], "kind": "training", "model": "digits", "time": "2026-01-31T12:00:05.120Z"}
    streams = iter([stream(number, {"type": "state", "data": {}, **event}) for number in (1, 2)])
    dashboard.page.add_init_script(LATE.replace("ID", job["id"]).replace("JOB", json.dumps(job)))
    page = dashboard.open("/ui/", {"/v1/jobs": listed, "/v1/events": lambda _: next(streams, Reply(204))})
    expect(page.locator("tbody tr")).to_contain_text("failed")
    page.evaluate("() => answerFirst()")
    expect(page.locator("tbody tr")).to_contain_text("failed")


def test_a_key_that_may_only_read_gets_no_actions(dashboard: Dashboard) -> None:
    access = {"key_required": True, "key": "viewer", "scopes": ["read"]}
    page = dashboard.open("/ui/", {"/v1/me": access, "/v1/jobs": jobs_of(dashboard, {})})
    page.get_by_label("select all rows").check()
    button = page.get_by_role("button", name="Delete 1")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", "The key lacks the scope manage")


def test_a_key_that_may_only_read_sends_no_cancellation_by_keyboard(dashboard: Dashboard) -> None:
    access = {"key_required": True, "key": "viewer", "scopes": ["read"]}
    running = jobs_of(dashboard, {"state": "running", "result": None, "finished_at": None})
    page = dashboard.open("/ui/", {"/v1/me": access, "/v1/jobs": running})
    page.locator("tbody tr").focus()
    page.keyboard.press("c")
    expect(page.get_by_role("alert")).to_have_text("The key lacks the scope submit")
    assert [request.url for request in dashboard.requests if request.method == "POST"] == []


def test_a_hostile_name_is_text_and_breaks_no_layout(dashboard: Dashboard) -> None:
    request = {"model": HOSTILE, "dataset": HOSTILE}
    failed = {"state": "failed", "result": None, "request": request, "error": {"code": "x", "detail": HOSTILE}}
    dashboard.page.set_viewport_size({"width": 390, "height": 800})
    page = dashboard.open("/ui/", {"/v1/jobs": jobs_of(dashboard, failed)})
    expect(page.locator("tbody tr")).to_contain_text("<img src=x")
    expect(page.locator("tbody tr")).to_contain_text("⟨U+202E⟩")
    assert page.locator("tbody img").count() == 0
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


def test_a_fault_of_redis_goes_when_redis_is_back(dashboard: Dashboard) -> None:
    system = dashboard.example("GET", "/v1/system")
    fault = {"code": "redis_unavailable", "detail": "Redis does not answer"}
    faults = iter([system | {"redis": system["redis"] | {"fault": fault}}])
    dashboard.page.clock.install()
    page = dashboard.open("/ui/", {"/v1/system": lambda _: next(faults, system), "/v1/jobs": jobs_of(dashboard, {})})
    expect(page.get_by_role("alert")).to_contain_text("Redis does not answer")
    page.clock.fast_forward(5000)
    expect(page.get_by_role("alert")).to_have_count(0)
