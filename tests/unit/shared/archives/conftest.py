"""Fixtures of the archive tests: bytes as an uploaded file."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.archives import ArchiveIndex, Contents, validate
from shared.errors import GlassboxError
from shared.runtime.settings import Settings


class Uploads:
    """Validates and reads bytes as an archive."""

    def __init__(self, path: Path, limits: Settings) -> None:
        self.path = path
        self.limits = limits

    def index(self, content: bytes, **limits: int) -> ArchiveIndex:
        self.path.write_bytes(content)
        return validate(self.path, self._limits(limits))

    def names(self, content: bytes) -> list[str]:
        archive = self.index(content)
        return archive.paths(0, len(archive))

    def refusal(self, content: bytes, **limits: int) -> GlassboxError:
        with pytest.raises(GlassboxError) as caught:
            self.index(content, **limits)
        assert sorted(self.path.parent.iterdir()) == [self.path]
        return caught.value

    def opened(self, archive: ArchiveIndex, **limits: int) -> Contents:
        return Contents(self.path, archive, self._limits(limits))

    def read_all(self, content: bytes, **limits: int) -> list[bytes]:
        archive = self.index(content, **limits)
        with self.opened(archive, **limits) as contents:
            return [contents.read(index) for index in range(len(archive))]

    def _limits(self, changes: dict[str, int]) -> Settings:
        return self.limits.model_copy(update=changes)


@pytest.fixture
def uploads(tmp_path: Path, limits: Settings) -> Uploads:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return Uploads(folder / "upload", limits)
