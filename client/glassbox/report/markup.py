"""HTML and SVG that cannot be broken out of: every text is escaped where it becomes part of an element."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = frozenset({"img", "meta", "circle", "line", "path", "rect"})
"""Elements that have nothing inside. Those of SVG must be closed, and those of HTML may be."""


class Html(str):
    """A text that is markup already."""

    __slots__ = ()


Child = str | Iterable["Child"]


def element(kind: str, /, *children: Child, **attributes: str | float | None) -> Html:
    """An element; plain texts in it are escaped. An attribute that is None is left out.

    `class_` stands for `class`, and other underscores in attributes' names for hyphens.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{kind}{told}/>" if kind in VOID else f"<{kind}{told}>{join(children)}</{kind}>")


def join(children: Iterable[Child]) -> Html:
    """Markup and texts, one after the other."""
    return Html("".join(_content(child) for child in children))


def _content(child: Child) -> str:
    if isinstance(child, Html):
        return child
    return escape(child) if isinstance(child, str) else join(child)


def _number(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
