"""What people do, from the first page to the end, in a browser on a running service."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.support.data.archives import zip_of
from tests.support.data.folders import easy_folders
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack

LONG = {"model": "slow", "dataset": "digits", "preset": "fast", "epochs": 100_000}


def test_a_person_trains_a_first_network_and_looks_inside(visit: Page, picture: Callable[[str], None]) -> None:
    visit.wait_for_url("**/ui/")
    visit.get_by_role("button", name="Train on digits").click()
    visit.wait_for_url("**/ui/jobs/*")
    expect(visit.get_by_text("succeeded")).to_be_visible()
    expect(visit.locator("figure path").first).to_be_visible()
    picture("training")
    visit.get_by_role("link", name=re.compile(r"^9\d\.\d\d %$")).click()
    visit.wait_for_url("**/ui/models/digits/1")
    visit.get_by_role("heading", name="Confusion matrix").scroll_into_view_if_needed()
    expect(visit.get_by_text("misclassified test images")).to_be_visible()
    picture("version")
    visit.goto(f"{visit.url.split('/ui/')[0]}/ui/glass/digits/1?dataset=digits&split=test&index=3")
    expect(visit.get_by_text("The map sums to")).to_be_visible()
    expect(visit.get_by_role("heading", name="Nearest training images")).to_be_visible()
    picture("glass")
    visit.goto(f"{visit.url.split('/ui/')[0]}/ui/article?dataset=digits&index=17")
    visit.get_by_role("button", name="P", exact=True).click()
    expect(visit.get_by_text("def softmax")).to_be_visible()
    visit.get_by_role("heading", name="Step by step").scroll_into_view_if_needed()
    picture("article")


def test_a_person_uploads_a_folder_with_broken_files_and_sees_what_was_skipped(visit: Page) -> None:
    files = easy_folders() | {"ant/broken.png": b"\x89PNG\r\n\x1a\nbroken", "notes.txt": b"mine"}
    visit.get_by_role("link", name="Data sets").first.click()
    visit.get_by_label("Drop a zip or tar").set_input_files(
        {"name": "My pictures.zip", "mimeType": "application/zip", "buffer": zip_of(files)}
    )
    visit.get_by_label("Unreadable images").select_option("skip")
    visit.get_by_role("button", name="Upload").click()
    visit.get_by_text("1 skipped: not images").click()
    expect(visit.get_by_text("notes.txt")).to_be_visible()
    visit.get_by_text("1 skipped: damaged images").click()
    expect(visit.get_by_text("ant/broken.png")).to_be_visible()
    expect(visit.get_by_role("table", name="Data sets")).to_contain_text("my-pictures")
    visit.get_by_role("link", name="Open my-pictures").click()
    visit.wait_for_url("**/ui/datasets/my-pictures")
    expect(visit.locator("h1")).to_contain_text("my-pictures")


def test_a_person_cancels_a_training_and_retries_it(visit: Page, stack: Stack) -> None:
    job = stack.train(**LONG)["id"]
    row = visit.locator(f"tr[data-key='{job}']")
    expect(row).to_contain_text("running")
    row.focus()
    visit.keyboard.press("c")
    expect(row).to_contain_text("cancelled")
    visit.keyboard.press("r")
    expect(row).to_contain_text("running")
    stack.http.post(f"/v1/jobs/{job}/cancel")
    expect(row).to_contain_text("cancelled")


def test_the_page_recovers_by_itself_when_redis_is_back(visit: Page, stack: Stack, redis_of_stack: RedisServer) -> None:
    expect(visit.get_by_role("table", name="Jobs")).to_be_visible()
    os.kill(redis_of_stack.pid, signal.SIGSTOP)
    try:
        visit.reload()
        expect(visit.get_by_role("alert").first).to_contain_text("Redis")
    finally:
        os.kill(redis_of_stack.pid, signal.SIGCONT)
    expect(visit.get_by_role("table", name="Jobs")).to_be_visible()
    expect(visit.locator(".live")).to_have_text("● live")


def test_tabs_share_one_event_stream(visit: Page) -> None:
    expect(visit.locator(".live")).to_have_text("● live")
    other = visit.context.new_page()
    opened = []
    other.on("request", lambda request: opened.append(request) if request.url.endswith("/v1/events") else None)
    other.goto(visit.url)
    expect(other.locator(".live")).to_have_text("● live")
    assert opened == []
    with other.expect_request("**/v1/events"):
        visit.close()
    expect(other.locator(".live")).to_have_text("● live")
