"""HTML and SVG elements. Every text in them is escaped, so that it cannot become markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = frozenset({"img", "meta", "circle", "line", "path", "rect"})
"""Elements without content. Those of SVG must be closed, and those of HTML may be."""


class Html(str):
    """A text that is already markup."""

    __slots__ = ()


Child = str | Iterable["Child"]


def element(kind: str, /, *children: Child, **attributes: str | float | None) -> Html:
    """Return an element; plain texts in it are escaped. An attribute that is None is omitted.

    `class_` is the attribute `class`; other underscores in attributes' names become hyphens.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{kind}{written}/>" if kind in VOID else f"<{kind}{written}>{join(children)}</{kind}>")


def join(children: Iterable[Child]) -> Html:
    """Return markup and texts in sequence."""
    return Html("".join(_content(child) for child in children))


def _content(child: Child) -> str:
    if isinstance(child, Html):
        return child
    return escape(child) if isinstance(child, str) else join(child)


def _number(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
