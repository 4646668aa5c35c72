"""Charts, bars, histograms and matrices alone."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

NAMES = [str(digit) for digit in range(10)]
COUNTS = [[90 if row == column else (row * column) % 3 for column in range(10)] for row in range(10)]


def draw(page: Page, code: str, argument: Any = None) -> Any:
    """Run a module's code with `main`, and the parts by name; what it returns is kept as `window.made`."""
    return page.evaluate(
        """async ([code, argument]) => {
          const load = (name) => import(`/ui/parts/${name}.js`);
          const names = ["charts/chart", "charts/bars", "charts/histogram", "charts/matrix", "pictures/tiles"];
          const modules = await Promise.all(names.map(load));
          const main = document.getElementById("main");
          const run = Object.assign({ main, argument }, ...modules);
          window.made = RUNS[code](run);
        }""".replace("RUNS[code]", f"({code})"),
        ["", argument],
    )


def lines(page: Page) -> list[str]:
    """Return the paths of the chart, once it is drawn."""
    page.wait_for_function("() => document.querySelector('.lines path')")
    return [path.get_attribute("d") or "" for path in page.locator(".lines path").all()]


CHART = """({ chart, main, argument }) => {
  const one = chart({ label: "Loss", log: false });
  main.append(one.element);
  one.set(argument);
  return one;
}"""


def series(ys: list[float | None], name: str = "train") -> dict[str, Any]:
    return {"name": name, "style": "train", "xs": list(range(1, len(ys) + 1)), "ys": ys}


def test_a_line_has_a_gap_where_a_value_is_missing(blank: Page) -> None:
    draw(blank, CHART, [series([3, 2, None, 1, 0.5])])
    [line] = lines(blank)
    assert (line.count("M"), line.count("L")) == (2, 2)


def test_a_point_alone_is_a_dot(blank: Page) -> None:
    draw(blank, CHART, [series([None, 2, None])])
    assert lines(blank)[0].endswith("h3")


def test_a_long_line_keeps_its_peak_and_has_two_points_a_pixel(blank: Page) -> None:
    ys: list[float | None] = [1.0] * 100_000
    ys[54_321] = 7.0
    draw(blank, CHART, [series(ys)])
    [line] = lines(blank)
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", line)]
    assert len(heights) <= 2 * 1280
    assert heights.count(min(heights)) == 1
    expect(blank.locator(".sentence")).to_contain_text("greatest 7 at 54322")


def test_the_logarithmic_axis_leaves_out_what_it_cannot_show(blank: Page) -> None:
    draw(blank, CHART, [series([10, 0, 1, 0.1])])
    assert lines(blank)[0].count("M") == 1
    blank.get_by_role("button", name="log").click()
    blank.wait_for_function("() => document.querySelector('.lines path').getAttribute('d').split('M').length === 3")


def test_a_chart_without_values_says_so(blank: Page) -> None:
    draw(blank, CHART, [])
    expect(blank.get_by_text("no values yet", exact=True)).to_be_visible()


def test_the_keys_move_one_cursor_over_all_charts(blank: Page) -> None:
    draw(
        blank,
        """({ chart, cursors, main, argument }) => {
          const group = cursors();
          for (const label of ["Loss", "Rate"]) {
            const one = chart({ label, group });
            main.append(one.element);
            one.set(argument);
          }
        }""",
        [series([4, 3, 2, 1])],
    )
    lines(blank)
    blank.get_by_role("slider", name="Loss").focus()
    blank.keyboard.press("ArrowLeft")
    for name in ("Loss", "Rate"):
        expect(blank.get_by_role("slider", name=name)).to_have_attribute("aria-valuetext", "epoch 3: train 2")
    blank.keyboard.press("Home")
    expect(blank.get_by_role("slider", name="Rate")).to_have_attribute("aria-valuetext", "epoch 1: train 4")
    blank.keyboard.press("Escape")
    expect(blank.locator(".legend .at")).to_have_count(0)


def test_a_chart_has_its_numbers_as_a_table(blank: Page) -> None:
    draw(blank, CHART, [series([0.5, None]), series([0.25, 0.75], "validation")])
    blank.get_by_text("Numbers").click()
    assert blank.get_by_role("row").all_inner_texts() == ["epoch\ttrain\tvalidation", "1\t0.5\t0.25", "2\t–\t0.75"]


def test_bars_stay_in_place_when_their_values_change(blank: Page) -> None:
    draw(
        blank,
        """({ bars, main }) => {
          const items = (value) => [{ label: "7", value, onselect: () => { window.chosen = value; } }];
          const one = bars({ label: "Probabilities", items: items(0.25), most: 1 });
          main.append(one.element);
          document.querySelector("button").focus();
          one.set(items(0.5));
        }""",
    )
    expect(blank.get_by_role("button")).to_be_focused()
    blank.keyboard.press("Enter")
    assert blank.evaluate("() => [window.chosen, document.querySelector('.bars i').style.inlineSize]") == [0.5, "50%"]


def test_of_many_bars_the_rest_is_said(blank: Page) -> None:
    code = """({ bars, main }) => {
      const items = Array.from({ length: 1204 }, (_, i) => ({ label: `class ${i}`, value: i }));
      main.append(bars({ label: "Classes", items }).element);
    }"""
    draw(blank, code)
    expect(blank.get_by_text("1,000 of 1,204 are shown.")).to_be_visible()
    expect(blank.get_by_role("listitem")).to_have_count(1000)


HISTOGRAM = """({ histogram, main }) => {
  window.ranges = [];
  const onbrush = (range) => window.ranges.push(range);
  const one = histogram({ label: "Confidence", counts: [1, 2, 3, 4], from: 0, to: 1, onbrush });
  main.append(one.element);
  return one;
}"""


def test_a_range_of_a_histogram_can_be_dragged(blank: Page) -> None:
    draw(blank, HISTOGRAM)
    box = blank.locator(".plot").bounding_box()
    assert box is not None
    y = box["y"] + 10
    blank.mouse.move(box["x"] + box["width"] * 0.3, y)
    blank.mouse.down()
    blank.mouse.move(box["x"] + box["width"] * 0.74, y)
    blank.mouse.up()
    assert blank.evaluate("() => window.ranges") == [[0.25, 0.75]]
    expect(blank.get_by_text("5 of 10 from 0.25 to 0.75")).to_be_visible()
    blank.mouse.dblclick(box["x"] + 5, y)
    assert blank.evaluate("() => window.ranges.at(-1)") is None


def test_a_range_of_a_histogram_can_be_set_by_keys(blank: Page) -> None:
    draw(blank, HISTOGRAM)
    blank.get_by_label("Confidence: from").focus()
    blank.keyboard.press("ArrowRight")
    assert blank.evaluate("() => window.ranges") == [[0.25, 1]]


MATRIX = """({ matrix, main, argument }) => {
  const onselect = (row, column) => { window.cell = [row, column]; };
  main.append(matrix({ label: "Confusion", onselect, ...argument }).element);
}"""


def test_a_cell_of_a_matrix_is_opened_by_mouse_and_by_keys(blank: Page) -> None:
    draw(blank, MATRIX, {"names": NAMES, "counts": COUNTS})
    blank.get_by_role("button", name="1 predicted as 2: 2", exact=True).click()
    assert blank.evaluate("() => window.cell") == [1, 2]
    blank.keyboard.press("ArrowRight")  # the cell of 3 is empty
    blank.keyboard.press("Enter")
    assert blank.evaluate("() => window.cell") == [1, 4]


def test_a_difference_has_signs(blank: Page) -> None:
    draw(blank, MATRIX, {"names": ["a", "b"], "counts": [[2, -3], [0, 1]], "difference": True})
    assert blank.get_by_role("button").all_inner_texts() == ["+2", "-3", "+1"]


def test_of_many_classes_the_largest_cells_are_listed(blank: Page) -> None:
    names = [f"class {number}" for number in range(60)]
    counts = [[9 if row == column else int(row > 56) * column for column in range(60)] for row in range(60)]
    draw(blank, MATRIX, {"names": names, "counts": counts})
    expect(blank.get_by_text("50 of 174 cells with errors are shown")).to_be_visible()
    blank.get_by_role("button").first.click()
    assert blank.evaluate("() => window.cell") == [57, 59]


def test_tiles_have_the_colours_of_the_weights_signs(blank: Page) -> None:
    code = """({ tiles, main }) => {
      const one = tiles({ label: "First layer" });
      main.append(one.element);
      // Two units of four pixels: the second is stronger.
      const values = Float32Array.from([0.1, -1, 0.1, 1, 0.1, 1, 0.1, 0]);
      return one.set({ values, shape: [4, 2] }, [2, 2]);
    }"""
    draw(blank, code)
    assert blank.evaluate("() => window.made") == [1, 0]
    at = "() => Array.from(document.querySelector('canvas').getContext('2d').getImageData(0, 0, 2, 2).data)"
    pixels = blank.evaluate(at)
    minus, plus, zero = pixels[0:3], pixels[4:7], pixels[12:15]
    assert minus[2] > minus[0]  # blue
    assert plus[0] > plus[2]  # orange
    assert zero == [255, 255, 255]
