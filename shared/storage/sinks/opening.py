"""The sink of a URL, if the operator allows batches to write there."""

from __future__ import annotations

from shared.errors import FieldError, Invalid
from shared.runtime.settings import Settings
from shared.storage.sinks.folder import FolderSink
from shared.storage.sinks.sink import Sink
from shared.storage.sources.local import path_in


def open_sink(url: str, settings: Settings) -> Sink:
    """Return the sink of a `file:` URL of a folder. Raises `Invalid`, or `Forbidden` for a place that is not named."""
    scheme = url.partition(":")[0].lower()
    try:
        if scheme == "file":
            return FolderSink(url, path_in(url), settings.export_folders)
    except ValueError as error:
        raise _invalid(str(error)) from error
    raise _invalid("must begin with file://")


def _invalid(reason: str) -> Invalid:
    return Invalid("sink_invalid", f"sink: {reason}", [FieldError(reason, parameter="sink")])
