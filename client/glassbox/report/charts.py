"""Line charts and bar charts as SVG, with axes; the page's style sets their colours, for light and dark mode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glassbox.report.markup import Html, element

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40
FEW = 20  # a bar with fewer predictions is pale
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Curve:
    """One line of a chart. style: its class in the style sheet. points: from left to right."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Frame:
    """The ranges of a chart's axes, and their place in the image."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return a point's place in the image."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0] or 1)
        up = (y - self.y[0]) / (self.y[1] - self.y[0] or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers, from at most `low` to at least `high`."""
    span = high - low or abs(high) or 1.0
    power = 10 ** math.floor(math.log10(span / count))
    step = next(step for step in STEPS if step * power >= span / count * 0.999) * power
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def line_chart(
    title: str, description: str, curves: Sequence[Curve], across: str, shown: Callable[[float], str]
) -> Html:
    """Return a chart of curves over whole numbers, with a legend. shown: formats a number of the vertical axis."""
    points = [point for curve in curves for point in curve.points]
    y_ticks = ticks(min(y for _, y in points), max(y for _, y in points))
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    frame = Frame((first, last if last > first else first + 1), (y_ticks[0], y_ticks[-1]))
    x_ticks = [tick for tick in ticks(first, last, 6) if first <= tick <= last and tick == round(tick)] or [first]
    parts = [
        *_axes(frame, [(tick, f"{tick:.0f}") for tick in x_ticks], [(tick, shown(tick)) for tick in y_ticks], across)
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
    """A bin of predictions by their probability. accuracy: share of correct ones, or None if empty."""

    above: float
    to: float
    count: int
    accuracy: float | None


def reliability(bins: Sequence[Bin], description: str) -> Html:
    """Return a reliability diagram: a bar from 0 to 1 for each bin's accuracy, pale if it has few predictions."""
    frame = Frame((0.0, 1.0), (0.0, 1.0))
    quarters = [(tick / 4, f"{tick / 4:.0%}") for tick in range(5)]
    parts = [*_axes(frame, quarters, quarters, "predicted probability")]
    for b in bins:
        if b.accuracy is not None:
            left, top = frame.place(b.above, b.accuracy)
            right, floor = frame.place(b.to, 0.0)
            label = f"{b.count:,} predictions from {b.above:.0%} to {b.to:.0%}: {b.accuracy:.1%} correct"
            style = "bar few" if b.count < FEW else "bar"
            bar = element("rect", x=left + 1, y=top, width=max(1.0, right - left - 2), height=floor - top, class_=style)
            parts.append(element("g", element("title", label), bar))
    (x1, y1), (x2, y2) = frame.place(0, 0), frame.place(1, 1)
    parts.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="ideal"))
    legend = element(
        "figcaption",
        element("b", "Accuracy"),
        element("span", "measured", class_="key bar"),
        element("span", f"fewer than {FEW} predictions", class_="key bar few"),
        element("span", "perfect calibration", class_="key ideal"),
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
