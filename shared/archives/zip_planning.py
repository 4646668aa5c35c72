"""Judging a zip by its central directory: the rules for each entry, and the rule that no two overlap.

The attacks that the rules answer are overlapping entries (Fifield 2019), lying sizes, path tricks, and archives in
archives. What the local headers say is compared when an entry is read.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.archives.collecting import Collector
from shared.archives.names import judge_names, name_problem, shown
from shared.archives.plan import ENTRY, Kind, Plan
from shared.archives.rules import Rule, enforce
from shared.archives.zip_directory import CENTRAL, MANY, Block, Directory, blocks, damaged
from shared.errors import Invalid, TooLarge
from shared.runtime.settings import MiB, Settings

METHODS = STORED, DEFLATED = 0, 8
PLAIN = (0, stat.S_IFREG, stat.S_IFDIR)
ENCRYPTED, UTF8 = 0x1 | 0x40 | 0x2000, 0x800  # of an entry's flags (APPNOTE 4.4.4)
LOCAL_BYTES = 30  # of a local header, without name and extra fields
ZIP64, UNICODE_PATH = 0x0001, 0x7075  # extra fields (APPNOTE 4.5.3, 4.6.9)
ABSURD = 2**61  # more bytes than any file has; sums of it still fit


def plan_zip(descriptor: int, file_size: int, directory: Directory, limits: Settings) -> Plan:
    """Judge the whole central directory; raises `TooLarge` or `Invalid` with the first entry that breaks a rule."""
    collector = Collector(directory.size // CENTRAL.itemsize, limits)
    for block in blocks(descriptor, directory):
        run = _run(block, directory)
        spelled = raw_names(block)
        names = _names(block, spelled, limits)
        collector.check(len(run), int(np.minimum(run["size"], limits.max_expanded_bytes + 1).sum()))
        passed_over = _judge(block, run, names, limits)
        collector.add(run, [name.encode() for name in names], passed_over, spelled)
    _refuse_overlap(collector, directory, file_size)
    return collector.plan(Kind.ZIP)


def _run(block: Block, directory: Directory) -> NDArray[np.void]:
    """What the records say of their entries, (n,) of ENTRY; the names are still to come."""
    run = np.zeros(len(block.records), ENTRY)
    for name in ("packed", "size", "offset", "crc", "flags", "method"):
        run[name] = block.records[name]
    wide = (block.records["size"] == MANY) | (block.records["packed"] == MANY) | (block.records["offset"] == MANY)
    for index in np.flatnonzero(wide).tolist():
        _widen(run, index, _extra(block, index))
    if np.isin(block.records["disk"], (0, 0xFFFF), invert=True).any():
        raise damaged("it is one part of an archive in several")
    run["offset"] += directory.shift
    return run


def _widen(run: NDArray[np.void], index: int, extra: bytes) -> None:
    """Take the values that do not fit into 32 bits from the zip64 extra field, which has those that are needed."""
    content = next((content for kind, content in extra_fields(extra) if kind == ZIP64), b"")
    needed = [name for name in ("size", "packed", "offset") if run[name][index] == MANY]
    if len(content) < 8 * len(needed):
        raise damaged("an entry lacks its zip64 sizes")
    for name, value in zip(needed, struct.unpack_from(f"<{len(needed)}Q", content), strict=True):
        run[name][index] = min(value, ABSURD)


def extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The kind and content of each extra field; up to three bytes behind them are padding."""
    start = 0
    while start + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, start)
        start += 4
        if start + length > len(extra):
            raise damaged("an extra field is cut short")
        yield kind, extra[start : start + length]
        start += length


def _extra(block: Block, index: int) -> bytes:
    record = block.records[index]
    start = int(block.starts[index]) + CENTRAL.itemsize + int(record["name_length"])
    return block.buffer[start : start + int(record["extra_length"])]


def raw_names(block: Block) -> list[bytes]:
    """The names of a block's entries as the archive spells them."""
    starts = block.starts + CENTRAL.itemsize
    ends = starts + block.records["name_length"]
    return [block.buffer[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _names(block: Block, raw_names: list[bytes], limits: Settings) -> list[str]:
    """The names as text: in UTF-8 where the entry says so, else in code page 437; or from an extra field."""
    if b"".join(raw_names).isascii():
        names = [raw.decode("ascii") for raw in raw_names]
    else:
        utf8 = (block.records["flags"] & UTF8 != 0).tolist()
        try:
            names = [raw.decode("utf-8" if is_utf8 else "cp437") for raw, is_utf8 in zip(raw_names, utf8, strict=True)]
        except UnicodeDecodeError as error:
            raise damaged(f"a name is not the UTF-8 that it claims to be: {error}") from None
    for index in np.flatnonzero(block.records["extra_length"]).tolist():
        extra = _extra(block, index)
        if b"up" in extra:  # 0x7075, unless it stands there by chance
            for kind, content in extra_fields(extra):
                if kind == UNICODE_PATH:
                    names[index] = _second_name(names[index], raw_names[index], content, limits)
    return names


def _second_name(name: str, raw: bytes, content: bytes, limits: Settings) -> str:
    """The entry's name after all, where a Unicode path field belongs to it; neither of the two may lead elsewhere."""
    try:
        second = content[5:].decode()
    except UnicodeDecodeError as error:
        raise damaged(f"a name is not the UTF-8 that it claims to be: {error}") from None
    if not second:
        return name
    if len(content) > 5 + limits.max_name_bytes:
        raise Invalid("archive_path", f"{shown(second)} is a name of more than {limits.max_name_bytes} bytes")
    for each in (name, second):
        if problem := name_problem(each):
            raise Invalid("archive_path", f"the name {shown(each)} {problem}")
    return second if struct.unpack_from("<BL", content) == (1, zlib.crc32(raw)) else name


def _judge(block: Block, run: NDArray[np.void], names: Sequence[str], limits: Settings) -> NDArray[np.bool_]:
    """Apply every rule on a single entry; returns which of them are passed over (n,)."""
    kind = block.records["external"] >> 28 << 12  # the kind of file in the Unix mode, which is the upper half
    size, packed = run["size"], run["packed"]
    ratio = (size > MiB) & (size > limits.max_compression_ratio * packed.astype(np.float64))
    passed_over, bad_name = judge_names(names)

    long = f"is a name of more than {limits.max_name_bytes} bytes"
    large = f"is larger than {limits.max_entry_bytes} bytes"
    dense = f"unpacks to more than {limits.max_compression_ratio} times its size"
    encrypted, method = run["flags"] & ENCRYPTED != 0, ~np.isin(run["method"], METHODS)
    rules = (
        Rule(encrypted, Invalid, "archive_encrypted", "is encrypted; send the archive without a password"),
        Rule(method, Invalid, "archive_method", "is packed by a method other than stored and deflate"),
        Rule(block.records["name_length"] > limits.max_name_bytes, Invalid, "archive_path", long),
        Rule(~np.isin(kind, PLAIN), Invalid, "archive_special_file", "is a link or a device, not a file"),
        Rule(size > limits.max_entry_bytes, TooLarge, "archive_entry_too_large", large),
        Rule(ratio, Invalid, "archive_ratio", dense),
    )
    enforce(rules, names, bad_name)
    return passed_over


def _refuse_overlap(collector: Collector, directory: Directory, file_size: int) -> None:
    """Each entry must end before the next one's header: else few bytes could stand for very many.

    Sets where each entry must end. The extra fields of local headers are not known here; an entry that overlaps by
    them is refused when it is read.
    """
    entries = collector.entries
    order = np.argsort(entries["offset"], kind="stable")
    starts = entries["offset"][order]
    ends = starts + LOCAL_BYTES + entries["raw_length"][order] + entries["packed"][order]
    if len(ends) and (ends > file_size).any():
        raise damaged("it is cut short: an entry ends behind the file's end")
    limits = np.append(starts[1:], directory.start)
    if (overlapping := ends > limits[: len(ends)]).any():
        name = collector.name(int(order[overlapping.argmax()]))
        raise Invalid("archive_overlap", f"{shown(name)} overlaps what follows it")
    entries["end"][order] = limits[: len(ends)]
