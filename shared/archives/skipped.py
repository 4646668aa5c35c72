"""The report of an upload's skipped files: for each reason their number and the first names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.json_types import Skipped, SkippedFiles

NAMED = 5
LONGEST_NAME = 100


class SkipReport:
    """Counts skipped files by the reason's code, and keeps the first `NAMED` names of each."""

    def __init__(self, start: Skipped | None = None) -> None:
        self._found: Skipped = {code: {**files, "names": [*files["names"]]} for code, files in (start or {}).items()}

    def add(self, code: str, names: Iterable[str], count: int = 1) -> None:
        """Add `count` files, of which `names` are the first or all."""
        files = self._found.setdefault(code, SkippedFiles(count=0, names=[]))
        files["count"] += count
        for name in names:
            if len(files["names"]) >= NAMED:
                break
            files["names"].append(name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…")

    def as_json(self) -> Skipped:
        """Return the report."""
        return self._found


def in_words(skipped: Mapping[str, SkippedFiles]) -> str:
    """Return the report as a part of a sentence: `3 hidden (such as '.gitkeep'), 1 side_file ('LICENSE.txt')`."""
    return ", ".join(
        f"{files['count']} {code} ({'such as ' if files['count'] > 1 else ''}{files['names'][0]!r})"
        for code, files in skipped.items()
    )
