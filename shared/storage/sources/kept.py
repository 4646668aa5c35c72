"""Downloads that a later request continues: what arrived stays on the volume if a download or its process ends early.

The bytes and their description have temporary names, so that the cleanup removes them if no request continues them.
Only content with a validator, a strong ETag or a time of change, is kept. If the content is another one by then, it is
downloaded anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from shared.errors import Conflict, Unavailable
from shared.storage import durable
from shared.storage.sources.download import Download, DownloadLimits, redacted

log = logging.getLogger(__name__)

MOST_KEPT = 8
SUFFIX = "-download"


class Downloaded(NamedTuple):
    """A downloaded file, and whether it is certain that it is whole."""

    path: Path
    is_certain: bool


def download_kept(url: str, owner: str, folder: Path, limits: DownloadLimits) -> Downloaded:
    """Download the URL into a new file in the folder; continue what an earlier call has begun.

    owner: the name of the key; only its requests continue each other. Raises what `download` raises.
    """
    durable.make_folder(folder)
    name = hashlib.sha256(json.dumps([owner, url]).encode()).hexdigest()[:32]
    path = folder / f"{durable.TEMPORARY}{name}{SUFFIX}"
    _remove_oldest(folder, path)
    with durable.translated_errors():
        file = _locked(path)
    if file is None:  # another request downloads it now
        return _download_apart(url, folder, limits)
    with file:
        try:
            download = _run(url, path, file, limits)
            with durable.translated_errors():
                file.flush()
                os.fsync(file.fileno())
                complete = durable.temporary_beside(folder / "source")
                path.rename(complete)
        except Unavailable:
            if not described(path).exists():
                path.unlink(missing_ok=True)
            raise
        except Exception:
            path.unlink(missing_ok=True)
            described(path).unlink(missing_ok=True)
            raise
    described(path).unlink(missing_ok=True)
    return Downloaded(complete, download.is_certain)


def _download_apart(url: str, folder: Path, limits: DownloadLimits) -> Downloaded:
    path = durable.temporary_beside(folder / "source")
    with durable.fsynced(path) as file:
        download = Download(url, file, limits)
        download.run()
    return Downloaded(path, download.is_certain)


def described(path: Path) -> Path:
    """Return the file that describes the content of a kept download: its length and its validator."""
    return path.with_name(f"{path.name}.json")


def _run(url: str, path: Path, file: IO[bytes], limits: DownloadLimits) -> Download:
    """Continue the download; if its content has changed since the earlier request, begin again."""
    done, length, validator = _found(path, file)
    if done:
        log.info("the download of %s continues after %d bytes", redacted(url), done)
        download = _download(url, path, file, limits, done, length, validator)
        try:
            download.run()
        except Conflict as error:
            log.info("the download begins again: %s", error.detail)
        else:
            return download
    download = _download(url, path, file, limits)
    download.run()
    return download


def _download(
    url: str,
    path: Path,
    file: IO[bytes],
    limits: DownloadLimits,
    done: int = 0,
    length: int | None = None,
    validator: str | None = None,
) -> Download:
    def pinned(download: Download) -> None:
        if download.validator is None:
            described(path).unlink(missing_ok=True)
        else:
            durable.write_json(described(path), {"length": download.length, "validator": download.validator})

    file.seek(done)
    file.truncate()
    return Download(url, file, limits, done, length, validator, pinned=pinned)


def _found(path: Path, file: IO[bytes]) -> tuple[int, int | None, str | None]:
    """Return how many bytes an earlier request has left, their whole length, and the validator of the content."""
    size = file.seek(0, os.SEEK_END)
    with suppress(OSError, ValueError, KeyError, TypeError):
        about = json.loads(described(path).read_bytes())
        length, validator = about["length"], str(about["validator"])
        if length is None or size < length:
            return size, length, validator
        if size == length:
            return (
                size - 1,
                length,
                validator,
            )  # the last byte again: its response shows whether the content is the same
    return 0, None, None


def _locked(path: Path) -> IO[bytes] | None:
    """Open and lock the file; None if another request has it. The lock ends with the process."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def _remove_oldest(folder: Path, but: Path) -> None:
    """Remove the oldest kept downloads, so that with a new one there are at most `MOST_KEPT`; none that is running."""
    times = {}
    for path in folder.glob(f"{durable.TEMPORARY}*{SUFFIX}"):
        with suppress(FileNotFoundError):
            times[path] = path.stat().st_mtime
    for path in sorted(times.keys() - {but}, key=lambda each: times[each], reverse=True)[MOST_KEPT - 1 :]:
        with suppress(OSError):
            file = _locked(path)
            if file is not None:
                with file:
                    path.unlink()
                    described(path).unlink(missing_ok=True)
