"""The pages of the batches: an archive, rows by confidence, filters, errors, corrections."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.ui.conftest import ORIGIN, Dashboard, Reply
from tests.ui.pages.images import images_of, query_of
from tests.ui.pages.test_datasets import drop

JOB = "01k8z4y6w9m3n5p7q1r2s4t6v8"
PATH = f"/v1/jobs/{JOB}"
ROWS = 10_000


def rows(request: Request) -> dict[str, Any]:
    """Answer a request for a page of 10,000 rows with hostile paths."""
    query = query_of(request)
    start, limit = int(query.get("after") or 0), int(query["limit"])
    found = [
        {"index": i, "path": f"<b>{i}</b>\u202e.png", "label": str(i % 3), "confidence": 0.3 + i / 20_000,
         "top": [{"label": str(i % 3), "probability": 0.3 + i / 20_000}]}
        for i in range(start, min(ROWS, start + limit))
    ]  # fmt: skip
    return {"items": found, "next": str(start + limit) if start + limit < ROWS else None}


@pytest.fixture
def batch(dashboard: Dashboard) -> Dashboard:
    """A batch of 10,000 rows and two errors."""
    job = dashboard.example("GET", "/v1/jobs", 0)["items"][0] | {"id": JOB, "kind": "batch", "state": "succeeded"}
    job |= {"request": {"model": "digits"}, "result": {"model": "digits", "version": 3}, "error": None}
    job |= {
        "progress": {"done": ROWS, "total": ROWS, "unit": "images", "eta_seconds": 0},
        "finished_at": job["created_at"],
    }
    bins = [0] * 6 + [1000] * 10 + [0] * 4
    edges = [round(i / 20, 2) for i in range(21)]
    labels = [{"label": "0", "count": ROWS, "bins": bins}, {"label": "1", "count": 0, "bins": [0] * 20}]
    codes = [{"code": "not_an_image", "count": 2}]
    version = dashboard.example("GET", "/v1/models/digits/versions/3") | {"model": "digits", "version": 3}
    lines = [{"path": f"notes{i}.txt", "code": "not_an_image", "detail": "begins with 'PK'"} for i in range(2)]
    dashboard.answers |= {
        PATH: job,
        f"{PATH}/results/summary": {"rows": ROWS, "errors": 2, "edges": edges, "labels": labels, "codes": codes},
        f"{PATH}/results/rows": rows,
        f"{PATH}/images": images_of(ROWS),
        f"{PATH}/errors": Reply(200, "".join(json.dumps(line) + "\n" for line in lines).encode(), {}),
        "/v1/models/digits/versions/3": version | {"classes": ["0", "1", "2", "cat"]},
    }  # fmt: skip
    return dashboard


def ready(page: Page) -> None:
    expect(page.locator(".gallery-line")).to_contain_text("<b>0</b>⟨U+202E⟩.png: 0 30.0 %")


def test_an_archive_is_classified_by_drop(batch: Dashboard) -> None:
    page = batch.open("/ui/batches?model=digits@champion", {"POST /v1/batch-jobs": batch.answers[PATH]})
    drop(page, "images.zip")
    page.get_by_role("button", name="Classify").click()
    page.wait_for_url(f"{ORIGIN}/ui/batches/{JOB}")
    assert query_of(batch.sent("POST", "/v1/batch-jobs")[0]) == {
        "model": "digits@champion",
        "top_k": "3",
        "invert": "auto",
    }


def test_of_10000_rows_only_those_in_sight_are_read(batch: Dashboard) -> None:
    page = batch.open(f"/ui/batches/{JOB}")
    ready(page)
    expect(page.get_by_text("10,000 of 10,000 images are shown.")).to_be_visible()
    assert len(batch.sent("GET", f"{PATH}/results/rows")) == 1


def test_rows_beyond_10000_are_on_further_pages(batch: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROWS", 23_000)
    summary = batch.answers[f"{PATH}/results/summary"]
    summary |= {"rows": 23_000}
    summary["labels"][0] |= {"count": 23_000, "bins": [0] * 6 + [2300] * 10 + [0] * 4}
    page = batch.open(f"/ui/batches/{JOB}")
    expect(page.get_by_text("10,000 of 23,000 images are shown.")).to_be_visible()
    page.get_by_role("button", name="Show the next 10,000").click()
    expect(page.get_by_text("10,001 to 20,000 of 23,000 images are shown.")).to_be_visible()
    expect(page.locator(".gallery-line")).to_contain_text("<b>10000</b>")
    page.get_by_role("button", name="Show the next 10,000").click()
    expect(page.get_by_text("20,001 to 23,000 of 23,000 images are shown.")).to_be_visible()
    expect(page.get_by_role("button", name="Show the next")).to_be_hidden()


def test_filter_and_order_are_in_the_address_and_in_the_request(batch: Dashboard) -> None:
    page = batch.open(f"/ui/batches/{JOB}?above=0.5&below=0.6")
    expect(page.get_by_text("2,000 of 10,000 images are shown.")).to_be_visible()
    page.get_by_role("combobox", name="Order").select_option("most_confident")
    page.get_by_role("searchbox", name="Path").fill("b>7")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.search === '?above=0.5&below=0.6&order=most_confident&path=b%3E7'")
    ready(page)
    assert query_of(batch.sent("GET", f"{PATH}/results/rows")[-1]) == {
        "above": "0.5", "below": "0.6", "path": "b>7", "order": "most_confident", "limit": "500",
    }  # fmt: skip
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("() => !location.search.includes('above')")


def test_an_image_opens_in_large_and_leads_to_the_glass_box(batch: Dashboard) -> None:
    page = batch.open(f"/ui/batches/{JOB}")
    ready(page)
    page.get_by_role("listbox", name="Images of the batch").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    box = page.get_by_role("dialog")
    expect(box).to_contain_text("<b>1</b>⟨U+202E⟩.png")
    expect(box.get_by_role("link")).to_have_attribute("href", f"/ui/glass/digits/3?job={JOB}&index=1")
    box.get_by_role("link").click()
    page.wait_for_url("**/ui/glass/digits/3?*")
    expect(box).to_be_hidden()


def test_errors_are_grouped_by_code_and_read_when_opened(batch: Dashboard) -> None:
    page = batch.open(f"/ui/batches/{JOB}")
    page.get_by_text("2 not an image").click()
    expect(page.get_by_text("notes1.txt")).to_be_visible()


def test_corrections_by_keyboard_become_a_new_data_set(batch: Dashboard) -> None:
    made = batch.example("GET", "/v1/datasets/shapes") | {"name": "shapes-2"}
    page = batch.open(f"/ui/batches/{JOB}")
    ready(page)
    page.get_by_role("listbox", name="Images of the batch").focus()
    for key in ["2", "3", "1", "Control+z"]:  # 3 is free, so it is the key of "cat"
        page.keyboard.press(key)
    expect(page.get_by_text("2 corrected")).to_be_visible()
    page.reload()
    expect(page.get_by_text("2 corrected")).to_be_visible()
    dataset = batch.answers["/v1/models/digits/versions/3"]["dataset"]
    path = f"/v1/datasets/{dataset.replace(':', '%3A')}"
    batch.answers |= {path: made, f"{path}/derive": made, f"/v1/datasets/{made['id'].replace(':', '%3A')}/derive": made}
    page.get_by_label("Name of the new one").fill("shapes-3")
    page.get_by_role("button", name="Add to the data set").click()
    expect(page.get_by_role("button", name="Train again")).to_be_visible()
    expect(page.get_by_role("link", name="Train on it with")).to_have_attribute(
        "href", "/ui/train?dataset=shapes-2&like=digits%403"
    )
    sent = next(one for one in batch.requests if one.method == "POST")
    assert query_of(sent) == {"name": "shapes-3", "split": "train"}
    assert json.loads(sent.post_data or "")["add"] == [
        {"job": JOB, "index": 0, "label": "2"},
        {"job": JOB, "index": 1, "label": "cat"},
    ]
    expect(page.get_by_text("2 corrected")).to_be_hidden()


def test_a_batch_without_its_model_is_still_shown(batch: Dashboard) -> None:
    gone = Reply.problem(404, "version_deleted", "digits@3 was deleted")
    page = batch.open(f"/ui/batches/{JOB}", {"/v1/models/digits/versions/3": gone, f"{PATH}/images": gone})
    expect(page.locator(".gallery-line")).to_have_text("The pictures could not be read: digits@3 was deleted")
    expect(page.get_by_role("button", name="Parquet")).to_be_visible()


def test_the_page_says_where_the_results_are(batch: Dashboard) -> None:
    job = batch.answers[PATH]
    assert isinstance(job, dict)
    sink = {"url": "s3://results/<run>/", "format": "csv", "complete": False, "parts": 3, "bytes": 9}
    request = job["request"] | {"sink": sink["url"], "sink_format": "csv"}
    page = batch.open(
        f"/ui/batches/{JOB}", {PATH: job | {"request": request, "result": job["result"] | {"sink": sink}}}
    )
    text = "Results in s3://results/<run>/ (csv) are incomplete there: 3 parts without manifest.json."
    expect(page.get_by_text(text)).to_be_visible()


def test_a_batch_that_ends_while_its_page_is_read_is_shown_as_ended(batch: Dashboard) -> None:
    ended = batch.answers[PATH]
    assert isinstance(ended, dict)
    states = iter(["running"])
    batch.answers |= {
        PATH: lambda _: ended | {"state": next(states, "succeeded")},
        "/v1/jobs": {"items": [ended], "next": None},
    }
    page = batch.open("/ui/batches")
    event = {"id": "7-0", "type": "state", "time": "", "job": JOB, "kind": "batch", "model": "digits", "data": {}}
    page.evaluate(
        """(event) => {
          const before = window.fetch;
          window.fetch = (url, ...rest) => {
            if (String(url).includes("/versions/")) new BroadcastChannel("glassbox.live").postMessage(event);
            return before(url, ...rest);
          };
        }""",
        event,
    )
    page.get_by_role("link", name=JOB[-6:]).first.click()
    ready(page)
    expect(page.locator(".state")).to_have_text("● succeeded")
