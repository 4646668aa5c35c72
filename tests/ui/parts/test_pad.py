"""The pad: drawings become gray levels as MNIST's digits are, and images are handed on as they are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

SETUP = """async () => {
  const { pad } = await import("/ui/parts/pictures/pad.js");
  window.got = [];
  window.drawing = pad({ onchange: (picture) => got.push(picture) });
  document.querySelector("main").append(drawing.element);
}"""
DROP = """async (type) => {
  const canvas = document.createElement("canvas");
  const blob = await new Promise((resolve) => canvas.toBlob(resolve));
  const moved = new DataTransfer();
  moved.items.add(new File([blob], "a<b>.png", { type: "image/png" }));
  if (type === "drop") document.querySelector(".pad").dispatchEvent(new DragEvent("drop", { dataTransfer: moved }));
  else document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: moved }));
}"""


def draw(page: Page, *points: tuple[int, int]) -> None:
    box = page.locator(".pad-canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + points[0][0], box["y"] + points[0][1])
    page.mouse.down()
    for x, y in points[1:]:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=3)
    page.mouse.up()
    page.wait_for_function("() => got.length > 0")


def newest(page: Page) -> NDArray[np.float64]:
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    return np.array(page.evaluate("() => [...got.at(-1).gray]"), np.float64).reshape(28, 28)


def extent(picture: NDArray[np.float64]) -> list[int]:
    return [int(np.ptp(np.flatnonzero(picture.any(axis=axis)))) + 1 for axis in (1, 0)]


def test_a_small_drawing_in_a_corner_is_scaled_and_centred_as_mnist_was(blank: Page) -> None:
    blank.evaluate(SETUP)
    draw(blank, (20, 20), (60, 20), (40, 90))
    picture = newest(blank)
    assert extent(picture)[0] == 20
    rows, columns = np.mgrid[:28, :28]
    centre = (rows * picture).sum() / picture.sum(), (columns * picture).sum() / picture.sum()
    assert centre == pytest.approx((13.5, 13.5), abs=0.51)


def test_a_drawing_stays_where_it_is_without_normalisation(blank: Page) -> None:
    blank.evaluate(SETUP)
    blank.get_by_label("Scale and centre").uncheck()
    draw(blank, (20, 20), (60, 20))
    picture = newest(blank)
    assert picture[:4, :8].sum() > 0
    assert picture[8:].sum() == 0


def test_undo_removes_the_last_stroke_and_clear_all(blank: Page) -> None:
    blank.evaluate(SETUP)
    draw(blank, (50, 50), (50, 200))
    first = newest(blank)
    draw(blank, (200, 50), (200, 200))
    assert not np.array_equal(newest(blank), first)
    blank.get_by_role("button", name="Undo").click()
    assert np.array_equal(newest(blank), first)
    blank.get_by_role("button", name="Clear").click()
    assert blank.evaluate("() => got.at(-1)") is None


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_an_image_is_handed_on_as_it_is(blank: Page, way: str) -> None:
    blank.evaluate(SETUP)
    blank.evaluate(DROP, way)
    expect(blank.locator(".pad-note")).to_contain_text("a<b>.png")
    assert blank.evaluate("() => [got.at(-1) instanceof Blob, got.at(-1).type]") == [True, "image/png"]
    blank.evaluate("() => drawing.destroy()")
    blank.evaluate(DROP, "paste")
    assert blank.evaluate("() => got.length") == 1
