"""The report of skipped files, by the reason's code: merged from the client's and the server's, as one line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from glassbox.records.skipped import SkippedFiles

NAMED = 5  # names for each code

REASONS = {  # what the line says of a code; nothing of files that are no images, whose ending says it
    "not_an_image": "",
    "side_file": "",
    "image_unsupported": "unsupported",
    "hidden": "hidden",
    "system_file": "of the system",
}
ENDING = re.compile(r"[^./](\.[^./\s]{1,12})$")


def merged(first: Mapping[str, SkippedFiles], second: Mapping[str, SkippedFiles]) -> dict[str, SkippedFiles]:
    """Return both reports as one."""
    found = dict(first)
    for code, files in second.items():
        before = found.get(code, SkippedFiles(0, ()))
        found[code] = SkippedFiles(before.count + files.count, (*before.names, *files.names)[:NAMED])
    return found


def as_line(skipped: Mapping[str, SkippedFiles]) -> str:
    """Return the report as a line, such as `skipped 2 files: 1 .jxl (unsupported), 1 .txt`; empty if it is empty."""
    total = sum(files.count for files in skipped.values())
    if not total:
        return ""
    parts = [part for code, files in sorted(skipped.items(), key=_order) for part in _parts(code, files)]
    return f"skipped {total:,} {'file' if total == 1 else 'files'}: {', '.join(parts)}"


def _order(item: tuple[str, SkippedFiles]) -> tuple[bool, str]:
    """Sort images before other files."""
    code, _ = item
    return not code.startswith("image"), code


def _parts(code: str, files: SkippedFiles) -> list[str]:
    """Return the files of one code by their endings, or with an example if not all names are known."""
    reason = REASONS.get(code, code.removeprefix("image_").replace("_", " "))
    after = f" ({reason})" if reason else ""
    endings = Counter(map(_ending, files.names))
    if files.count == len(files.names):
        return [f"{count:,} {ending}{after}" for ending, count in sorted(endings.items())]
    kind = next(iter(endings)) if len(endings) == 1 else "files"
    example = f", such as {files.names[0]}" if files.names else ""
    return [f"{files.count:,} {kind}{after}{example}"]


def _ending(name: str) -> str:
    """Return `.txt` for `notes.txt`, and the whole name for one without an ending."""
    last = name.rstrip("/").rpartition("/")[2]
    found = ENDING.search(last)
    return found[1].lower() if found else last
