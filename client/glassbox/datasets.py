"""`client.datasets`: images and labels to train on, under the digest of their content and under names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glassbox.files.archives import opened
from glassbox.http.bodies import OnBytes
from glassbox.http.reading import read
from glassbox.http.routes import path_to
from glassbox.http.transport import Transport

ENDINGS = (".npz", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst")


@dataclass(frozen=True)
class Dataset:
    """A data set. `id` is the digest of its content; `splits` and `class_counts` count images."""

    id: str
    name: str
    source: str
    image_shape: tuple[int, ...]
    classes: tuple[str, ...]
    splits: dict[str, int]
    class_counts: dict[str, tuple[int, ...]]
    bytes: int
    created_at: str
    _datasets: Datasets = field(kw_only=True, repr=False, compare=False)

    def delete(self, *, force: bool = False) -> None:
        """Remove it, with all its names; `force` although a version was trained on it."""
        self._datasets.delete(self.id, force=force)


class Datasets:
    """The server's data sets."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(
        self,
        path: Path | str,
        name: str | None = None,
        *,
        test_fraction: float | None = None,
        seed: int | None = None,
        image_shape: tuple[int, int] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Dataset:
        """Upload an `.npz`, an archive of class folders, or such a folder itself; by default it is named as the file.

        test_fraction, seed: what share is set aside for testing where the file does not say, and by which chance.
        image_shape: the height and width that images are resized to.
        """
        path = Path(path)
        params = {
            "name": name or name_of(path),
            "test_fraction": test_fraction,
            "seed": seed,
            "image_shape": image_shape and "x".join(map(str, image_shape)),
        }
        return self.made(
            self._transport.create(path_to("datasets"), params=params, body=opened(path), on_bytes=on_bytes)
        )

    def list(self, limit: int | None = None) -> Iterator[Dataset]:
        """The data sets, the newest first, `limit` of them at the most."""
        return map(self.made, self._transport.pages(path_to("datasets"), size=limit))

    def get(self, reference: str) -> Dataset:
        """The data set of this id or name."""
        return self.made(self._transport.get(path_to("datasets", reference)))

    def delete(self, reference: str, *, force: bool = False) -> None:
        """Remove a data set by its id, or a name of it, and the content with its last name."""
        self._transport.change("DELETE", path_to("datasets", reference), params={"force": force})

    def made(self, values: Any) -> Dataset:
        """A data set from the server's JSON."""
        return read(Dataset, values, _datasets=self)


def is_file(dataset: Path | str) -> bool:
    """Whether this means a file or a folder here.

    That is a path, what has a slash in it or the ending of a data set's file, or what is a file here with any ending.
    """
    if isinstance(dataset, Path) or "/" in dataset or dataset.lower().endswith(ENDINGS):
        return True
    return "." in dataset and Path(dataset).is_file()


def name_of(path: Path) -> str:
    """What a data set is called after its file: `MNIST (1).npz` becomes `mnist-1`."""
    name = Path(path).resolve().name.lower()
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return re.sub(r"[^a-z0-9._-]+", "-", name).strip("._-")[:64] or "data"
