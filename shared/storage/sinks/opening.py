"""The sink of a URL, if the operator allows batches to write there."""

from __future__ import annotations

from shared.errors import FieldError, Forbidden, Invalid
from shared.runtime.settings import Settings
from shared.storage.objects.access import access_by
from shared.storage.objects.bucket import open_bucket
from shared.storage.objects.places import ObjectPlace
from shared.storage.sinks.bucket import BucketSink, sink_errors
from shared.storage.sinks.folder import FolderSink
from shared.storage.sinks.sink import Sink
from shared.storage.sources.local import path_in

BUCKETS = "GLASSBOX_EXPORT_BUCKETS"


def open_sink(url: str, settings: Settings) -> Sink:
    """Return the sink of a `file:` URL of a folder, or of an `s3:` URL of a prefix. Sends no request to a store.

    Raises `Invalid`, `Forbidden` for a place that is not named, and `NotInstalled`.
    """
    scheme = url.partition(":")[0].lower()
    try:
        if scheme == "file":
            return FolderSink(url, path_in(url), settings.export_folders)
        if scheme == "s3":
            return _bucket_sink(url, ObjectPlace.parse(f"{url.removesuffix('/')}/"), settings)
    except ValueError as error:
        raise _invalid(str(error)) from error
    raise _invalid("must begin with file:// or s3://")


def _bucket_sink(url: str, place: ObjectPlace, settings: Settings) -> BucketSink:
    if not settings.export_buckets:
        raise Forbidden("sink_not_allowed", f"this server writes to no object store: {BUCKETS} names no bucket")
    if not place.is_in(settings.export_buckets):
        named = ", ".join(settings.export_buckets)
        raise Forbidden(
            "sink_not_allowed", f"{place} is not in a bucket to which results may be written: {BUCKETS} has {named}"
        )
    with sink_errors():
        return BucketSink(url, open_bucket(place.bucket, access_by(settings)), place.key)


def _invalid(reason: str) -> Invalid:
    return Invalid("sink_invalid", f"sink: {reason}", [FieldError(reason, parameter="sink")])
