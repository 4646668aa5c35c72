"""Requests to one bucket of an S3-compatible store, with the optional package `obstore`.

A request is repeated a bounded number of times if that may help: after a broken connection, a timeout, 5xx and 429. All
functions raise the errors of `shared.storage.objects.faults`.

The library has threads, which do not survive a fork: call it in the process that uses it, never before a fork.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import NotInstalled
from shared.runtime.settings import KiB, MiB, SecretError
from shared.storage.objects.faults import ObjectChanged, StoreRefused, StoreUnavailable, faults_of

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Store

PAGE = 1000  # objects in one response of a list
PART = 8 * MiB  # of a multipart upload; a store takes at most 10,000
MOST_PARTS_AT_ONCE = 2
CHUNK = 256 * KiB
MOST_RETRIES = 5
RETRY_SECONDS = 60.0  # the time after which a request is not repeated again
WHOLE_SECONDS = 600.0  # of one request
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 8.0  # seconds between two tries
CREDENTIALS_SECONDS = 300.0  # the time after which the file of the credentials is read again


@dataclass(frozen=True)
class StoreAccess:
    """How a store is reached. Without credentials, the library uses those of the variables `AWS_…` or of the machine.

    endpoint: the store's URL; None for Amazon S3. credentials_file: is read again from time to time. seconds: the time
    for which the store may send nothing.
    """

    endpoint: str | None = None
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    credentials_file: Path | None = None
    seconds: float = 30.0


@dataclass(frozen=True)
class StoredObject:
    """An object as the store describes it: its key, its size in bytes, and its ETag, which changes with its content."""

    key: str
    size: int
    etag: str

    @property
    def condition(self) -> str | None:
        """The value of If-Match, which compares strong ETags only."""
        return self.etag if self.etag.startswith('"') else None


@lru_cache(maxsize=16)
def open_bucket(name: str, access: StoreAccess) -> Bucket:
    """Return the bucket, with one pool of connections in this process. Sends no request.

    Raises `NotInstalled` if the server does not have the package, and `StoreRefused` for a wrong credentials file.
    """
    return Bucket(name, access)


class Bucket:
    """A bucket. Threads may share it."""

    def __init__(self, name: str, access: StoreAccess) -> None:
        try:
            from obstore.store import S3Store  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            raise NotInstalled(
                "s3_not_installed",
                "this server cannot use object stores, because obstore is not installed: install requirements/s3.txt on"
                " the server, or upload the file",
            ) from error
        endpoint, file = access.endpoint, access.credentials_file
        if file:
            try:
                credentials_in(file)
            except SecretError as error:
                raise StoreRefused(f"s3://{name}/", f"GLASSBOX_S3_CREDENTIALS_FILE: {error}") from error
        config: dict[str, Any] = {"region": access.region}
        if endpoint:
            config["endpoint"] = endpoint
        if access.access_key_id and access.secret_access_key:
            config["access_key_id"] = access.access_key_id
            config["secret_access_key"] = access.secret_access_key
        self.name = name
        self.endpoint = endpoint
        self._seconds = access.seconds
        self._store: S3Store = S3Store(
            name,
            config=config,  # type: ignore[arg-type] # a dict of its keys
            client_options={
                "allow_http": bool(endpoint and endpoint.startswith("http://")),
                "connect_timeout": timedelta(seconds=min(5.0, access.seconds)),
                "read_timeout": timedelta(seconds=access.seconds),
                "timeout": timedelta(seconds=max(WHOLE_SECONDS, access.seconds)),
                "user_agent": "glassbox",
            },
            retry_config={
                "max_retries": MOST_RETRIES,
                "retry_timeout": timedelta(seconds=RETRY_SECONDS),
                "backoff": {
                    "init_backoff": timedelta(seconds=FIRST_PAUSE),
                    "max_backoff": timedelta(seconds=LONGEST_PAUSE),
                    "base": 2,
                },
            },
            credential_provider=(lambda: credentials_in(file)) if file else None,  # type: ignore[arg-type]
        )

    def stat(self, key: str) -> StoredObject:
        """Return the object of this key."""
        with self._faults(key):
            return self._described(self._store.head(key))

    def pages(self, prefix: str) -> Iterator[list[StoredObject]]:
        """Yield all objects below a prefix (`""`, or one that ends with `/`), in order, up to 1000 at a time."""
        with self._faults(prefix):
            for page in self._store.list(prefix or None, chunk_size=PAGE):
                yield [self._described(found) for found in page]

    def read(self, wanted: StoredObject, start: int, stop: int) -> bytes:
        """Return the bytes `start` to `stop` (exclusive) of an object; raises `ObjectChanged` if it is another one.

        Raises `RangesUnsupported` if they are not the whole object, and the store sends nothing else.
        """
        if start >= min(stop, wanted.size):
            return b""
        stop = min(stop, wanted.size)
        options: GetOptions = {"if_match": wanted.condition}
        if (start, stop) != (0, wanted.size):
            options["range"] = start, stop
        with self._faults(wanted.key):
            import obstore  # noqa: PLC0415 - an optional extra

            found = obstore.get(self._store, wanted.key, options=options)
            self._compare(wanted, found.meta)
            content = found.bytes().to_bytes()
        if len(content) != stop - start:
            raise StoreUnavailable(self._place(wanted.key), f"{len(content)} of {stop - start} bytes arrived")
        return content

    def chunks(self, wanted: StoredObject) -> Iterator[bytes]:
        """Yield the whole object in order, in chunks of at least 256 KiB; raises `ObjectChanged`."""
        import obstore  # noqa: PLC0415 - an optional extra

        received = 0
        with self._faults(wanted.key):
            found = obstore.get(self._store, wanted.key, options={"if_match": wanted.condition})
            self._compare(wanted, found.meta)
            for chunk in found.stream(CHUNK):
                received += len(chunk)
                yield bytes(chunk)
        if received != wanted.size:
            raise StoreUnavailable(self._place(wanted.key), f"{received} of {wanted.size} bytes arrived")

    def put(self, key: str, content: bytes | Path | Iterable[bytes], *, replace: bool = True) -> str:
        """Write an object, atomically, and return its ETag. More than 8 MiB, or chunks, are sent in several parts.

        replace: false raises `ObjectExists` if the key exists, which only stores with conditional writes can tell, and
        only for content that is sent in one part.
        """
        import obstore  # noqa: PLC0415 - an optional extra

        with self._faults(key):
            written = obstore.put(
                self._store,
                key,
                content,
                mode="overwrite" if replace else "create",
                use_multipart=None if replace else False,
                chunk_size=PART,
                max_concurrency=MOST_PARTS_AT_ONCE,
            )
        return written["e_tag"] or ""

    def delete(self, key: str) -> None:
        """Delete an object; one that does not exist is not an error."""
        with self._faults(key):
            self._store.delete(key)

    def _described(self, found: Any) -> StoredObject:
        return StoredObject(found["path"], found["size"], quoted(found["e_tag"] or ""))

    def _compare(self, wanted: StoredObject, found: Any) -> None:
        """Compare what was sent with what was pinned: a store may ignore If-Match."""
        if self._described(found) != wanted:
            raise ObjectChanged(self._place(wanted.key), "has changed")

    def _place(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def _faults(self, key: str) -> Any:
        return faults_of(self._place(key), self._seconds)


def quoted(etag: str) -> str:
    """Return an ETag in quotes, without which some stores list it."""
    return f'"{etag}"' if etag and not etag.startswith(('"', "W/")) else etag


def credentials_in(file: Path) -> dict[str, object]:
    """Return the credentials in the section `default` of a file as of AWS's tools; raises `SecretError`."""
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(file.read_text())
        section = parser["default"]
        found = section["aws_access_key_id"], section["aws_secret_access_key"]
    except OSError as error:
        raise SecretError(f"{file} cannot be read: {error.strerror}") from error
    except (configparser.Error, KeyError, UnicodeDecodeError):
        raise SecretError(
            f"{file} must have a section [default] with aws_access_key_id and aws_secret_access_key"
        ) from None
    return {
        "access_key_id": found[0],
        "secret_access_key": found[1],
        "token": section.get("aws_session_token"),
        "expires_at": datetime.now(UTC) + timedelta(seconds=CREDENTIALS_SECONDS),
    }
