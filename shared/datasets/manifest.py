"""What a data set's `manifest.json` says."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Manifest(BaseModel):
    """A data set in figures.

    `digest` is the SHA-256 of its content: of classes, shapes, pixels and labels, however the file that brought them
    was packed. `sha256` is that of the file `data.npz`, by which a reader finds damage.
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    name: str
    source: str
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    splits: dict[str, int]
    class_counts: dict[str, tuple[int, ...]]
    bytes: int
    sha256: str
    created_at: str

    @property
    def id(self) -> str:
        """The id under which the API shows it."""
        return f"sha256:{self.digest}"
