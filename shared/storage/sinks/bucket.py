"""A sink in an S3-compatible store: the objects below a prefix, in a bucket that the operator has named for output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from shared.errors import NotFound, Unavailable
from shared.storage.objects.bucket import PART, Bucket
from shared.storage.objects.faults import ObjectChanged, ObjectMissing, StoreError, StoreUnavailable
from shared.storage.sinks.sink import Chunks, joined, refused


class BucketSink:
    """The objects below `prefix`, which ends with `/` or is empty."""

    def __init__(self, url: str, bucket: Bucket, prefix: str) -> None:
        self.url = url
        self._bucket = bucket
        self._prefix = prefix

    def names(self, folder: str = "") -> Iterator[str]:
        """Iterate over the names of all objects below a folder of the sink, those in its subfolders too."""
        with sink_errors():
            for page in self._bucket.pages(self._prefix + folder):
                for found in page:
                    yield found.key.removeprefix(self._prefix)

    def read(self, name: str, most: int) -> bytes | None:
        """Return the first bytes of an object; None if it does not exist."""
        with sink_errors():
            try:
                return self._bucket.read(self._bucket.stat(self._prefix + name), 0, most)
            except ObjectMissing:
                return None

    def write(self, name: str, chunks: Chunks) -> None:
        """Write an object. It appears when its last byte has arrived."""
        parts = joined(chunks(), PART)
        first, second = next(parts, b""), next(parts, None)
        with sink_errors():
            whole = first if second is None else chain([first, second], parts)
            self._bucket.put(self._prefix + name, whole)

    def delete(self, name: str) -> None:
        """Delete an object; one that does not exist is not an error."""
        with sink_errors():
            self._bucket.delete(self._prefix + name)


@contextmanager
def sink_errors() -> Iterator[None]:
    """Translate the errors of the store."""
    try:
        yield
    except ObjectMissing as error:
        raise NotFound("sink_not_found", f"{error}: make the bucket, or name another one") from error
    except (StoreUnavailable, ObjectChanged) as error:
        raise Unavailable("sink_unavailable", f"{error}: try again later") from error
    except StoreError as error:
        raise refused(f"{error}. A sink needs those to list, read and write objects") from error
