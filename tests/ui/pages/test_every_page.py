"""What holds for every page: axe finds nothing in both themes, it fits a phone, and it has one heading and a title."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.ui.conftest import UI, Dashboard

JOB = "01k8z4y6w9m3n5p7q1r2s4t6v8"
ROUTES = re.findall(r'\["(/ui/[^"]*)", \(\) =>', (UI / "main.js").read_text())
EXAMPLES = {":id": JOB, ":job": JOB, ":name": "digits", ":model": "digits", ":version": "3"}


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {[node['html'][:120] for node in rule['nodes'][:3]]}" for rule in found]


@pytest.mark.parametrize("route", ROUTES)
def test_a_page_is_accessible_in_both_themes_and_fits_a_phone(dashboard: Dashboard, route: str) -> None:
    address = re.sub(r":\w+", lambda found: EXAMPLES[found[0]], route)
    page = dashboard.open(address)
    expect(page.locator("h1")).to_have_count(1)
    page.wait_for_function("() => !/Reading .* …/.test(document.body.innerText)")
    assert page.title().endswith(" – Glassbox")
    assert violations(page) == []
    page.evaluate("() => (document.documentElement.dataset.theme = 'dark')")
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
