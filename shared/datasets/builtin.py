"""The data sets that come with Glassbox, prepared when they are first asked for by name.

`digits` is scikit-learn's copy of the 8×8 digits of UCI's "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak), read from the installed distribution without importing it. `mnist` is by Y. LeCun, C. Cortes and C. Burges.
"""

from __future__ import annotations

import gzip
import shutil
import urllib.request
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np

from shared import durable
from shared.datasets.content import Content, Split, stratified_test_mask
from shared.datasets.manifest import Manifest
from shared.datasets.npz import read_npz
from shared.datasets.store import DatasetStore
from shared.errors import NotFound, Unavailable
from shared.settings import Settings
from shared.volume import Volume

MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
DOWNLOAD_TIMEOUT = 15.0


class BuiltIn:
    """Finds data sets by id or name as the store does, and prepares a built-in one that is not there yet."""

    def __init__(self, store: DatasetStore, volume: Volume, settings: Settings, mnist_url: str = MNIST_URL) -> None:
        self._store = store
        self._volume = volume
        self._settings = settings
        self._mnist_url = mnist_url
        self._prepare: dict[str, Callable[[], Manifest]] = {"digits": self._digits, "mnist": self._mnist}

    def get(self, reference: str) -> Manifest:
        """The data set, prepared if it is a built-in one asked for the first time."""
        try:
            return self._store.get(reference)
        except NotFound:
            if reference not in self._prepare:
                raise
        return self._prepare[reference]()

    def _digits(self) -> Manifest:
        try:
            distribution = metadata.distribution("scikit-learn")
        except metadata.PackageNotFoundError:
            raise Unavailable(
                "dataset_unavailable",
                "the data set digits comes with scikit-learn, which is not installed here; upload an .npz instead",
                retry_after=3600,
            ) from None
        path = Path(str(distribution.locate_file("sklearn/datasets/data/digits.csv.gz")))
        with gzip.open(path, "rt") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.int64)
        grey = np.rint(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)  # 0 to 16 there
        labels = table[:, -1]
        test = stratified_test_mask(labels, fraction=0.2, seed=0)
        content = Content(
            (8, 8),
            tuple(str(digit) for digit in range(10)),
            Split(labels[~test], [grey[~test]]),
            Split(labels[test], [grey[test]]),
        )
        return self._store.add(content, "digits", "built-in: scikit-learn")[0]

    def _mnist(self) -> Manifest:
        local = self._settings.datasets and self._settings.datasets / "mnist.npz"
        if local and local.exists():
            return self._store_npz(local, "mnist", "built-in: local folder")
        download = durable.temporary_beside(self._volume.incoming / "mnist.npz")
        durable.make_folder(download.parent)
        try:
            _download(self._mnist_url, MNIST_SHA256, download)
            return self._store_npz(download, "mnist", f"built-in: {self._mnist_url}")
        finally:
            download.unlink(missing_ok=True)

    def _store_npz(self, path: Path, name: str, source: str) -> Manifest:
        content = read_npz(path, self._settings, test_fraction=0.1, seed=0)
        return self._store.add(content, name, source)[0]


def _download(url: str, sha256: str, path: Path) -> None:
    """Fetch a file and check it; the detail of the error says how to do without the network."""
    remedy = "put the file into the folder that GLASSBOX_DATASETS names, or try again"
    try:
        with urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT) as answer, durable.fsynced(path) as file:  # noqa: S310 (https, fixed)
            shutil.copyfileobj(answer, file, durable.BLOCK)
    except OSError as error:
        raise Unavailable("dataset_unavailable", f"{url} could not be fetched ({error}); {remedy}", 60) from error
    if durable.sha256_of(path) != sha256:
        raise Unavailable("dataset_unavailable", f"what {url} sent has a wrong SHA-256; {remedy}", 60)
