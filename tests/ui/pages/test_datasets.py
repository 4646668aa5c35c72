"""The pages of the data sets: upload, list, images, checks, corrections."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Request, expect

from tests.ui.conftest import ORIGIN, Dashboard, Reply, stop_clock
from tests.ui.pages.images import images_of, query_of

HOSTILE = ["<img src=x onerror=alert(1)>", "a\u202etxt.exe\x00\x1b[31m", "ש" * 127]


@pytest.fixture
def dataset(dashboard: Dashboard) -> dict[str, Any]:
    """The document's example, whose page is opened by its name."""
    found: dict[str, Any] = dashboard.example("GET", "/v1/datasets/shapes")
    path = f"/v1/datasets/{quote(found['id'], safe='')}"
    dashboard.answers |= {
        "/v1/datasets/shapes": found,
        f"{path}/images": images_of(found["splits"]["train"], len(found["classes"])),
        "/v1/datasets/shapes/summary": dashboard.example("GET", "/v1/datasets/shapes/summary"),
        f"{path}/near-pairs": dashboard.example("GET", f"{path}/near-pairs"),
    }
    return found


def drop(page: Page, name: str) -> None:
    """Drop a file on the page's place for files."""
    page.locator(".drop").evaluate(
        """(place, name) => {
          const moved = new DataTransfer();
          moved.items.add(new File(["PK"], name));
          place.dispatchEvent(new DragEvent("drop", { dataTransfer: moved, cancelable: true }));
        }""",
        name,
    )


def test_without_data_sets_the_page_offers_first_steps(dashboard: Dashboard) -> None:
    unused = {"name": "digits", "content": "images of 8 × 8", "origin": "included", "prepared": False}
    page = dashboard.open("/ui/datasets", {"GET /v1/datasets": {"items": [], "next": None, "built_in": [unused]}})
    expect(page.get_by_role("link", name="digits", exact=True)).to_have_attribute("href", "/ui/datasets/digits")
    expect(page.get_by_text("images of 8 × 8; prepared at its first use")).to_be_visible()


def test_an_upload_by_drop_says_what_was_skipped(dashboard: Dashboard, dataset: dict[str, Any]) -> None:
    skipped = {"image_damaged": {"count": 12, "names": ["train/0/a\u202e.png"]}}
    page = dashboard.open("/ui/datasets", {"POST /v1/datasets": Reply.problem(422, "dataset_images", "too many")})
    drop(page, "My Shapes (1).tar.gz")
    expect(page.get_by_label("Name")).to_have_value("my-shapes-1-")
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("too many")
    dashboard.answers["POST /v1/datasets"] = dataset | {"skipped": skipped, "warnings": ["few images"]}
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_text("12 skipped: damaged images").click()
    expect(page.get_by_text("train/0/a⟨U+202E⟩.png")).to_be_visible()
    expect(page.get_by_text("1 of 12 are shown.")).to_be_visible()
    assert query_of(dashboard.sent("POST", "/v1/datasets")[-1])["name"] == "my-shapes-1-"


def test_a_large_file_is_sent_in_chunks_and_continues_after_an_error(
    dashboard: Dashboard, dataset: dict[str, Any]
) -> None:
    size, chunk = 65 << 20, 16 << 20
    upload = dashboard.example("POST", "/v1/uploads")
    path = f"/v1/uploads/{upload['id']}"
    received, failures = [0], [Reply.problem(503, "redis_unavailable", "it does not answer")]

    def append(request: Request) -> Reply:
        if failures:
            return failures.pop()
        assert int(request.headers["upload-offset"]) == received[0]
        received[0] = min(received[0] + chunk, size)
        return Reply(204)

    page = dashboard.open("/ui/datasets", {
        "POST /v1/uploads": upload,
        f"PATCH {path}": append,
        f"GET {path}": lambda _: {**upload, "offset": received[0]},
        f"DELETE {path}": Reply(204),
        "POST /v1/datasets": dataset,
    })  # fmt: skip
    page.evaluate("size => Object.defineProperty(File.prototype, 'size', { get: () => size })", size)
    drop(page, "large.zip")
    with page.expect_request(lambda one: one.method == "DELETE"):
        page.get_by_role("button", name="Upload", exact=True).click()
    assert [one.headers["upload-length"] for one in dashboard.sent("POST", "/v1/uploads")] == [str(size)]
    offsets = [int(one.headers["upload-offset"]) for one in dashboard.sent("PATCH", path)]
    assert offsets == [0, 0, chunk, 2 * chunk, 3 * chunk, 4 * chunk]
    assert dashboard.sent("POST", "/v1/datasets")[-1].post_data_json == {"upload": upload["id"]}
    assert page.evaluate("localStorage.length") == 0


def test_a_large_file_continues_after_a_reload_of_the_page(dashboard: Dashboard, dataset: dict[str, Any]) -> None:
    size, chunk = 65 << 20, 16 << 20
    upload = dashboard.example("POST", "/v1/uploads")
    path = f"/v1/uploads/{upload['id']}"
    received, line_works = [0], [True]

    def append(request: Request) -> Reply:
        if not line_works[0]:
            return Reply.problem(503, "redis_unavailable", "it does not answer")
        received[0] = min(int(request.headers["upload-offset"]) + chunk, size)
        line_works[0] = received[0] != chunk
        return Reply(204)

    page = dashboard.open("/ui/datasets", {
        "POST /v1/uploads": upload,
        f"PATCH {path}": append,
        f"GET {path}": lambda _: {**upload, "offset": received[0]},
        f"DELETE {path}": Reply(204),
        "POST /v1/datasets": dataset,
    })  # fmt: skip
    same = "for (const [name, value] of [['size', %d], ['lastModified', 1]])" % size  # noqa: UP031 - braces of JavaScript
    same += " Object.defineProperty(File.prototype, name, { get: () => value })"
    page.evaluate(f"() => {{ {same} }}")
    drop(page, "large.zip")
    with page.expect_response(lambda one: one.request.method == "PATCH" and one.status == 503):
        page.get_by_role("button", name="Upload", exact=True).click()

    page.reload()
    line_works[0] = True
    page.evaluate(f"() => {{ {same} }}")
    drop(page, "large.zip")
    with page.expect_request(lambda one: one.method == "DELETE"):
        page.get_by_role("button", name="Upload", exact=True).click()

    assert len(dashboard.sent("POST", "/v1/uploads")) == 1
    offsets = [int(one.headers["upload-offset"]) for one in dashboard.sent("PATCH", path)]
    assert sorted(set(offsets)) == [0, chunk, 2 * chunk, 3 * chunk, 4 * chunk]
    assert offsets.count(0) == 1
    assert dashboard.sent("POST", "/v1/datasets")[-1].post_data_json == {"upload": upload["id"]}


def test_class_split_and_order_of_the_images_are_in_the_address(dashboard: Dashboard, dataset: dict[str, Any]) -> None:
    page = dashboard.open("/ui/datasets/shapes?split=test&order=random&seed=5")
    expect(page.get_by_role("combobox", name="Split")).to_have_value("test")
    expect(page.locator(".gallery-line")).to_contain_text("1 of ")
    label = dataset["classes"][1]
    with page.expect_request(lambda one: query_of(one).get("class") == label) as sent:
        page.get_by_role("combobox", name="Class", exact=True).select_option(label)
    page.wait_for_url(f"{ORIGIN}/ui/datasets/shapes?split=test&order=random&seed=5&class={label}")
    assert sent.value.url.split("?")[0].endswith("/images")
    assert {**query_of(sent.value), "from": "0", "count": "32"} == {
        "split": "test", "class": label, "order": "random", "seed": "5", "from": "0", "count": "32",
        "paths": "true",
    }  # fmt: skip


def test_hostile_names_are_shown_as_text_and_break_no_layout(dashboard: Dashboard, dataset: dict[str, Any]) -> None:
    summary = dashboard.example("GET", "/v1/datasets/shapes/summary")
    dataset["classes"] = HOSTILE
    summary["classes"] = [{**summary["classes"][0], "label": label} for label in HOSTILE]
    dashboard.answers["/v1/datasets/shapes/summary"] = summary
    dashboard.page.set_viewport_size({"width": 390, "height": 800})
    page = dashboard.open("/ui/datasets/shapes")
    expect(page.locator(".means li")).to_have_count(3)
    assert page.locator("[onerror]").count() == 0
    assert "\u202e" not in page.locator("main").inner_text()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_a_check_shows_its_images_and_stays_open_by_the_address(dashboard: Dashboard, dataset: dict[str, Any]) -> None:
    page = dashboard.open("/ui/datasets/shapes")
    page.get_by_text("Equal images in several splits: 2 images in 1 groups").click()
    expect(page.get_by_role("listbox", name="Equal images in several splits")).to_be_visible()
    page.wait_for_function("() => location.search === '?check=between_splits'")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.gallery-line')].at(-1).textContent.startsWith('1 of 2 · ')"
    )
    page.reload()
    expect(page.get_by_role("listbox", name="Equal images in several splits")).to_be_visible()


def test_near_pairs_are_waited_for_and_shown_side_by_side(dashboard: Dashboard, dataset: dict[str, Any]) -> None:
    path = f"/v1/datasets/{quote(dataset['id'], safe='')}/near-pairs"
    busy = Reply.problem(503, "near_pairs_busy", "the search runs")
    answers = iter([busy, dashboard.example("GET", path)])
    page = dashboard.open("/ui/datasets/shapes?check=near_pairs", {path: lambda _: next(answers)})
    expect(page.get_by_text("Nearly equal to a training image: 161 images")).to_be_visible()
    expect(page.locator(".gallery-line").last).to_have_text("1 of 1 · 1/<b>⟨U+202E⟩⟨U+000A⟩3070.png: 1, 1: 0.992")
    read = [query_of(one) for one in dashboard.requests if "indices" in one.url]
    assert sorted((query["split"], query["indices"]) for query in read) == [("test", "3070"), ("train", "27111")]


def test_a_data_set_that_does_not_exist_is_said(dashboard: Dashboard) -> None:
    problem = Reply.problem(404, "dataset_not_found", "there is no data set nothing")
    page = dashboard.open("/ui/datasets/nothing", {"/v1/datasets/nothing": problem})
    expect(page.get_by_role("alert")).to_contain_text("there is no data set nothing")


def test_a_deleted_data_set_can_be_restored_for_some_seconds(dashboard: Dashboard, dataset: dict[str, Any]) -> None:
    dashboard.page.clock.install()
    page = dashboard.open("/ui/datasets/shapes")
    expect(page.get_by_role("button", name="Delete")).to_be_visible()
    stop_clock(page)
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{ORIGIN}/ui/datasets")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url(f"{ORIGIN}/ui/datasets/shapes")
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{ORIGIN}/ui/datasets")
    with page.expect_request(lambda request: request.method == "DELETE") as sent:
        page.clock.run_for(6000)
    assert sent.value.url == f"{ORIGIN}/v1/datasets/shapes"


def test_relabelled_and_removed_images_make_a_new_data_set(dashboard: Dashboard, dataset: dict[str, Any]) -> None:
    classes = dataset["classes"]
    path = f"/v1/datasets/{quote(dataset['id'], safe='')}"
    dashboard.answers |= {path: dataset, f"{path}/derive": dataset | {"name": "shapes-2"}}
    model = dashboard.example("GET", "/v1/models/digits")
    model["latest"] |= {"model": "digits", "version": 3, "dataset": dataset["id"]}
    dashboard.answers |= {"/v1/models": {"items": [model], "next": None}}
    page = dashboard.open("/ui/datasets/shapes")
    expect(page.locator(".gallery-line")).to_contain_text(f" · {classes[0]}")
    page.get_by_role("listbox", name="Images of the data set").focus()
    for key in ["ArrowRight", "x", "Shift+ArrowRight"]:
        page.keyboard.press(key)
    page.get_by_role("button", name=f"{classes[0]} {classes[0]}").click()
    page.get_by_role("listbox", name="Images of the data set").focus()
    page.keyboard.press("-")
    expect(page.get_by_text("2 corrected")).to_be_visible()
    page.get_by_role("button", name="Make the corrected data set").click()
    expect(page.get_by_role("link", name="Train on it with")).to_have_attribute("href", "/ui/train?dataset=shapes-2")
    (sent,) = dashboard.sent("POST", f"{path}/derive")
    assert json.loads(sent.post_data or "") == {
        "add": [],
        "relabel": [{"split": "train", "index": 1, "label": classes[0]}],
        "remove": [{"split": "train", "index": 2}],
    }
    assert query_of(sent) == {}  # the name moves, unless somebody else has moved it
    page.get_by_role("button", name="Train digits again").click()
    page.wait_for_url("**/ui/jobs/*")
    (started,) = dashboard.sent("POST", "/v1/training-jobs")
    assert started.post_data_json == {"model": "digits", "like": "digits@3", "dataset": dataset["id"]}
