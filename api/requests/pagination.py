"""Pagination of lists by `?limit=` and `?after=`: `{"items": […], "next": cursor or null}`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Annotated, Generic, TypeVar

from pydantic import Field
from typing_extensions import TypedDict

from api.requests.validation import Matching, RequestModel
from shared.runtime.settings import MiB
from shared.storage.names import NAME

MOST_BYTES = 4 * MiB
"""A version can have 300 kB of class names, so the number of items alone does not bound a page."""

Item = TypeVar("Item")
Shown = TypeVar("Shown")


def cursor_like(pattern: str) -> Matching:
    """Return the annotation of a list's cursor, which matches `pattern`."""
    return Matching(pattern, "must be the `next` of a page of this list")


class PageQuery(RequestModel):
    """The query parameters of every list."""

    limit: int = Field(50, ge=1, le=500, description="maximum number of items per page")
    after: Annotated[str, cursor_like(NAME)] | None = Field(None, description="the `next` of the previous page")


class Page(TypedDict, Generic[Shown]):
    """A page of a list. `next` is the cursor of the following page, null on the last page."""

    items: list[Shown]
    next: str | None


def page(
    items: Iterable[Item], query: PageQuery, cursor: Callable[[Item], str], view: Callable[[Item], Shown]
) -> Page[Shown]:
    """Return a page of the first `limit` items, or of fewer if their JSON reaches `MOST_BYTES`.

    `items` must start after the query's cursor.
    """
    shown: list[Shown] = []
    size, last = 0, ""
    for item in items:
        if len(shown) == query.limit or size >= MOST_BYTES:
            return {"items": shown, "next": last}
        shown.append(view(item))
        size += len(json.dumps(shown[-1]))
        last = cursor(item)
    return {"items": shown, "next": None}


def after(
    items: Iterable[Item], query: PageQuery, cursor: Callable[[Item], str], *, newest_first: bool = False
) -> Iterable[Item]:
    """Return the items after the query's cursor; all items if it has none.

    The items must be sorted by their cursors, ascending or (`newest_first`) descending. So the position is found even
    if the cursor's item was deleted or other items were added.
    """
    position = query.after
    if position is None:
        return items
    return (item for item in items if (cursor(item) < position if newest_first else cursor(item) > position))
