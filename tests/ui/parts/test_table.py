"""`ui/parts/table.js`: the keyboard, the selection, the order, and changes of single rows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

MAKE = """async (options) => {
  const { table } = await import("/ui/parts/table.js");
  const { h } = await import("/ui/parts/dom.js");
  const seen = (window.seen = { opened: [], selected: [], orders: [] });
  const rows = [
    { id: "a", name: "model 10", share: 0.5 },
    { id: "b", name: "model 2", share: null },
    { id: "c", name: "<b>model 1</b>", share: 0.75 },
  ];
  window.made = table({
    label: "models",
    columns: [
      { name: "name", label: "name", sort: true, cell: (row) => row.name },
      { name: "share", label: "accuracy", numeric: true, sort: true, value: (row) => row.share,
        cell: (row) => h("b", row.share === null ? "–" : String(row.share)) },
    ],
    key: (row) => row.id,
    empty: h("p", "no models yet"),
    onopen: (row) => seen.opened.push(row.id),
    onselect: (keys) => seen.selected.push(keys.join("")),
    onorder: (order) => seen.orders.push(order),
    ...options,
  });
  document.querySelector("main").replaceChildren(made.element);
  made.set(rows);
}"""


def ids(page: Page) -> str:
    """Return the keys of the rows from top to bottom."""
    found: str = page.evaluate(
        "() => [...document.querySelectorAll('tbody tr')].map((row) => row.dataset.key).join('')"
    )
    return found


@pytest.fixture
def table(blank: Page) -> Page:
    """Return a page with a table of three rows."""
    blank.evaluate(MAKE, {})
    return blank


def test_table_is_moved_through_selected_and_opened_by_keyboard(table: Page) -> None:
    table.keyboard.press("Tab")  # the box for all, two headers, then the first row
    for _ in range(3):
        table.keyboard.press("Tab")
    for key in ("j", "x", "ArrowDown", "Enter", "k", "Enter", "Home", "x", "End", "Enter"):
        table.keyboard.press(key)
    assert table.evaluate("seen.opened.join('')") == "cbc"
    assert table.evaluate("seen.selected") == ["b", "ba"]
    assert table.evaluate("made.selected()") == ["b", "a"]


def test_table_extends_the_selection_with_shift(table: Page) -> None:
    boxes = table.locator("tbody input")
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    assert table.evaluate("made.selected()") == ["a", "b", "c"]
    expect(table.get_by_label("select all rows")).to_be_checked()
    table.get_by_label("select all rows").click()
    assert table.evaluate("made.selected()") == []


def test_table_orders_numbers_largest_first_and_rows_without_one_last(table: Page) -> None:
    header = table.get_by_role("button", name="accuracy")
    orders = []
    for _ in range(3):
        header.click()
        orders.append(ids(table))
    assert orders == ["cab", "acb", "abc"]
    assert table.evaluate("seen.orders") == [
        {"name": "share", "descending": True}, {"name": "share", "descending": False}, None,
    ]  # fmt: skip
    table.get_by_role("button", name="name").click()
    assert ids(table) == "cba"  # "model 2" before "model 10"
    expect(table.get_by_role("columnheader", name="name")).to_have_attribute("aria-sort", "ascending")


def test_table_changes_and_removes_rows_and_keeps_focus_selection_and_the_other_rows(table: Page) -> None:
    table.evaluate("made.focus('b'); made.choose(['b']); window.first = document.querySelector('tbody tr')")
    table.evaluate("made.update({ id: 'b', name: 'renamed', share: 0.9 })")
    table.evaluate("made.update({ id: 'd', name: 'new', share: 1 })")
    table.evaluate("made.set([{id: 'b', name: 'renamed', share: 0.9}, {id: 'a', name: 'model 10', share: 0.5}])")
    assert ids(table) == "ba"
    assert table.evaluate("document.activeElement.dataset.key + made.selected()") == "bb"
    assert table.evaluate("document.querySelectorAll('tbody tr')[1] === first")
    expect(table.locator("tbody tr").first).to_contain_text("renamed")
    table.evaluate("made.remove('b')")
    assert table.evaluate("document.activeElement.dataset.key") == "a"
    assert table.evaluate("made.selected()") == []
    expect(table.get_by_text("no models yet")).to_be_hidden()
    table.evaluate("made.set([])")
    expect(table.get_by_text("no models yet")).to_be_visible()
    expect(table.get_by_role("table")).to_be_hidden()


def test_table_shows_markup_as_text_and_its_rows_become_cards_on_a_narrow_page(table: Page) -> None:
    expect(table.get_by_role("row", name="<b>model 1</b>")).to_be_visible()
    table.evaluate("made.update({ id: 'long', name: 'x'.repeat(255), share: 0 })")
    table.set_viewport_size({"width": 390, "height": 700})
    assert table.evaluate("document.documentElement.scrollWidth") <= 390
    label = "getComputedStyle(document.querySelector('tbody td.number'), '::before').content"
    assert table.evaluate(label) == '"accuracy"'
