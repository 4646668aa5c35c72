"""From a version's confusion matrix to its images, and from a comparison to a promotion that meets a conflict."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.servers.stack import Stack

CHAMPION = "/v1/models/rivals/aliases/champion"


def test_a_person_opens_errors_compares_versions_and_promotes_one_after_a_conflict(visit: Page, stack: Stack) -> None:
    for hidden in ([4], [32], [64]):
        stack.finished(stack.train(model="rivals", dataset="digits", preset="fast", epochs=2, hidden=hidden)["id"])
    stack.http.put(CHAMPION, json={"version": 1})
    visit.get_by_role("link", name="Models").click()
    visit.get_by_role("link", name="rivals", exact=True).click()
    visit.get_by_role("link", name="@1", exact=True).click()
    cell = visit.get_by_role("button", name=re.compile(r"^(\d) predicted as (?!\1)\d: \d+$")).first
    label, predicted = re.findall(r"\d", str(cell.get_attribute("aria-label")))[:2]
    cell.click()
    expect(visit.get_by_text(f"test images of class {label} predicted as {predicted}")).to_be_visible()
    expect(visit.locator(".gallery-line")).to_contain_text(f"{label} → {predicted}")
    visit.get_by_role("listbox", name="test images of class").press("Enter")
    expect(visit.get_by_role("list", name="Probabilities")).to_contain_text(predicted)
    expect(visit.get_by_role("link", name="Explain it")).to_be_visible()

    visit.goto(f"http://127.0.0.1:{stack.port}/ui/models/rivals")
    for version in (3, 1):
        visit.get_by_label(f"select {version}", exact=True).check()
    visit.get_by_role("link", name="Compare @3 and @1").click()
    expect(visit.get_by_text("only rivals@3 is right")).to_be_visible()
    stack.http.put(CHAMPION, json={"version": 2})
    visit.get_by_role("button", name="Promote @3").click()
    expect(visit.get_by_role("alert")).to_contain_text("Someone else has moved champion")
    expect(visit.get_by_role("alert")).to_contain_text("It points to version 2; it was moved")
    visit.get_by_role("button", name="Point it to version 3 anyway").click()
    expect(visit.get_by_text("champion points to version 3")).to_be_visible()
    assert stack.get(CHAMPION)["version"] == 3
