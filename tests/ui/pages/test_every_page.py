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
WITHOUT_CODE = {"Image"}  # of the page Predict: a drawing is not a request
EXAMPLES = {":id": JOB, ":job": JOB, ":name": "digits", ":model": "digits", ":version": "3"}


def violations(page: Page, *only: str) -> list[str]:
    """Return what axe finds, by all rules or by these alone."""
    found = Axe().run(page, options={"runOnly": list(only)} if only else None).response["violations"]
    return [f"{rule['id']}: {[node['html'][:120] for node in rule['nodes'][:3]]}" for rule in found]


def without_code(page: Page) -> list[str]:
    """Return the headings of the panels that do not show their request as curl and Python."""
    headings: list[str] = page.evaluate(
        """async () => {
          const panels = [...document.querySelectorAll(".panel")];
          const boxes = panels.flatMap((panel) => [...panel.querySelectorAll(":scope > .recipes")]);
          await Promise.all(boxes.map((box) => new Promise((done) => {
            box.addEventListener("toggle", done, { once: true });
            box.open = true;
          })));
          const without = panels.filter((panel) => panel.querySelectorAll(":scope > .recipes pre").length < 2);
          for (const box of boxes) box.open = false;
          return without.map((panel) => panel.querySelector("h2")?.innerText ?? panel.className);
        }"""
    )
    return headings


@pytest.mark.parametrize("route", ROUTES)
def test_a_page_is_accessible_in_both_themes_and_fits_a_phone(dashboard: Dashboard, route: str) -> None:
    address = re.sub(r":\w+", lambda found: EXAMPLES[found[0]], route)
    page = dashboard.open(address)
    expect(page.locator("h1")).to_have_count(1)
    page.wait_for_function("() => !/Reading .* …/.test(document.body.innerText)")
    assert page.title().endswith(" – Glassbox")
    assert set(without_code(page)) <= WITHOUT_CODE
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


def test_every_page_says_what_it_waits_for_if_the_service_does_not_answer(dashboard: Dashboard) -> None:
    page = dashboard.page
    page.clock.install()
    page.route("**/v1/**", lambda _: None)
    for route in ROUTES:
        dashboard.open(re.sub(r":\w+", lambda found: EXAMPLES[found[0]], route))
        expect(page.locator("main")).not_to_be_empty()
        page.clock.run_for(5000)
        expect(page.locator("#waiting")).to_contain_text("The page waits for GET /v1/")
    page.unroute("**/v1/**")
    page.get_by_role("button", name="Read the page again").click()
    expect(page.get_by_text("41 GB of 53 GB")).to_be_visible()
    expect(page.locator("#waiting")).to_be_empty()


@pytest.mark.parametrize(
    ("address", "panel", "said"),
    [
        (
            "/ui/datasets/digits?class=3&split=test&order=random&seed=7",
            "Images",
            ["split=test&class=3&order=random&seed=7", '"test", label="3", seed=7'],
        ),
        (
            "/ui/batches?model=digits%403",
            "Classify an archive",
            ["model=digits%403&invert=auto&top_k=3"],
        ),
    ],
)
def test_code_follows_what_is_chosen(dashboard: Dashboard, address: str, panel: str, said: list[str]) -> None:
    page = dashboard.open(address)
    place = page.locator(".panel").filter(has=page.get_by_role("heading", name=panel, exact=True))
    place.get_by_text("As code").click()
    for number, text in enumerate(said):
        expect(place.locator(".recipe pre").nth(number)).to_contain_text(text)
    place.locator("select").last.select_option(index=2)
    expect(place.locator(".recipe pre").first).not_to_contain_text(said[0])
