"""The names in an archive: which could lead elsewhere, which are archives themselves, which are no images at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from shared.errors import GlassboxError, Invalid

PASSED_OVER = (".DS_Store", "Thumbs.db", "desktop.ini")
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")

LONGEST_SHOWN = 100

Broken = tuple[int, GlassboxError]  # the index of an entry that breaks a rule, and the error to raise


def judge_names(names: Sequence[str]) -> tuple[NDArray[np.bool_], Broken | None]:
    """Judge the names of a run of entries.

    Returns a mask (n,) that is true where an entry is passed over, and the first name that breaks a rule, if one does.
    """
    passed_over = np.zeros(len(names), np.bool_)
    for index in _suspects(names):
        name = names[index]
        if problem := name_problem(name):
            return passed_over, (index, Invalid("archive_path", f"the name {shown(name)} {problem}"))
        passed_over[index] = is_passed_over(name)
        if not passed_over[index] and name.lower().endswith(ARCHIVES):
            nested = Invalid("archive_nested", f"{shown(name)} is an archive in the archive; send its files themselves")
            return passed_over, (index, nested)
    return passed_over, None


def _suspects(names: Sequence[str]) -> Iterable[int]:
    """The names that deserve a closer look: every other one is fine. Nearly all are, and there may be a million."""
    return (
        index
        for index, name in enumerate(names)
        if name[:1] in {"", "/"}
        or name[-1] in "/."
        or name.endswith(PASSED_OVER)
        or "\0" in name
        or "\\" in name
        or ":" in name
        or ".." in name
        or "._" in name
        or "__MACOSX" in name
        or name.lower().endswith(ARCHIVES)
    )


def normalised(name: bytes) -> bytes:
    """The same place without a part that it does not need: `./a//b` is `a/b`. A folder keeps its slash at the end."""
    parts = [part for part in name.split(b"/") if part not in {b"", b"."}]
    return b"/".join(parts) + (b"/" if name.endswith(b"/") else b"")


def shown(name: str) -> str:
    """A name in quotes, as an error may tell it: not longer than a person would read."""
    return repr(name if len(name) <= LONGEST_SHOWN else name[:LONGEST_SHOWN] + "…")


def name_problem(name: str) -> str | None:
    """What is wrong with a name, as the rest of a sentence; None where nothing is."""
    parts = PurePosixPath(name).parts
    if "\0" in name:
        return "has a NUL in it"
    if "\\" in name:
        return "has a backslash in it; names in archives use /"
    if name.startswith("/") or name[1:2] == ":":
        return "is absolute"
    if ".." in parts:
        return "climbs out of the archive with .."
    if not parts and not name.endswith("/"):  # `./` is a folder; `.` is nothing
        return "is empty"
    return None


def is_passed_over(name: str) -> bool:
    """Whether it is a folder, or something that systems add by themselves."""
    if name.endswith("/"):
        return True
    parts = PurePosixPath(name).parts
    return parts[0] == "__MACOSX" or parts[-1] in PASSED_OVER or parts[-1].startswith("._")
