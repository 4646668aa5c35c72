"""Downloads: resumed after a broken connection, verified, and written to a temporary file that replaces the target."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx

from glassbox.errors import DownloadDamaged, LocalFileError, NotReachable
from glassbox.http.bodies import OnBytes
from glassbox.http.transport import Transport

FROM_ETAG = "ETag"
"""Value of `sha256` if the response's ETag is the expected SHA-256."""


class _Broken(NotReachable):
    """The connection broke in the middle of a response; the transport repeats only what did not begin to arrive."""


def download(
    transport: Transport,
    route: str,
    target: Path,
    *,
    params: Mapping[str, Any] | None = None,
    sha256: str | None = None,
    on_bytes: OnBytes | None = None,
) -> Path:
    """Download `route` to `target`, and return `target`.

    After a broken connection the download resumes, if the server supports ranges, else it starts again. Raises
    `LocalFileError` if the target cannot be written, and `DownloadDamaged` if the bytes do not have the expected
    SHA-256. After an error the target is unchanged.
    """
    with _replacing(target) as file:
        digest, etag = _fetch(transport, route, params or {}, file, target, on_bytes)
        expected = etag if sha256 == FROM_ETAG else sha256
        if expected is not None and digest != expected:
            raise DownloadDamaged(
                f"the download of {target} does not have the server's SHA-256; nothing was kept: try again"
            )
    return target


def copy(transport: Transport, route: str, output: IO[bytes], params: Mapping[str, Any] | None = None) -> None:
    """Write the response of `route` to an open stream. Errors of the stream are raised as they are."""
    with transport.opened(route, params=params) as response:
        for block in _blocks(response, transport):
            output.write(block)


def write_text(target: Path, text: str) -> Path:
    """Write a text to `target` atomically, and return `target`. Raises `LocalFileError`."""
    return write_bytes(target, text.encode())


def write_bytes(target: Path, content: bytes) -> Path:
    """Write `content` to `target` atomically, and return `target`. Raises `LocalFileError`."""
    with _replacing(target) as file, _writing(target):
        file.write(content)
    return target


def _fetch(
    transport: Transport,
    route: str,
    params: Mapping[str, Any],
    file: IO[bytes],
    target: Path,
    on_bytes: OnBytes | None,
) -> tuple[str, str | None]:
    """Download to the file; return the SHA-256 of its content, and the ETag without quotes.

    Only breaks that follow each other without a new byte between them count as repeated failures.
    """
    digest = hashlib.sha256()
    done = failures = 0
    waited = 0.0
    etag: str | None = None
    resumable = False
    while True:
        before = done
        ranged = {"Range": f"bytes={done}-", "If-Range": etag} if done and resumable and etag else {}
        try:
            with transport.opened(route, params=params, headers=ranged) as response:
                if response.status_code != 206 and done:  # the server sends the whole content again
                    file.seek(0)
                    file.truncate()
                    digest, done = hashlib.sha256(), 0
                etag = response.headers.get("ETag")
                resumable = response.headers.get("Accept-Ranges") == "bytes" and not _is_weak(etag)
                total = done + int(response.headers.get("Content-Length", 0))
                for block in _blocks(response, transport):
                    with _writing(target):
                        file.write(block)
                    digest.update(block)
                    done += len(block)
                    if on_bytes:
                        on_bytes(done, total)
            return digest.hexdigest(), etag and etag.removeprefix("W/").strip('"')
        except _Broken as error:
            failures, waited = (1, 0.0) if done > before else (failures + 1, waited)
            pause = transport.retries.pause(failures, waited)
            if pause is None:
                raise NotReachable(f"{error}; nothing was kept of {target}") from error
            waited += pause
            time.sleep(pause)


def _is_weak(etag: str | None) -> bool:
    """Return whether the ETag does not promise equal bytes, so that ranges cannot be joined; proxies weaken ETags."""
    return etag is not None and etag.startswith("W/")


def _blocks(response: httpx.Response, transport: Transport) -> Iterator[bytes]:
    try:
        yield from response.iter_bytes()
    except httpx.TransportError as error:
        raise _Broken(
            f"{transport.url} closed the connection during a download: {str(error) or type(error).__name__}"
        ) from error


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """Return a context with a temporary file that replaces the target at its end, or is removed after an error.

    A target that is not a regular file, such as `/dev/null` or a pipe, is written to directly.
    """
    target = Path(os.path.realpath(target))  # a symbolic link stays, and its target is replaced
    if target.is_dir():
        raise LocalFileError(f"{target} is a folder: name a file in it")
    if target.exists() and not target.is_file():
        with _writing(target), target.open("wb") as device:
            yield device
        return
    with _writing(target):
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    temporary = Path(name)
    try:
        with _writing(target), os.fdopen(descriptor, "w+b") as file:
            yield file
            os.fchmod(file.fileno(), _mode(target))
        with _writing(target):
            temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _mode(target: Path) -> int:
    """Return the mode of the existing target, else that of a new file."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn an `OSError` of a write into a `LocalFileError` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            message = f"there is no space for {target}, and nothing was kept: free space, or choose another folder"
        elif error.errno == errno.ENOENT:
            message = f"{target} cannot be written: there is no folder {target.parent}"
        else:
            message = f"{target} cannot be written: {error.strerror}"
        raise LocalFileError(message) from error
