"""Files that the server reads itself, by their URLs: nothing is sent but the URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from glassbox.errors import WrongArgument

URL = re.compile(r"(https?|file|s3):", re.IGNORECASE)

SECONDS = 600.0  # the server downloads or lists the files before it responds


def is_url(source: object) -> bool:
    """Return whether a text is a URL that the server reads; a `Path` is not."""
    return isinstance(source, str) and URL.match(source) is not None


def reference(url: str) -> Mapping[str, Any]:
    """Return the JSON of a request that names a file in place of sending it."""
    return {"source": {"url": url}}


def name_in(url: str) -> Path:
    """Return the last part of a URL's path, without a query, or a bucket. Raises `WrongArgument` if it is not a URL."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise WrongArgument(f"{url} is not a URL: {error}") from error
    bucket = parts.netloc if parts.scheme == "s3" else ""
    return Path(PurePosixPath(unquote(parts.path)).name or bucket or "data")
