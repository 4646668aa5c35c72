"""Types for JSON: any object, and fields of records and manifests that another version may have written."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

JsonObject = dict[str, Any]
"""Any JSON object: what a user sent, what another version of the code wrote, a JSON Schema or an example of one."""


class SkippedFiles(TypedDict):
    """The files of an upload that were skipped for one reason: their number, and the names of the first few."""

    count: int
    names: list[str]


Skipped = dict[str, SkippedFiles]
"""The skipped files by the reason's code, such as `hidden` and `side_file`."""


class AsWritten:
    """A marker of a field whose type is for the type checker only: at run time, any JSON object is accepted unchanged.

    A TypedDict in a record describes the fields that this version writes. An older or newer version may have written
    fewer or more fields. Such a record must stay readable, and its other fields must be kept (docs/adr/0017).
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept any object whose names are strings."""
        return core_schema.dict_schema(core_schema.str_schema())


AS_WRITTEN = AsWritten()
