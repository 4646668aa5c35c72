"""The sink of a batch's request: the folder or prefix that the job claims when it is submitted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shared.errors import FieldError, GlassboxError, Invalid
from shared.runtime.settings import Settings
from shared.storage.sinks.opening import open_sink
from shared.storage.sinks.sink import CLAIM, claim

SINK = (
    "URL of an empty folder or prefix to which the results are written, `s3://bucket/run-1/` or `file:///exports/run-1/`,"
    " where the server's operator allows it (GLASSBOX_EXPORT_BUCKETS, GLASSBOX_EXPORT_FOLDERS): parts of results and of"
    " errors, then `manifest.json`"
)
SINK_FORMAT = "format of the parts in the sink; by default jsonl"


@contextmanager
def claimed(url: str | None, job_id: str, settings: Settings) -> Iterator[None]:
    """Claim the sink for the job that the block submits; if the block raises, give it up.

    So a request for a place that cannot be written fails before there is a job. Raises what `open_sink` and `claim` do.
    """
    if url is None:
        yield
        return
    sink = open_sink(url, settings)
    is_new = claim(sink, job_id)
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(GlassboxError):
                sink.delete(CLAIM)
        raise


def check_place(url: str | None, settings: Settings) -> None:
    """Raise what `open_sink` raises if results may not be written to this URL. Sends no request to a store."""
    if url is not None:
        open_sink(url, settings)


def check_format(url: str | None, file_format: str | None) -> None:
    """Raise `Invalid` if a request names a format of parts, but no sink."""
    if file_format is not None and url is None:
        reason = "needs sink, the URL to which the results are written"
        raise Invalid("validation_failed", f"sink_format: {reason}", [FieldError(reason, parameter="sink_format")])
