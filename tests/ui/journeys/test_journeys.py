"""What people do, from the first page to the end, in a browser on a running service."""

from __future__ import annotations

import os
import signal

from playwright.sync_api import Page, expect

from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack

LONG = {"model": "slow", "dataset": "digits", "preset": "fast", "epochs": 100_000}


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
