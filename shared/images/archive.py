"""A zip of images: judged by its central directory when it is uploaded, read entry by entry when it is classified.

Nothing is ever extracted to a path that the archive names. The structure is that of PKWARE's APPNOTE; the attacks that
the checks answer are overlapping entries (Fifield 2019), lying sizes, path tricks, and archives in archives.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from shared.errors import GlassboxError, Invalid, Malformed, TooLarge, UnsupportedType
from shared.settings import MiB, Settings

PASSED_OVER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
ENCRYPTED, UTF8 = 0x1, 0x800  # of an entry's flags (APPNOTE 4.4.4)


@dataclass(frozen=True)
class Plan:
    """What an archive holds: `entries` to classify, and how many names were `passed_over` as no images at all."""

    entries: tuple[zipfile.ZipInfo, ...]
    passed_over: int


class Archive:
    """An open archive. Use it in a `with` block."""

    def __init__(self, path: Path, limits: Settings) -> None:
        if not zipfile.is_zipfile(path):
            raise UnsupportedType("archive_expected", "the body is not a zip archive; send a .zip of images")
        self._limits = limits
        self._size = path.stat().st_size
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise Invalid("archive_damaged", f"the zip archive cannot be read: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def plan(self) -> Plan:
        """Judge the whole central directory; the entries keep the archive's order.

        Raises `TooLarge` or `Invalid` with the name of the first entry that breaks a rule.
        """
        infos = self._zip.infolist()
        if len(infos) > self._limits.max_archive_entries:
            raise TooLarge("archive_too_large", f"more than {self._limits.max_archive_entries} entries")
        if sum(info.file_size for info in infos) > self._limits.max_expanded_bytes:
            raise TooLarge("archive_too_large", f"more than {self._limits.max_expanded_bytes} bytes when unpacked")
        names = set()
        for info in infos:
            self._judge(info)
            if info.filename in names:
                raise Invalid("archive_duplicate", f"{info.filename!r} is in the archive twice")
            names.add(info.filename)
        self._refuse_overlap(infos)
        entries = tuple(info for info in infos if not _is_passed_over(info))
        if not entries:
            raise Invalid("archive_empty", "the archive holds no files to classify")
        return Plan(entries, len(infos) - len(entries))

    def read(self, info: zipfile.ZipInfo) -> bytes:
        """One entry's bytes, counted while they are read; raises `Malformed` where they are damaged."""
        try:
            with self._zip.open(info) as entry:
                content = entry.read(self._limits.max_entry_bytes + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise Malformed("entry_damaged", f"the entry cannot be unpacked: {error}") from error
        if len(content) > self._limits.max_entry_bytes:
            raise Malformed("entry_too_large", f"the entry is larger than {self._limits.max_entry_bytes} bytes")
        return content

    def _judge(self, info: zipfile.ZipInfo) -> None:
        name, limits = info.filename, self._limits
        if info.flag_bits & ENCRYPTED:
            raise Invalid("archive_encrypted", f"{name!r} is encrypted; send the archive without a password")
        if info.compress_type not in METHODS:
            raise Invalid("archive_method", f"{name!r} is packed by a method other than stored and deflate")
        if problem := _path_problem(info):
            raise Invalid("archive_path", f"the name {name!r} {problem}")
        if _is_link_or_device(info):
            raise Invalid("archive_special_file", f"{name!r} is a link or a device, not a file")
        if info.file_size > limits.max_entry_bytes:
            raise TooLarge("archive_entry_too_large", f"{name!r} is larger than {limits.max_entry_bytes} bytes")
        if info.file_size > MiB and info.file_size > limits.max_compression_ratio * info.compress_size:
            raise Invalid(
                "archive_ratio", f"{name!r} unpacks to more than {limits.max_compression_ratio} times its size"
            )
        if name.lower().endswith(ARCHIVE_SUFFIXES) and not _is_passed_over(info):
            raise Invalid("archive_nested", f"{name!r} is an archive in the archive; send its files themselves")

    def _refuse_overlap(self, infos: list[zipfile.ZipInfo]) -> None:
        """Each entry's data must end before the next one's header: else few bytes could stand for very many."""
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset < end:
                raise Invalid("archive_overlap", f"{info.filename!r} overlaps the entry before it")
            end = info.header_offset + 30 + len(_raw_name(info)) + info.compress_size
        if end > self._size:
            raise Invalid("archive_damaged", "the archive is cut short: an entry ends behind the file's end")


def describe(error: GlassboxError, path: str) -> dict[str, str]:
    """One entry's error as a line of a batch's errors."""
    return {"path": path, "code": error.code, "detail": error.detail}


def shards(entries: tuple[zipfile.ZipInfo, ...], size: int) -> Iterator[tuple[int, tuple[zipfile.ZipInfo, ...]]]:
    """Cut the entries into numbered runs of at most `size`, in their order."""
    for number, start in enumerate(range(0, len(entries), size)):
        yield number, entries[start : start + size]


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & UTF8 else "cp437")


def _path_problem(info: zipfile.ZipInfo) -> str | None:
    if len(_raw_name(info)) > 255:
        return "is longer than 255 bytes"
    names = {info.orig_filename, info.filename}  # Python 3.12 takes another name from an extra field (APPNOTE 4.6.9)
    return next(filter(None, map(_name_problem, names)), None)


def _name_problem(name: str) -> str | None:
    if name in {"", "."}:
        return "is empty"
    if "\0" in name:
        return "has a NUL in it"
    if "\\" in name:
        return "has a backslash in it; zip names use /"
    if name.startswith("/") or name[1:2] == ":":
        return "is absolute"
    if ".." in PurePosixPath(name).parts:
        return "climbs out of the archive with .."
    return None


def _is_link_or_device(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return kind not in {0, stat.S_IFREG, stat.S_IFDIR}


def _is_passed_over(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename).parts
    return info.is_dir() or parts[0] == "__MACOSX" or parts[-1] in PASSED_OVER or parts[-1].startswith("._")
