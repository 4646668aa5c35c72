"""Lists in pages: `{"items": […], "next": cursor or null}`, by `?limit=` and `?after=`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from pydantic import Field

from api.validation import Form

Item = TypeVar("Item")


class PageQuery(Form):
    """The query parameters of every list."""

    limit: int = Field(50, ge=1, le=500)
    after: str | None = None


def page(
    items: Iterable[Item], query: PageQuery, cursor: Callable[[Item], str], view: Callable[[Item], dict[str, Any]]
) -> dict[str, Any]:
    """The first `limit` of the items, which begin after the query's cursor already."""
    window = list(islice(items, query.limit + 1))
    more = len(window) > query.limit
    window = window[: query.limit]
    return {"items": [view(item) for item in window], "next": cursor(window[-1]) if more else None}


def after(items: Iterable[Item], query: PageQuery, cursor: Callable[[Item], str]) -> Iterable[Item]:
    """The items behind the query's cursor, all where it has none; none where the cursor names nothing."""
    iterator = iter(items)
    if query.after is not None:
        for item in iterator:
            if cursor(item) == query.after:
                break
    return iterator
