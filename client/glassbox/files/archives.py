"""The body of an upload for a path: a file, or a folder as a zip."""

from __future__ import annotations

from pathlib import Path

from glassbox.files.folders import FolderBody
from glassbox.http.bodies import Body, FileBody


def opened(source: Path | str | Body) -> Body:
    """Return the body for a file or a folder; a body is returned unchanged. Raises `LocalFileError`."""
    if not isinstance(source, Path | str):
        return source
    path = Path(source)
    return FolderBody(path) if path.is_dir() else FileBody(path)
