"""The gallery: it reads and draws what is in sight, and is moved through and selected in by keyboard."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

SETUP = """async ([total, height, width, channels, options]) => {
  const { gallery } = await import("/ui/parts/pictures/gallery.js");
  window.reads = [];
  window.keys = [];
  window.opened = [];
  window.grid = gallery({
    label: "Pictures", size: 64,
    async read(from, count) {
      reads.push([from, count]);
      if (window.fails) throw window.fails;
      const most = Math.min(count, options.most ?? count, total - from);
      const pictures = new Uint8Array(most * height * width * channels).fill(options.fill ?? 128);
      return { pictures, height, width, channels, items: Array.from({ length: most }, (_, i) => ({ n: from + i })) };
    },
    caption: (item) => options.caption ?? `n${item.n}`,
    tone: (item) => (item.n % 2 ? "wrong" : "right"),
    onopen: (item, index) => opened.push([item.n, index]),
    onkey: (key, items) => (key === "7" ? (keys.push(items.map(({ n }) => n)), "next") : false),
  });
  document.querySelector("main").replaceChildren(grid.element);
  grid.set(total);
}"""
QUIET = """async () => {
  let before;
  do {
    before = reads.length;
    for (let i = 0; i < 3; i++) await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  } while (reads.length > before);
}"""


def show(page: Page, total: int = 10_000, shape: tuple[int, int, int] = (28, 28, 1), **options: Any) -> None:
    """Show a gallery and wait until it reads nothing more."""
    page.evaluate(SETUP, [total, *shape, options])
    page.evaluate(QUIET)


def line(page: Page) -> str:
    return page.locator(".gallery-line").inner_text()


def test_a_gallery_of_10000_pictures_reads_only_those_in_sight_and_on_the_next_screen(blank: Page) -> None:
    show(blank)
    read = blank.evaluate("() => reads.reduce((sum, [, count]) => sum + count, 0)")
    assert 100 < read < 600
    assert blank.evaluate("() => document.documentElement.scrollHeight <= innerHeight")  # it scrolls within itself
    blank.evaluate("() => { reads.length = 0; const box = document.querySelector('.gallery-scroller');"
                   " box.scrollTop = box.scrollHeight; }")  # fmt: skip
    blank.evaluate(QUIET)
    assert blank.evaluate("() => Math.min(...reads.map(([from]) => from))") > 9_000
    assert blank.evaluate("() => Math.max(...reads.map(([from, count]) => from + count))") == 10_000


def test_a_gallery_keeps_a_bounded_number_of_pictures(blank: Page) -> None:
    kept = blank.evaluate("""async () => {
      const { sheetsOf } = await import("/ui/parts/pictures/sheets.js");
      const sheets = sheetsOf(64);
      for (let i = 0; i < 60; i++) {
        const items = Array.from({ length: 80 }, (_, n) => ({ n }));
        const pictures = new Uint8Array(80 * 64 * 64 * 3);
        sheets.add(i * 80, { pictures, height: 64, width: 64, channels: 3, items }, i);
      }
      return [sheets.bytes(), sheets.at.has(0), sheets.at.has(60 * 80 - 1)];
    }""")
    assert kept[0] <= 2**25
    assert kept[1:] == [False, True]


@pytest.mark.parametrize("shape", [(200, 200, 3), (1, 300, 1), (700, 2, 1)])
def test_pictures_of_any_shape_are_read_in_bounded_blocks_and_drawn(blank: Page, shape: tuple[int, int, int]) -> None:
    show(blank, 300, shape, most=10, fill=255)
    expect(blank.locator(".gallery-line")).to_contain_text("1 of 300 · n0")
    drawn = blank.evaluate("""() => {
      const canvas = document.querySelector("canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, i) => i % 4 === 3 && value === 255);
    }""")
    assert drawn


def test_keys_move_select_open_and_label(blank: Page) -> None:
    show(blank)
    blank.get_by_role("listbox", name="Pictures").focus()
    for key in ["ArrowRight", "x", "Shift+ArrowRight", "Shift+ArrowRight"]:
        blank.keyboard.press(key)
    expect(blank.locator(".gallery-line")).to_have_text("4 of 10,000 · n3 · wrong · 3 selected")
    assert blank.evaluate("() => grid.selected().map(({ n }) => n)") == [1, 2, 3]
    blank.keyboard.press("7")  # labels the selected ones, which are selected no more
    blank.keyboard.press("7")  # labels the focused one, and moves on
    expect(blank.locator(".gallery-line")).to_have_text("5 of 10,000 · n4 · right")
    blank.keyboard.press("Enter")
    assert blank.evaluate("() => [keys, opened]") == [[[1, 2, 3], [3]], [[4, 4]]]
    blank.keyboard.press("End")
    expect(blank.locator(".gallery-line")).to_contain_text("10,000 of 10,000 · n9999")
    expect(blank.get_by_role("option")).to_have_attribute("aria-selected", "false")


def test_clicks_open_a_picture_and_select_it_at_its_corner(blank: Page) -> None:
    show(blank)
    box = blank.locator("canvas").bounding_box()
    assert box
    columns = int((box["width"] - 8) // 72)
    left = box["x"] + (box["width"] - columns * 72 + 8) / 2
    blank.mouse.click(left + 72 + 40, box["y"] + 8 + 40)
    blank.mouse.click(left + 5, box["y"] + 8 + 5)
    assert blank.evaluate("() => [opened, grid.selected()]") == [[[1, 1]], [{"n": 0}]]


def test_a_failed_read_is_said_and_repeated_when_a_person_wants_it(blank: Page) -> None:
    blank.evaluate("() => { window.fails = new Error('the service does not answer'); }")
    show(blank)
    expect(blank.locator(".gallery-line")).to_have_text("The pictures could not be read: the service does not answer")
    blank.evaluate("() => { window.fails = null; }")
    blank.get_by_role("button", name="Try again").click()
    expect(blank.locator(".gallery-line")).to_contain_text("1 of 10,000 · n0")


def test_an_error_that_passes_is_followed_by_another_read(blank: Page) -> None:
    blank.clock.install()
    blank.evaluate("() => { window.fails = Object.assign(new Error('busy'), { passes: true }); }")
    blank.evaluate(SETUP, [100, 28, 28, 1, {}])
    blank.clock.run_for(100)
    expect(blank.locator(".gallery-line")).to_contain_text("busy")
    blank.evaluate("() => { window.fails = null; }")
    blank.clock.run_for(4000)
    expect(blank.locator(".gallery-line")).to_contain_text("1 of 100 · n0")


def test_a_long_caption_stays_in_its_cell_and_is_said_whole(blank: Page) -> None:
    caption = "<img src=x onerror=alert(1)>" + "ש" * 227
    show(blank, 20, caption=caption)
    expect(blank.locator(".gallery-line")).to_contain_text(caption)
    assert blank.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert blank.locator("main img").count() == 0


def test_an_empty_gallery_says_so(blank: Page) -> None:
    show(blank, 0)
    assert line(blank) == "No pictures."
    assert blank.evaluate("() => reads.length") == 0
