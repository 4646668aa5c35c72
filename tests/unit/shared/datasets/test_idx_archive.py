"""Archives of IDX files, and pickled data sets."""

from __future__ import annotations

import gzip
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.datasets import Arrays, DatasetStore, Manifest
from shared.datasets.options import UploadOptions
from shared.datasets.uploads import read_upload
from shared.errors import GlassboxError
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of
from tests.support.data.npz import easy_arrays, easy_images, npy, npz, npz_of_members
from tests.support.data.tars import gzip_of, tar_of

EASY = easy_arrays(train=60, test=30)
Stored = Callable[..., tuple[Manifest, Arrays]]


@pytest.fixture
def stored(tmp_path: Path, datasets: DatasetStore, limits: Settings) -> Stored:
    """Read an upload and store it; returns its manifest and arrays."""

    def store(content: bytes, **options: Any) -> tuple[Manifest, Arrays]:
        path = tmp_path / "upload"
        path.write_bytes(content)
        return datasets.load(datasets.add(read_upload(path, limits, UploadOptions(**options)), "easy", "test")[0].id)

    return store


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """Return an array of bytes as an IDX file."""
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


def mnist(names: dict[str, str], pack: Callable[[bytes], bytes] = bytes) -> dict[str, bytes]:
    """Return the arrays of `EASY` as IDX files with these names."""
    return {names[name]: pack(idx(array)) for name, array in EASY.items()}


ORIGINAL = {
    "x_train": "train-images-idx3-ubyte", "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte", "y_test": "t10k-labels-idx1-ubyte",
}  # fmt: skip
COMPRESSED = {name: f"MNIST/raw/{file}.gz" for name, file in ORIGINAL.items()}
DOTTED = {name: file.replace("-idx", ".idx") for name, file in ORIGINAL.items()}
SHORT = {name: file.replace("-ubyte", "").replace("-idx", ".idx") for name, file in ORIGINAL.items()}
SPACED = {name: file.replace("-", " ").upper() for name, file in ORIGINAL.items()}
FOLDERS = {name: f"{file}/{file}" for name, file in ORIGINAL.items()}


@pytest.mark.parametrize(
    "content",
    [
        zip_of(mnist(ORIGINAL)),
        zip_of(mnist(COMPRESSED, gzip.compress) | {"MNIST/raw/README.txt": b"text"}),
        tar_of(mnist(DOTTED)),
        gzip_of(tar_of(mnist(FOLDERS))),
        zip_of(mnist(SHORT)),
        zip_of(mnist(SPACED)),
    ],
    ids=["zip", "gz in a zip", "tar", "tar.gz", "short names", "spaces and capitals"],
)
def test_idx_files_give_the_data_set_of_their_arrays(stored: Stored, content: bytes) -> None:
    assert stored(content)[0].digest == stored(npz(EASY))[0].digest


def test_idx_files_for_validation_are_kept(stored: Stored) -> None:
    x, y = easy_images(12, seed=4)
    files = mnist(ORIGINAL) | {"val-images-idx3-ubyte": idx(x), "val-labels-idx1-ubyte": idx(y)}

    assert stored(zip_of(files))[0].digest == stored(npz(EASY | {"x_val": x, "y_val": y}))[0].digest


def test_images_and_labels_alone_are_split(stored: Stored) -> None:
    files = {ORIGINAL[name]: idx(EASY[name]) for name in ("x_train", "y_train")}

    assert stored(zip_of(files))[0].splits == {"train": 54, "test": 6}


def test_the_images_of_emnist_are_transposed(stored: Stored) -> None:
    names = {name: f"emnist-letters-{file.replace('t10k', 'test')}.gz" for name, file in ORIGINAL.items()}

    manifest, arrays = stored(zip_of(mnist(names, gzip.compress)))

    assert (arrays.x_test == EASY["x_test"].swapaxes(1, 2)).all()
    assert "transposed" in manifest.chosen["orientation"]


@pytest.mark.parametrize(
    ("files", "code", "named"),
    [
        ({ORIGINAL["x_train"]: idx(EASY["x_train"])}, "npz_array_missing", "lacks y_train"),
        (mnist(ORIGINAL) | {ORIGINAL["y_test"]: idx(EASY["y_test"][1:])}, "idx_mismatch", "29 labels"),
        (mnist(ORIGINAL) | {ORIGINAL["x_test"]: idx(EASY["x_test"])[:-1]}, "idx_damaged", "t10k-images"),
        (mnist(ORIGINAL) | {ORIGINAL["x_test"]: b""}, "idx_damaged", "t10k-images"),
        (mnist(ORIGINAL) | {ORIGINAL["x_test"]: b"text and more text"}, "idx_head", "t10k-images"),
        (mnist(ORIGINAL) | {"emnist-digits-train-images-idx3-ubyte": b""}, "dataset_layout", "2 data sets"),
        (mnist(COMPRESSED), None, None),
        (mnist(COMPRESSED, lambda content: gzip.compress(content)[:-20]), "idx_damaged", "ubyte.gz"),
    ],
)
def test_damaged_idx_files_are_named(
    stored: Stored, files: dict[str, bytes], code: str | None, named: str | None
) -> None:
    if code is None or named is None:  # not compressed in spite of their names
        assert stored(zip_of(files))[0].splits == {"train": 60, "test": 30}
        return
    with pytest.raises(GlassboxError) as caught:
        stored(zip_of(files))
    assert caught.value.code == code
    assert named in caught.value.detail


BATCH = pickle.dumps({"data": [1, 2], "labels": [0, 1]})


@pytest.mark.parametrize(
    "content",
    [
        BATCH,
        gzip_of(tar_of({"cifar-10-batches-py/data_batch_1": BATCH, "cifar-10-batches-py/batches.meta": BATCH})),
        tar_of({f"cifar-100-python/{name}": BATCH for name in ("train", "test", "meta")}),
        zip_of({"a/1.pkl": BATCH, "b/2.pkl": BATCH}),
    ],
    ids=["a pickle", "CIFAR-10", "CIFAR-100", "others"],
)
def test_pickles_are_refused_with_how_to_convert_them(stored: Stored, content: bytes) -> None:
    with pytest.raises(GlassboxError) as caught:
        stored(content)
    assert caught.value.code == "dataset_pickled"
    assert "numpy.savez" in caught.value.detail


def test_labels_that_are_no_text_are_refused(stored: Stored) -> None:
    for labels in (np.array([b"\xff", b"a"] * 30), np.array(["", "a"] * 30)):
        with pytest.raises(GlassboxError) as caught:
            stored(npz({"x": EASY["x_train"], "y": labels}))
        assert caught.value.code == "npz_labels"
    texts = {"y_test": npy(np.array(["a", "b"] * 15))}
    for character in (b"\xff\xff\xff\x7f", b"\x00\xd8\x00\x00"):  # beyond Unicode, a surrogate
        broken = npy(np.array(["a", "b"] * 30)).replace("a".encode("utf-32-le"), character)
        with pytest.raises(GlassboxError) as caught:
            stored(npz_of_members(texts | {"y_train": broken}))
        assert caught.value.code == "npz_labels"


def test_images_of_0_and_1_are_refused_with_the_remedy(stored: Stored) -> None:
    files = {
        "train-images-idx3-ubyte": idx(EASY["x_train"] > 100),
        "train-labels-idx1-ubyte": idx(EASY["y_train"]),
    }

    with pytest.raises(GlassboxError) as caught:
        stored(zip_of(files))

    assert "the largest integer is 1" in caught.value.detail
    assert "multiply them by 255" in caught.value.detail
