"""Types for the JSON in records, manifests and logs, which another version of the code may have written."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

JsonObject = dict[str, Any]
"""Any JSON object: what a user sent, or what another version of the code wrote. It is passed on unchanged."""


class AsWritten:
    """Marks a field whose type is for the type checker: at run time any JSON object is read, and all of it is kept.

    A TypedDict in a record describes what this version writes. An older or newer version may have written fewer or
    more fields, which must neither make the record unreadable nor be lost (docs/adr/0017).
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read and write any object with texts for names."""
        return core_schema.dict_schema(core_schema.str_schema())


AS_WRITTEN = AsWritten()
