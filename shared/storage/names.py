"""The names of models, data sets and aliases, which users choose; and generated ids, which sort by time."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError
from ulid import ULID

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
NAME_RULE = "must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit"
ALIAS_RULE = f"{NAME_RULE}, and neither `latest` nor a number"

Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]


def is_name(text: str) -> bool:
    """Return whether `text` is a valid name; other texts, such as `..` or `a/b`, must never become part of a path."""
    return re.fullmatch(NAME, text) is not None


def is_alias(text: str) -> bool:
    """Return whether `text` is a valid alias: a name, but neither `latest` nor a number."""
    return is_name(text) and text != "latest" and not text.isdecimal()


def _checked_alias(text: str) -> str:
    if not is_alias(text):
        raise PydanticCustomError("alias_form", ALIAS_RULE)
    return text


AliasName = Annotated[
    str,
    AfterValidator(_checked_alias),
    WithJsonSchema({"type": "string", "pattern": f"^(?!latest$|[0-9]+$){NAME}$"}),
]


def new_id() -> str:
    """Return a new id: a ULID, 26 letters and digits that begin with the time."""
    return str(ULID()).lower()
