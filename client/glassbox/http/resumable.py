"""`client.uploads`: resumable uploads (tus 1.0), which continue after a broken line and after the end of a process."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Event, Lock
from typing import Any

from glassbox.errors import (
    ChecksumMismatch,
    Conflict,
    GlassboxError,
    Gone,
    LocalFileError,
    Locked,
    NotFound,
    NotReachable,
    Refused,
    TooSlow,
)
from glassbox.files.unfinished import Fingerprint, Part, StateFile, Unfinished, state_folder
from glassbox.http.bodies import BLOCK, Body, FileBody, OnBytes
from glassbox.http.reading import read
from glassbox.http.retrying import TRANSIENT, Retries
from glassbox.http.routes import path_to
from glassbox.http.transport import Transport
from glassbox.records.uploads import Upload

TUS = {"Tus-Resumable": "1.0.0"}
RESUMABLE_BYTES = 64 << 20  # smaller files are sent in a single request
CHUNK = 64 << 20  # bytes of one request: proxies limit the size of a body
PARTS = 4
SMALLEST_PART = 32 << 20
CONCATENATION_SECONDS = 600.0
PATIENCE = Retries(attempts=100, first_pause=0.5, longest_pause=15.0, within=600.0)
"""Retries without any progress in between: about ten minutes."""


class Stopped(GlassboxError):
    """Another part of the upload has failed."""


class Uploads:
    """The resumable uploads of this client's key. patience: retries of a part that makes no progress.

    on_resume: called with a file, its bytes that the server has, and its size, when an earlier upload is continued.
    """

    on_resume: Callable[[Path, int, int], None] | None = None

    def __init__(self, transport: Transport, folder: Path | None = None, patience: Retries = PATIENCE) -> None:
        self._transport = transport
        self._folder = folder
        self.patience = patience

    def send(self, path: Path | str, *, parts: int = PARTS, on_bytes: OnBytes | None = None) -> Upload:
        """Upload a file, or continue where an earlier call, also of another process, was interrupted.

        parts: the number of connections that send at the same time. The result's id can be used instead of a body.
        Call `forget` once it is not needed any more. Raises `LocalFileError` if the file changes meanwhile.
        """
        path = Path(path)
        fingerprint = Fingerprint.of(path)
        state_file = self._state_file(fingerprint)
        state = state_file.load()
        if state.id is not None:
            with suppress(NotFound, Gone):
                found = self._found(state.id)
                if found.complete:
                    self._resume(path, fingerprint.size, fingerprint.size)
                    return found
            state = Unfinished()
        received = self._received(state, fingerprint.size)
        if received is None:
            self._abandon(state)
            state = Unfinished(_ranges(fingerprint.size, parts))
        else:
            self._resume(path, received, fingerprint.size)
        sending = _Sending(self, path, state, state_file, on_bytes)
        sending.run()
        if Fingerprint.of(path) != fingerprint:
            self._abandon(state)
            state_file.remove()
            raise LocalFileError(f"{path} changed while it was sent; nothing was submitted: try again")
        state.id = self._whole(state)
        state_file.save(state)
        return self._found(state.id)

    def of_body(self, body: Body, on_bytes: OnBytes | None) -> tuple[Path, Upload] | None:
        """Send a large file, and return its path and upload; None if it is small, or the server is of an older release.

        Smaller files, and folders, which are packed while they are sent, are sent in a single request.
        """
        if not isinstance(body, FileBody) or body.size < RESUMABLE_BYTES:
            return None
        try:
            return body.path, self.send(body.path, on_bytes=on_bytes)
        except NotFound as error:
            if error.code != "not_found":
                raise
            return None

    def create(
        self,
        length: int,
        *,
        metadata: str = "",
        partial: bool = False,
        start: int | None = None,
        first: str | None = None,
        key: str | None = None,
    ) -> Upload:
        """Begin an upload of `length` bytes. metadata: as `Upload-Metadata` of tus. partial: for a concatenation.

        start: the place of a part in the whole, so that the server copies nothing when the parts are concatenated; then
        first: the id of the part at place 0, for each other part. key: the `Idempotency-Key`; a call with the same one
        returns the same upload.
        """
        headers = {**TUS, "Upload-Length": str(length)}
        headers |= {"Upload-Metadata": metadata} if metadata else {}
        headers |= {"Upload-Concat": "partial"} if partial else {}
        headers |= {"Upload-Part-Start": str(start)} if start is not None else {}
        headers |= {"Upload-Part-Of": path_to("uploads", first)} if first is not None else {}
        headers |= {"Idempotency-Key": key} if key is not None else {}
        return read(Upload, self._transport.create(path_to("uploads"), headers=headers))

    def append(self, upload_id: str, offset: int, content: bytes | Iterator[bytes], size: int) -> None:
        """Send `size` bytes of an upload from `offset` on, once. Raises `Conflict` if they do not continue it."""
        headers = {
            **TUS,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(size),
        }
        self._transport.change("PATCH", path_to("uploads", upload_id), headers=headers, content=content)

    def concatenate(self, *upload_ids: str) -> Upload:
        """Join complete partial uploads, in this order; they cannot be used afterwards."""
        urls = " ".join(path_to("uploads", each) for each in upload_ids)
        headers = {**TUS, "Upload-Concat": f"final;{urls}"}
        document = self._transport.create(path_to("uploads"), headers=headers, read_timeout=CONCATENATION_SECONDS)
        return read(Upload, document)

    def get(self, upload_id: str) -> Upload:
        """Return an upload: `offset` is how many bytes the server has. Raises `NotFound`, or `Gone` if it expired."""
        return read(Upload, self._transport.get(path_to("uploads", upload_id)))

    def delete(self, upload_id: str) -> None:
        """Delete an upload. What was made from it stays."""
        self._transport.change("DELETE", path_to("uploads", upload_id), headers=TUS)

    def forget(self, path: Path | str, upload: Upload) -> None:
        """Delete the upload of a file that is not needed any more, and its local state."""
        with suppress(GlassboxError):
            self.delete(upload.id)
        with suppress(GlassboxError):
            self._state_file(Fingerprint.of(Path(path))).remove()

    def _state_file(self, fingerprint: Fingerprint) -> StateFile:
        return StateFile(self._folder or state_folder(), self._transport.url, fingerprint)

    def _resume(self, path: Path, received: int, size: int) -> None:
        if self.on_resume is not None:
            self.on_resume(path, received, size)

    def _received(self, state: Unfinished, size: int) -> int | None:
        """Return how many bytes the server has of a state that covers the file; None if it lacks some of the parts."""
        if not state.parts or state.parts[-1].end != size:
            return None
        try:
            return sum(self._found(part.id).offset for part in state.parts if part.id is not None)
        except (NotFound, Gone):
            return None

    def _found(self, upload_id: str) -> Upload:
        """Return an upload of an unfinished state: the server had it, so that it may be away for a while only."""
        found: Upload = self.patiently(lambda: self.get(upload_id))
        return found

    def _abandon(self, state: Unfinished) -> None:
        """Delete what the server still has of an upload that cannot be continued: it counts against the quota."""
        for part in state.parts:
            with suppress(GlassboxError):
                if part.id is not None:
                    self.delete(part.id)

    def _whole(self, state: Unfinished) -> str:
        ids = [part.id for part in state.parts if part.id is not None]
        return ids[0] if len(ids) == 1 else self.patiently(lambda: self.concatenate(*ids)).id

    def patiently(self, request: Any) -> Any:
        """Repeat a request that can be repeated, as long as the server may come back."""
        failures, waited = 0, 0.0
        while True:
            try:
                return request()
            except GlassboxError as error:
                failures += 1
                waited += pause_after(error, self.patience, failures, waited)


@dataclass
class _Sending:
    """The transfer of a file's parts, each in a thread of its own."""

    uploads: Uploads
    path: Path
    state: Unfinished
    state_file: StateFile
    on_bytes: OnBytes | None
    lock: Lock = field(default_factory=Lock)
    stop: Event = field(default_factory=Event)
    done: dict[int, int] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)  # a part whose creation's response was lost is not begun twice

    def run(self) -> None:
        """Send all parts. Raises the error of the first part that fails."""
        if self.state.parts[0].id is None:  # the other parts name it
            self.uploads.patiently(lambda: self._begin(self.state.parts[0]))
        with ThreadPoolExecutor(len(self.state.parts), "glassbox-upload") as pool:
            running = [pool.submit(self._part, part) for part in self.state.parts]
            failed: GlassboxError | None = None
            try:
                for future in running:
                    try:
                        future.result()
                    except Stopped:
                        continue
                    except GlassboxError as error:
                        failed = failed or error
            finally:  # also if the user interrupts the program
                self.stop.set()
        if failed is not None:
            raise failed

    def _part(self, part: Part) -> None:
        try:
            self._send(part)
        except BaseException:
            self.stop.set()
            raise

    def _send(self, part: Part) -> None:
        """Send a part until the server has all of it; after a failure, ask where to continue."""
        failures, waited, reached = 0, 0.0, -1
        while True:
            try:
                if part.id is None:
                    self._begin(part)
                offset = self.uploads.get(str(part.id)).offset
                if offset > reached:
                    failures, waited, reached = 0, 0.0, offset
                self._report(part, offset)
                if offset == part.end - part.start:
                    return
                size = min(CHUNK, part.end - part.start - offset)
                self.uploads.append(str(part.id), offset, self._blocks(part, offset, size), size)
            except GlassboxError as error:
                failures += 1
                waited += pause_after(error, self.uploads.patience, failures, waited, self.stop)

    def _begin(self, part: Part) -> None:
        length, first = part.end - part.start, self.state.parts[0]
        key = self.keys.setdefault(part.start, str(uuid.uuid4()))
        try:
            if len(self.state.parts) == 1:
                part.id = self.uploads.create(length, key=key).id
            else:
                of = None if part is first else first.id
                part.id = self.uploads.create(length, partial=True, start=part.start, first=of, key=key).id
        except Conflict as error:
            if error.code == "idempotency_key_in_use":  # by a process of the API that has died: wait for no lease
                del self.keys[part.start]
            raise
        with self.lock:
            self.state_file.save(self.state)

    def _blocks(self, part: Part, offset: int, size: int) -> Iterator[bytes]:
        """Read a range of the part block by block."""
        try:
            with self.path.open("rb") as file:
                file.seek(part.start + offset)
                while size:
                    if self.stop.is_set():
                        raise Stopped("the upload was stopped")
                    block = file.read(min(BLOCK, size))
                    if not block:
                        raise LocalFileError(f"{self.path} became shorter while it was sent; nothing was submitted")
                    yield block
                    size -= len(block)
                    offset += len(block)
                    self._report(part, offset)
        except OSError as error:
            raise LocalFileError(f"{self.path} cannot be read: {error.strerror}") from error

    def _report(self, part: Part, offset: int) -> None:
        with self.lock:
            self.done[part.start] = offset
            if self.on_bytes is not None and not self.stop.is_set():
                self.on_bytes(sum(self.done.values()), self.state.parts[-1].end)


def pause_after(
    error: GlassboxError, patience: Retries, failures: int, waited: float, stop: Event | None = None
) -> float:
    """Wait after a failure; return the seconds. Raises the error if a retry would not help, or none is left."""
    transient = isinstance(error, NotReachable | Locked | TooSlow | ChecksumMismatch) or (
        isinstance(error, Refused)
        and (error.status in TRANSIENT or error.code in {"upload_offset", "body_cut_short", "idempotency_key_in_use"})
    )
    pause = patience.pause(failures, waited, getattr(error, "retry_after", None)) if transient else None
    if pause is None:
        raise error
    if stop is None:
        time.sleep(pause)
    elif stop.wait(pause):
        raise Stopped("the upload was stopped")
    return pause


def _ranges(size: int, parts: int) -> list[Part]:
    """Return the ranges of a file's parts, of about the same size and not too small."""
    count = max(1, min(parts, size // SMALLEST_PART))
    edges = [size * number // count for number in range(count + 1)]
    return [Part(start, end) for start, end in pairwise(edges)]
