"""Lists in pages: `{"items": […], "next": cursor or null}`, by `?limit=` and `?after=`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from typing_extensions import TypedDict

from api.requests.validation import RequestModel
from shared.storage.names import NAME

Item = TypeVar("Item")
Shown = TypeVar("Shown")


@dataclass(frozen=True)
class Cursor:
    """The form of a list's cursors; what is of another form, no page of the list has given as its `next`."""

    pattern: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}

    def _checked(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise PydanticCustomError("cursor_form", "is not a cursor that this list gave")
        return text


class PageQuery(RequestModel):
    """The query parameters of every list."""

    limit: int = Field(50, ge=1, le=500, description="how many items a page has at the most")
    after: Annotated[str, Cursor(NAME)] | None = Field(None, description="the `next` of the page before")


class Page(TypedDict, Generic[Shown]):
    """A part of a list. `next` is the cursor of the page behind it, null on the last one."""

    items: list[Shown]
    next: str | None


def page(
    items: Iterable[Item], query: PageQuery, cursor: Callable[[Item], str], view: Callable[[Item], Shown]
) -> Page[Shown]:
    """The first `limit` of the items, which begin after the query's cursor already."""
    window = list(islice(items, query.limit + 1))
    more = len(window) > query.limit
    window = window[: query.limit]
    return {"items": [view(item) for item in window], "next": cursor(window[-1]) if more else None}


def after(
    items: Iterable[Item], query: PageQuery, cursor: Callable[[Item], str], *, newest_first: bool = False
) -> Iterable[Item]:
    """The items behind the query's cursor, all where it has none.

    The items come in the order of their cursors, or in the opposite one. So the place is found although the item that
    the cursor is of may be gone, and whatever was added since.
    """
    place = query.after
    if place is None:
        return items
    return (item for item in items if (cursor(item) < place if newest_first else cursor(item) > place))
