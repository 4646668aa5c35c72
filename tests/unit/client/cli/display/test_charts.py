"""Line charts in a terminal."""

from __future__ import annotations

import pytest
from glassbox.cli.display.charts import curve


def shown(value: float) -> str:
    return f"{value:.1f}"


def test_a_curve_has_its_axes() -> None:
    lines = curve([4.0, 2.0, 1.0], shown, width=10, height=3)

    assert [line[:5] for line in lines] == ["4.0 ┤", "    ┤", "1.0 ┤", "    └", "     "]
    assert lines[-1] == "     1        3"


def test_a_falling_curve_begins_at_the_top_and_ends_at_the_bottom() -> None:
    top, *_, bottom = curve([3.0, 2.0, 1.0, 0.0], shown, width=10, height=4)[:4]

    assert top[5] == "⠑"
    assert bottom.rstrip()[-1] in "⣀⡠⢄⠤"
    assert len(top) < len(bottom)


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0, 2.0], [0.0], [1e-9, 1e9], list(map(float, range(500)))])
def test_every_line_of_a_chart_keeps_the_width(values: list[float]) -> None:
    lines = curve(values, shown, width=20, height=5)

    assert len(lines) == 7
    assert max(map(len, lines)) <= max(map(len, map(shown, values))) + 2 + 20


def test_a_steep_curve_has_no_gaps() -> None:
    lines = curve([0.0, 0.0, 1.0, 1.0], shown, width=6, height=6)

    assert all(line.partition("┤")[2].strip("⠀") for line in lines[:6])
