"""Which bytes a path stands for: a file's own, or a folder's as a zip."""

from __future__ import annotations

from pathlib import Path

from glassbox.files.folders import FolderBody
from glassbox.http.bodies import Body, FileBody


def opened(source: Path | str | Body) -> Body:
    """What to send of a file or a folder; what can be sent already is itself. Raises `LocalFileError`."""
    if not isinstance(source, Path | str):
        return source
    path = Path(source)
    return FolderBody(path) if path.is_dir() else FileBody(path)
