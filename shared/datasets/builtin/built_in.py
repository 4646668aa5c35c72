"""The data sets that come with Glassbox; each is prepared at its first use, also if that only reads it.

`mnist` is by Y. LeCun, C. Cortes and C. Burges; `fashion-mnist` by H. Xiao, K. Rasul and R. Vollgraf (Zalando, MIT
licence); `digits.py` describes `digits`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Literal

from shared.datasets.arrays.idx import read_idx
from shared.datasets.arrays.npz import read_npz
from shared.datasets.builtin.digits import read_digits
from shared.datasets.builtin.downloads import download
from shared.datasets.content import Content
from shared.datasets.manifest import Manifest
from shared.datasets.store import DatasetStore
from shared.errors import NotFound, Unavailable
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.volume import Volume

KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
ZALANDO = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
MIRRORS = {"mnist": (KERAS,), "fashion-mnist": (KERAS, ZALANDO)}

CONTENTS = {
    "digits": "handwritten digits, 1,797 images of 8 × 8",
    "mnist": "handwritten digits, 70,000 images of 28 × 28",
    "fashion-mnist": "clothes, 70,000 images of 28 × 28",
}
NAMES = frozenset(CONTENTS)  # uploads cannot take these names

PREPARATION_WAIT = 10.0
"""Seconds that a request waits while another one prepares a data set."""

Origin = Literal["included", "folder", "download"]

MNIST = {"mnist.npz": "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"}
FASHION = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@dataclass(frozen=True)
class BuiltInDataset:
    """A built-in data set as lists have it: read from no file but its name's.

    origin: where its first use reads it: the code, the folder GLASSBOX_DATASETS, or a mirror.
    """

    name: str
    content: str
    origin: Origin
    prepared: bool


class BuiltIn:
    """Finds data sets by id or name, like the store, and prepares a built-in one at its first use.

    mirrors: for each downloaded data set, the base addresses to try, in this order.
    """

    def __init__(
        self,
        store: DatasetStore,
        volume: Volume,
        settings: Settings,
        mirrors: Mapping[str, Sequence[str]] = MIRRORS,
    ) -> None:
        self._store = store
        self._volume = volume
        self._settings = settings
        self._mirrors = mirrors
        self._preparing = Lock()
        self._prepare: dict[str, Callable[[], Manifest]] = {
            "digits": self._digits,
            "mnist": self._mnist,
            "fashion-mnist": self._fashion,
        }

    def get(self, reference: str) -> Manifest:
        """Return the data set; prepares a built-in one at its first use.

        A process prepares one at a time. Raises `NotFound`, or `Unavailable` if a download fails or another data set is
        being prepared for too long.
        """
        try:
            return self._store.get(reference)
        except NotFound:
            if reference not in self._prepare:
                raise
        if not self._preparing.acquire(timeout=PREPARATION_WAIT):
            detail = "a built-in data set is being prepared; send the request again"
            raise Unavailable("dataset_unavailable", detail, 5)
        try:
            return self._store.get(reference)  # another thread may have prepared it meanwhile
        except NotFound:
            return self._prepare[reference]()
        finally:
            self._preparing.release()

    def all(self) -> list[BuiltInDataset]:
        """Return the built-in data sets, without preparing any."""
        return [
            BuiltInDataset(name, text, self._origin(name), self._is_stored(name)) for name, text in CONTENTS.items()
        ]

    def _is_stored(self, name: str) -> bool:
        try:
            self._store.id_of(name)
        except NotFound:
            return False
        return True

    def _origin(self, name: str) -> Origin:
        if name == "digits":
            return "included"
        return "folder" if self._local(f"{name}.npz") or self._local(name) else "download"

    def _digits(self) -> Manifest:
        return self._store.add(read_digits(), "digits", "built-in")[0]

    def _mnist(self) -> Manifest:
        if local := self._local("mnist.npz"):
            return self._add(self._read_npz(local), "mnist", "local folder")
        return self._download("mnist", MNIST, lambda folder: self._read_npz(folder / "mnist.npz"))

    def _fashion(self) -> Manifest:
        if local := self._local("fashion-mnist.npz"):
            return self._add(_with_names(self._read_npz(local)), "fashion-mnist", "local folder")
        if local := self._local("fashion-mnist"):
            return self._add(_with_names(read_idx(local)), "fashion-mnist", "local folder")
        return self._download("fashion-mnist", FASHION, lambda folder: _with_names(read_idx(folder)))

    def _local(self, name: str) -> Path | None:
        """Return the operator's file or folder of this name, or None if it does not exist."""
        path = self._settings.datasets and self._settings.datasets / name
        return path if path and path.exists() else None

    def _download(self, name: str, files: Mapping[str, str], read: Callable[[Path], Content]) -> Manifest:
        """Download the files, by name and SHA-256, into a folder, and store the content that `read` returns for it."""
        folder = durable.temporary_beside(self._volume.incoming / name)
        durable.make_folder(folder)
        try:
            sources = [download(self._mirrors[name], file, sha256, folder / file) for file, sha256 in files.items()]
            return self._add(read(folder), name, sources[-1].rpartition("/")[0])
        finally:
            durable.remove_tree(folder)

    def _read_npz(self, path: Path) -> Content:
        return read_npz(path, self._settings, test_fraction=0.1, seed=0)

    def _add(self, content: Content, name: str, source: str) -> Manifest:
        return self._store.add(content, name, f"built-in: {source}")[0]


def _with_names(content: Content) -> Content:
    """Replace the class numbers of Fashion-MNIST's files by the names of the classes."""
    named = content.classes == tuple(str(number) for number in range(len(FASHION_CLASSES)))
    return replace(content, classes=FASHION_CLASSES) if named else content
