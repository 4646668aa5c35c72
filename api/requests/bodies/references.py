"""Bodies by reference: JSON that names a file or folder, in place of the file itself.

Each way to name one is a field of `BodyReference`, and a request has exactly one of them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import BoundedSemaphore
from typing import Annotated, Self
from urllib.parse import unquote

from flask import request
from pydantic import Field, field_validator, model_validator

from api.requests.bodies.forms import options_of
from api.requests.bodies.uploads import Upload, received
from api.requests.validation import RequestModel, from_json
from shared.archives.in_place.objects import is_read_in_place
from shared.archives.tar import BLOCK as TAR_BLOCK
from shared.archives.tar import END, is_tar
from shared.errors import FieldError, GlassboxError, Invalid, Unavailable
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.sources.download import DownloadLimits, redacted
from shared.storage.sources.kept import download_kept
from shared.storage.sources.local import local_source
from shared.storage.sources.stored import copy_object, stored_source
from shared.storage.uploads import space
from shared.storage.uploads.store import UploadStore
from shared.storage.volume import Volume

MOST_ARCHIVES = 100  # of one batch
RELATIVE = frozenset({".", ".."})
MOST_DOWNLOADS = 8  # at once in one process of the API: each holds a thread


class Source(RequestModel):
    """A file or folder by its URL."""

    url: str = Field(
        max_length=2000,
        description="`file:` of an archive, or of a folder of images, below a folder that the server's operator has"
        " named (GLASSBOX_IMPORT_FOLDERS), which is read in place; or `s3:` of an archive, `s3://bucket/images.zip`, or"
        " of a prefix of images, `s3://bucket/images/`, in a bucket that the operator has named"
        " (GLASSBOX_IMPORT_BUCKETS); or `https:` of an archive, such as `https://data.example.org/images.zip`, which is"
        " downloaded. A query, such as a signature, is in no record",
    )


class BodyReference(RequestModel):
    """What a request names in place of a body."""

    source: Source | None = Field(None, description="a file or folder that the server reads")
    upload: str | None = Field(
        None, max_length=64, description="id of a complete resumable upload of this key; it can be used several times"
    )

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if (self.source is None) == (self.upload is None):
            raise ValueError("must have either source, the place of the file, or upload, the id of an upload")
        return self


class NamedArchive(BodyReference):
    """One of several archives."""

    name: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        pattern=r"^[^/\x00-\x1f\x7f]+$",
        description="the first part of its rows' paths; by default the last part of the URL, or `archive-1`",
    )

    @field_validator("name")
    @classmethod
    def _is_no_relative_path(cls, name: str | None) -> str | None:
        if name in RELATIVE:
            raise ValueError("must not be . or .., which have a meaning in paths")
        return name

    def title(self, number: int) -> str:
        """Return the archive's name, by default made of its URL or its number."""
        if self.name is not None:
            return self.name
        path = "" if self.source is None else unquote(redacted(self.source.url).partition("?")[0])
        last = "".join(filter(str.isprintable, path.rstrip("/").rpartition("/")[2]))
        return f"archive-{number + 1}" if last in {"", *RELATIVE} else last[:255]


class SeveralReferences(BodyReference):
    """What a request names in place of a body: one file or several archives."""

    archives: Annotated[list[NamedArchive], Field(min_length=1, max_length=MOST_ARCHIVES)] | None = Field(
        None, description="several archives, which are classified in this order as one batch"
    )

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if sum(way is not None for way in (self.source, self.upload, self.archives)) != 1:
            raise ValueError(
                "must have either source, the place of the file, or upload, the id of an upload, or archives, a list of"
                " these"
            )
        return self

    def titles(self) -> list[str]:
        """Return the names of the archives, each another one: a name that occurs again gets a number in parentheses."""
        titles: list[str] = []
        for number, archive in enumerate(self.archives or ()):
            title = own = archive.title(number)
            suffixes = count(number + 1)
            while title in titles:
                title = f"{own} ({next(suffixes)})"
            titles.append(title)
        return titles


class Bodies:
    """Receives the file of a request: its body, a part of its form, or what its JSON names.

    owner: returns the name of the key of the current request, to which resumable uploads belong.
    """

    def __init__(self, volume: Volume, settings: Settings, uploads: UploadStore, owner: Callable[[], str]) -> None:
        self._volume = volume
        self._settings = settings
        self._uploads = uploads
        self._owner = owner
        self._downloads = BoundedSemaphore(MOST_DOWNLOADS)

    @contextmanager
    def received(self, part: str, model: type[BodyReference], *, copied: bool = False) -> Iterator[Upload]:
        """Receive the request's file as `uploads.received` does, or resolve what its JSON names.

        model: that of the JSON. copied: whether an object of a store is downloaded although it could be read in place.
        Raises what `uploads.received`, `local_source`, `stored_source` and `UploadStore.used` raise.
        """
        if not request.is_json:
            with received(part, self._volume, self._settings) as upload:
                yield upload
            return
        reference = from_json(model, self._settings)
        options = options_of(_texts(reference))
        if isinstance(reference, SeveralReferences) and reference.archives is not None:
            with self._several(reference, options, copied=copied) as upload:
                yield upload
            return
        with self._referenced(reference, options, copied=copied) as upload:
            yield upload

    @contextmanager
    def _several(self, references: SeveralReferences, options: Mapping[str, str], *, copied: bool) -> Iterator[Upload]:
        """Collect the archives in a folder, each under its number."""
        folder = durable.temporary_beside(self._volume.incoming / "archives")
        durable.make_folder(folder)
        try:
            with ExitStack() as exits:
                parts = []
                archives = zip(references.archives or (), references.titles(), strict=True)
                for number, (reference, title) in enumerate(archives):
                    with of_archive(number, title):
                        upload = exits.enter_context(self._referenced(reference, options, copied=copied))
                    path = folder / str(number)
                    if os.path.lexists(upload.path):  # an object that is read in place has no file
                        upload.path.rename(path)
                    parts.append(replace(upload, path=path, name=title))
                yield Upload(folder, options, parts=tuple(parts))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _referenced(self, reference: BodyReference, options: Mapping[str, str], *, copied: bool) -> Iterator[Upload]:
        if reference.upload is not None:
            with self._uploads.used(self._owner(), reference.upload) as path:
                yield Upload(path, options, upload_id=reference.upload)
            return
        assert reference.source is not None, "the model has exactly one way"
        with self._named(reference.source.url, options, copied=copied) as upload:
            yield upload

    @contextmanager
    def _named(self, url: str, options: Mapping[str, str], *, copied: bool) -> Iterator[Upload]:
        scheme = url.partition(":")[0].lower() if ":" in url else ""
        if scheme == "s3":
            named = self._of_a_store(url, options, copied=copied)
        else:
            named = self._downloaded(url, options) if scheme in {"https", "http"} else self._in_place(url, options)
        with named as upload:
            yield upload

    @contextmanager
    def _of_a_store(self, url: str, options: Mapping[str, str], *, copied: bool) -> Iterator[Upload]:
        """Pin the object or prefix; download the object if it is not read in place."""
        settings = self._settings
        with _of_the_field():
            pinned = stored_source(url, settings)
            in_place = pinned.is_folder or (not copied and is_read_in_place(pinned, settings))
        path = durable.temporary_beside(self._volume.incoming / "source")
        durable.make_folder(path.parent)
        if in_place:
            yield Upload(path, options, pinned, url)
            return
        try:
            space.check(path.parent, pinned.size)
            with self._one_download(), durable.fsynced(path) as file, _of_the_field():
                copy_object(pinned, file, settings, self._most_bytes)
            yield Upload(path, options, url=url)
        finally:
            path.unlink(missing_ok=True)

    @property
    def _most_bytes(self) -> int:
        """The most bytes of a file that is copied to the volume."""
        return self._settings.max_source_bytes or space.total(self._volume.root)

    @contextmanager
    def _one_download(self) -> Iterator[None]:
        if not self._downloads.acquire(blocking=False):
            raise Unavailable(
                "downloads_busy", f"{MOST_DOWNLOADS} files are being downloaded already; send the request again", 10
            )
        try:
            yield
        finally:
            self._downloads.release()

    @contextmanager
    def _downloaded(self, url: str, options: Mapping[str, str]) -> Iterator[Upload]:
        """Download the file to the volume."""
        settings, folder = self._settings, self._volume.incoming
        limits = DownloadLimits(
            nbytes=self._most_bytes,
            seconds=settings.source_seconds,
            idle_seconds=settings.client_timeout,
            rate=settings.client_rate,
            free=lambda: shutil.disk_usage(folder).free,
            allow_private=settings.source_allow_private,
        )
        with self._one_download(), _of_the_field():
            path, is_certain = download_kept(url, self._owner(), folder, limits)
        try:
            if not is_certain:
                _check_end(path, url)
            yield Upload(path, options, url=redacted(url))
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _in_place(self, url: str, options: Mapping[str, str]) -> Iterator[Upload]:
        """Link to the file or folder."""
        if not url.lower().startswith("file:"):
            raise _invalid("source_invalid", "must begin with file:, s3: or https:")
        with _of_the_field():
            pinned = local_source(url, self._settings.import_folders)
        link = durable.temporary_beside(self._volume.incoming / "source")
        durable.make_folder(link.parent)
        link.symlink_to(pinned.path)
        try:
            yield Upload(link, options, pinned, url)
        finally:
            link.unlink(missing_ok=True)


def _check_end(path: Path, url: str) -> None:
    """Raise `Unavailable` for a tar without its end mark: the connection may have ended before its last entries.

    Other archives show that their end is missing.
    """
    with path.open("rb") as file:
        if not is_tar(file.read(TAR_BLOCK)):
            return
        file.seek(-TAR_BLOCK, os.SEEK_END)
        if file.read() != END:
            detail = (
                f"{redacted(url)} is perhaps not complete: the server states no length, and the tar has no end"
                " mark; try again, or name a file whose server states its length"
            )
            raise Unavailable("source_unavailable", detail, 60)


def _texts(reference: BodyReference) -> dict[str, str]:
    """Return the options in the JSON as the texts of a form."""
    values = reference.model_dump(mode="json", exclude_none=True, exclude=set(SeveralReferences.model_fields))
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


@contextmanager
def of_archive(number: int, title: str) -> Iterator[None]:
    """Name the archive in the errors that the block raises: one of several, by its number from 0."""
    try:
        yield
    except GlassboxError as error:
        error.detail = f"{title}: {error.detail}"
        error.args = (error.detail,)
        if isinstance(error, Invalid):
            error.fields = tuple(
                replace(field, pointer=f"#/archives/{number}{field.pointer[1:]}") if field.pointer else field
                for field in error.fields
            )
        raise


@contextmanager
def _of_the_field() -> Iterator[None]:
    """Report what is wrong with the URL as the error of its field."""
    try:
        yield
    except Invalid as error:
        raise _invalid(error.code, error.detail.removeprefix("the URL of the source ")) from error


def _invalid(code: str, reason: str) -> Invalid:
    return Invalid(code, f"source.url: {reason}", [FieldError(reason, pointer="#/source/url")])
