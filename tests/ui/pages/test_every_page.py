"""What holds for every page: axe finds nothing in both themes, it fits a phone, and it has one heading and a title."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.ui.conftest import UI, Dashboard, Reply

JOB = "01k8z4y6w9m3n5p7q1r2s4t6v8"
ROUTES = re.findall(r'\["(/ui/[^"]*)", \(\) =>', (UI / "main.js").read_text())
EXAMPLES = {":id": JOB, ":job": JOB, ":name": "digits", ":model": "digits", ":version": "3"}


def violations(page: Page, *only: str) -> list[str]:
    """Return what axe finds, by all rules or by these alone."""
    found = Axe().run(page, options={"runOnly": list(only)} if only else None).response["violations"]
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
    assert violations(page, "color-contrast") == []  # a theme changes nothing but colours
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize(
    "route", ["/ui/jobs/:id", "/ui/models/:name/:version", "/ui/models/:name/compare", "/ui/predict"]
)
def test_long_names_break_no_layout(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch, route: str) -> None:
    example = Dashboard.example

    def long(self: Dashboard, method: str, path: str, number: int = 0) -> Any:
        found = example(self, method, path, number)
        if isinstance(found, Reply) or "openapi" in path:
            return found
        return json.loads(json.dumps(found).replace('"digits"', f'"{"m" * 64}"'))

    monkeypatch.setattr(Dashboard, "example", long)
    dashboard.page.set_viewport_size({"width": 390, "height": 800})
    page = dashboard.open(re.sub(r":\w+", lambda found: EXAMPLES[found[0]], route))
    page.wait_for_function(
        "() => /m{64}/.test(document.body.innerText) && !/Reading .* …/.test(document.body.innerText)"
    )
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("place", ["jobs/", "batches/", "models/", "datasets/", "glass/digits/"])
def test_an_address_with_direction_marks_is_shown_as_text(dashboard: Dashboard, place: str) -> None:
    gone = Reply.problem(404, "not_found", "there is no \u202e<b>x")
    answers = dict.fromkeys((f"/v1/{kind}/%E2%80%AE%3Cb%3Ex" for kind in ("jobs", "models", "datasets")), gone)
    answers["/v1/jobs/%E2%80%AE%3Cb%3Ex/results/summary"] = answers["/v1/models/%E2%80%AE%3Cb%3Ex/versions"] = gone
    page = dashboard.open(f"/ui/{place}%E2%80%AE%3Cb%3Ex", answers)
    expect(page.locator("main")).to_contain_text("⟨U+202E⟩")
    expect(page.locator("h1").first).to_be_visible()
    assert "\u202e" not in page.title() + page.locator("body").inner_text()


@pytest.mark.parametrize("path", ["/ui/datasets", "/ui/batches", "/ui/models"])
def test_an_order_of_rows_stays_after_a_reload(dashboard: Dashboard, path: str) -> None:
    page = dashboard.open(path)
    page.locator("th button").first.click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_count(1)
    page.reload()
    expect(page.locator("th[aria-sort=ascending]")).to_have_count(1)
