"""Curves and bars as SVG, with their axes; colours come from the page's style, so that they suit light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glassbox.report.markup import Html, element

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40
FEW = 20  # answers in a bar that say little
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Curve:
    """One line of a chart: its name, its class in the style, and its points from left to right."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Frame:
    """The area of a chart: what the axes go through, and where that is on the picture."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0] or 1)
        up = (y - self.y[0]) / (self.y[1] - self.y[0] or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from below `low` to above `high`, about so many."""
    span = high - low or abs(high) or 1.0
    power = 10 ** math.floor(math.log10(span / count))
    step = next(step for step in STEPS if step * power >= span / count * 0.999) * power
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def line_chart(
    title: str, description: str, curves: Sequence[Curve], across: str, shown: Callable[[float], str]
) -> Html:
    """A chart of curves over whole numbers, below its legend. shown: how a number on the axis at the left looks."""
    every = [point for curve in curves for point in curve.points]
    heights = ticks(min(y for _, y in every), max(y for _, y in every))
    first, last = min(x for x, _ in every), max(x for x, _ in every)
    frame = Frame((first, last if last > first else first + 1), (heights[0], heights[-1]))
    widths = [tick for tick in ticks(first, last, 6) if first <= tick <= last and tick == round(tick)] or [first]
    parts = [
        *_axes(frame, [(tick, f"{tick:.0f}") for tick in widths], [(tick, shown(tick)) for tick in heights], across)
    ]
    for curve in curves:
        places = [frame.place(*point) for point in curve.points]
        parts.append(element("path", d="M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in places), class_=curve.style))
        if len(places) <= 40:
            parts += [element("circle", cx=x, cy=y, r=2.2, class_=curve.style) for x, y in places]
    legend = element(
        "figcaption",
        element("b", title),
        [element("span", curve.name, class_=f"key {curve.style}") for curve in curves],
    )
    return element("figure", legend, _svg(description, parts), class_="chart")


@dataclass(frozen=True)
class Bin:
    """Answers with a probability above one and up to another: how many, and the share of right ones, if any."""

    above: float
    to: float
    count: int
    accuracy: float | None


def reliability(bins: Sequence[Bin], description: str) -> Html:
    """Bars from 0 to 1, the shares of right answers; pale where too few answers stand behind them to say much."""
    frame = Frame((0.0, 1.0), (0.0, 1.0))
    quarters = [(tick / 4, f"{tick / 4:.0%}") for tick in range(5)]
    parts = [*_axes(frame, quarters, quarters, "probability of the answer")]
    for b in bins:
        if b.accuracy is not None:
            left, top = frame.place(b.above, b.accuracy)
            right, floor = frame.place(b.to, 0.0)
            label = f"{b.count:,} answers from {b.above:.0%} to {b.to:.0%}: {b.accuracy:.1%} right"
            style = "bar few" if b.count < FEW else "bar"
            bar = element("rect", x=left + 1, y=top, width=max(1.0, right - left - 2), height=floor - top, class_=style)
            parts.append(element("g", element("title", label), bar))
    (x1, y1), (x2, y2) = frame.place(0, 0), frame.place(1, 1)
    parts.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="ideal"))
    legend = element(
        "figcaption",
        element("b", "Right answers"),
        element("span", "as measured", class_="key bar"),
        element("span", f"of fewer than {FEW}", class_="key bar few"),
        element("span", "as sure as right", class_="key ideal"),
    )
    return element("figure", legend, _svg(description, parts), class_="chart")


def _svg(description: str, parts: Sequence[Html]) -> Html:
    return element(
        "svg", parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img",
        aria_label=description,
    )  # fmt: skip


def _axes(frame: Frame, across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]], name: str) -> list[Html]:
    parts = []
    for tick, label in up:
        x, y = frame.place(frame.x[0], tick)
        parts.append(element("line", x1=x, y1=y, x2=WIDTH - RIGHT, y2=y, class_="grid"))
        parts.append(element("text", label, x=x - 7, y=y + 4, text_anchor="end"))
    for tick, label in across:
        x, y = frame.place(tick, frame.y[0])
        parts.append(element("line", x1=x, y1=y, x2=x, y2=y + 4, class_="axis"))
        parts.append(element("text", label, x=x, y=y + 17, text_anchor="middle"))
    x, y = frame.place(frame.x[0], frame.y[0])
    parts.append(element("line", x1=x, y1=y, x2=WIDTH - RIGHT, y2=y, class_="axis"))
    parts.append(element("text", name, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 5, text_anchor="middle", class_="name"))
    return parts
