"""Types for JSON: for any object, and for fields of records and manifests that another version may have written."""

from __future__ import annotations

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

JsonObject = dict[str, Any]
"""Any JSON object: what a user sent, what another version of the code wrote, a JSON Schema or an example of one."""


class AsWritten:
    """Marks a field whose type is for the type checker: at run time any JSON object is read, and all of it is kept.

    A TypedDict in a record describes what this version writes. An older or newer version may have written fewer or
    more fields, which must neither make the record unreadable nor be lost (docs/adr/0017).
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read and write any object with texts for names."""
        return core_schema.dict_schema(core_schema.str_schema())


AS_WRITTEN = AsWritten()
