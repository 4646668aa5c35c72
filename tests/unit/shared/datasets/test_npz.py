"""An uploaded `.npz`: validated by its headers, never unpickled."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.datasets.arrays import array_labels
from shared.datasets.arrays.npz import read_npz
from shared.datasets.content import Content
from shared.errors import GlassboxError, Invalid, TooLarge, UnsupportedType
from shared.runtime.settings import MiB, Settings
from tests.support.data.archives import with_central
from tests.support.data.npz import easy_arrays, easy_images, npy, npy_header, npz, npz_of_members

HEADER = "{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"


class Reader:
    """Reads bytes as a data set."""

    def __init__(self, path: Path, limits: Settings) -> None:
        self.path = path
        self.limits = limits

    def __call__(self, content: bytes, **options: Any) -> Content:
        self.path.write_bytes(content)
        return read_npz(self.path, self.limits, **{"test_fraction": 0.1, "seed": 0, **options})

    def refusal(self, content: bytes) -> GlassboxError:
        """Return the error for the bytes, raised for the headers or on reading the images."""
        with pytest.raises(GlassboxError) as caught:
            images_of(self(content))
        return caught.value


@pytest.fixture
def read(tmp_path: Path, limits: Settings) -> Reader:
    return Reader(tmp_path / "upload", limits)


def images_of(content: Content) -> dict[str, np.ndarray[Any, Any]]:
    return {name: np.concatenate(list(split.blocks)) for name, split in content.splits.items()}


def in_colour(arrays: dict[str, Any]) -> dict[str, Any]:
    """Return the arrays with images (N, H, W, 3) whose channels differ."""
    return {
        name: np.stack([array, array // 2, 255 - array], axis=-1) if name.startswith("x") else array
        for name, array in arrays.items()
    }


class TestReading:
    def test_four_arrays_are_read_as_a_data_set(self, read: Reader) -> None:
        arrays = easy_arrays(train=60, test=30)

        content = read(npz(arrays))

        assert content.image_shape == (6, 6)
        assert content.classes == ("0", "1", "2")
        for name, images in images_of(content).items():
            assert np.array_equal(images, arrays[f"x_{name}"])
            assert np.array_equal(content.splits[name].labels, arrays[f"y_{name}"])

    @pytest.mark.parametrize("compressed", [False, True])
    def test_images_in_colour_are_read(self, read: Reader, compressed: bool) -> None:
        arrays = in_colour(easy_arrays())

        content = read(npz(arrays, compressed=compressed))

        assert content.image_shape == (6, 6, 3)
        for name, images in images_of(content).items():
            assert np.array_equal(images, arrays[f"x_{name}"])

    def test_images_in_colour_are_split(self, read: Reader) -> None:
        images, labels = easy_images(30)

        content = read(npz({"x": in_colour({"x": images})["x"], "y": labels}))

        assert {name: part.shape for name, part in images_of(content).items()} == {
            "train": (27, 6, 6, 3),
            "test": (3, 6, 6, 3),
        }

    def test_images_with_one_channel_are_the_grayscale_data_set(self, read: Reader) -> None:
        arrays = easy_arrays()
        with_axis = {name: array[..., np.newaxis] if name[0] == "x" else array for name, array in arrays.items()}

        content = read(npz(with_axis))

        assert content.image_shape == (6, 6)
        for name, images in images_of(content).items():
            assert np.array_equal(images, arrays[f"x_{name}"])

    def test_images_three_pixels_wide_are_grayscale(self, read: Reader) -> None:
        images, labels = easy_images(30)

        assert read(npz({"x": images[:, :, :3].copy(), "y": labels})).image_shape == (6, 3)

    def test_a_compressed_npz_gives_the_same_images(self, read: Reader) -> None:
        plain, compressed = (images_of(read(npz(compressed=compressed))) for compressed in (False, True))

        assert np.array_equal(plain["train"], compressed["train"])

    def test_images_are_read_block_by_block(self, read: Reader) -> None:
        images = np.arange(40, dtype=np.uint8)[:, np.newaxis, np.newaxis] * np.ones((1, 512, 512), np.uint8)
        labels = np.arange(40) % 2

        content = read(npz({"x_train": images, "y_train": labels, "x_test": images[1:3], "y_test": labels[1:3]}))

        blocks = list(content.train.blocks)
        assert max(block.nbytes for block in blocks) <= 4 * MiB
        assert np.array_equal(np.concatenate(blocks), images)

    def test_labels_become_indices_into_the_sorted_classes(self, read: Reader) -> None:
        arrays = easy_arrays(train=3, test=3)
        arrays |= {"y_train": np.array([30, 10, 20]), "y_test": np.array([20, 20, -5])}

        content = read(npz(arrays))

        assert content.classes == ("-5", "10", "20", "30")
        assert content.train.labels.tolist() == [3, 1, 2]
        assert content.test.labels.tolist() == [2, 2, 0]

    @pytest.mark.parametrize("dtype", ["|u1", "|i1", "<u2", ">i4", "<i8", ">u8"])
    def test_labels_may_be_any_integers(self, read: Reader, dtype: str) -> None:
        arrays = easy_arrays()

        content = read(npz(arrays | {name: arrays[name].astype(dtype) for name in ("y_train", "y_test")}))

        assert np.array_equal(content.train.labels, arrays["y_train"])

    def test_labels_may_have_as_many_bytes_as_names_of_files(self, read: Reader) -> None:
        arrays = easy_arrays()
        names = np.array([letter * 127 for letter in "äöü"])

        def named(names: np.ndarray[Any, Any]) -> bytes:
            return npz(arrays | {part: names[arrays[part]] for part in ("y_train", "y_test")})

        assert read(named(names)).classes == tuple(names.tolist())
        error = read.refusal(named(np.array([f"{name}12" for name in names.tolist()])))
        assert (type(error), error.code) == (Invalid, "npz_labels")
        assert "256 bytes" in error.detail
        assert "GLASSBOX_MAX_NAME_BYTES" in error.detail

    def test_labels_that_take_too_much_memory_are_refused(self, read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(array_labels, "MOST_BYTES", 100)

        error = read.refusal(npz())

        assert error.code == "npz_labels"
        assert "labels may take at most 100" in error.detail

    def test_labels_in_fortran_order_are_read(self, read: Reader) -> None:
        header = npy_header("{'descr': '<i8', 'fortran_order': True, 'shape': (30,), }")
        labels = easy_arrays(train=60, test=30)["y_test"]

        assert read(npz_of_members({"y_test": header + labels.tobytes()})).test.labels.tolist() == labels.tolist()

    def test_other_arrays_are_not_read(self, read: Reader) -> None:
        assert read(npz_of_members({"notes": b"no array at all"})).image_shape == (6, 6)

    def test_a_header_of_format_version_2_is_read(self, read: Reader) -> None:
        images = easy_arrays()["x_test"]
        header = npy_header(HEADER.format(descr="|u1", shape=images.shape), version=(2, 0))

        content = read(npz_of_members({"x_test": header + images.tobytes()}))

        assert np.array_equal(images_of(content)["test"], images)


class TestSplitting:
    def test_two_arrays_are_split_in_each_class(self, read: Reader) -> None:
        images, labels = easy_images(90)

        content = read(npz({"x": images, "y": labels}), test_fraction=0.2)

        assert np.bincount(content.test.labels).tolist() == [6, 6, 6]
        assert np.bincount(content.train.labels).tolist() == [24, 24, 24]

    def test_no_image_is_lost_and_each_keeps_its_label(self, read: Reader) -> None:
        images, labels = easy_images(90)
        images[:, 5, 5] = np.arange(90)  # the image's number, in one pixel

        content = read(npz({"x": images, "y": labels}))

        found = {
            int(image[5, 5]): label
            for name, split in images_of(content).items()
            for image, label in zip(split, content.splits[name].labels.tolist(), strict=True)
        }
        assert found == dict(enumerate(labels.tolist()))

    def test_the_seed_decides_the_split(self, read: Reader) -> None:
        images, labels = easy_images(90)
        upload = npz({"x": images, "y": labels})

        first, again, other = (images_of(read(upload, seed=seed))["test"] for seed in (1, 1, 2))

        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_classes_of_one_sample_each_cannot_be_split(self, read: Reader) -> None:
        images, _ = easy_images(3)

        assert read.refusal(npz({"x": images, "y": np.arange(3)})).code == "npz_labels"


def changed(**arrays: Any) -> bytes:
    """Return an `.npz` with some arrays replaced, or removed if they are None."""
    merged: dict[str, Any] = {**easy_arrays(train=60, test=30), **arrays}
    return npz({name: array for name, array in merged.items() if array is not None})


EASY = easy_arrays(train=60, test=30)


def renamed(**names: str) -> dict[str, Any]:
    """Return the arrays of `EASY` under other names."""
    return {names[name]: array for name, array in EASY.items()}


def digest(read: Reader, content: bytes, **options: Any) -> str:
    """Return the digest of a data set as the store computes it."""
    found = read(content, **options)
    hashed = found.start_digest()
    for split in found.splits.values():
        for block in split.blocks:
            hashed.update(np.ascontiguousarray(block).data)
    return hashed.hexdigest()


class TestLayouts:
    @pytest.mark.parametrize(
        "arrays",
        [
            renamed(x_train="train_images", y_train="train_labels", x_test="test_images", y_test="test_labels"),
            renamed(x_train="X_train", y_train="Y_train", x_test="X_test", y_test="Y_test"),
            renamed(x_train="trainX", y_train="trainY", x_test="testX", y_test="testY"),
            renamed(x_train="Xtrain", y_train="ytrain", x_test="xtest", y_test="Ytest"),
            renamed(x_train="X_tr", y_train="y_tr", x_test="X_te", y_test="y_te"),
            renamed(x_train="train_set_x_orig", y_train="train_set_y", x_test="test_set_x_orig", y_test="test_set_y"),
            renamed(x_train="train_imgs", y_train="train_lbls", x_test="x_data_test", y_test="y_data_test"),
            renamed(x_train="training_data", y_train="training_targets", x_test="testingX", y_test="testingY"),
            {name: array.astype(">i4") if name[0] == "x" else array.astype(">u2") for name, array in EASY.items()},
            {name: np.asfortranarray(array) for name, array in EASY.items()},
            {name: array[..., np.newaxis] if name[0] == "x" else array[:, np.newaxis] for name, array in EASY.items()},
            {name: array / 255 if name[0] == "x" else array for name, array in EASY.items()},
            {name: (array / 255).astype(np.float32) if name[0] == "x" else array for name, array in EASY.items()},
            {name: array.astype(">f8") if name[0] == "x" else array for name, array in EASY.items()},
            {name: array if name[0] == "x" else np.eye(3)[array] for name, array in EASY.items()},
            {name: array if name[0] == "x" else np.eye(3, dtype=np.uint8)[array] for name, array in EASY.items()},
            {name: array if name[0] == "x" else array.astype("U1") for name, array in EASY.items()},
            {name: array if name[0] == "x" else array.astype("S3") for name, array in EASY.items()},
            {name: array if name[0] == "x" else array.astype(">U4") for name, array in EASY.items()},
        ],
        ids=[
            "MedMNIST", "capitals", "camel case", "one word", "short", "set", "labels and data", "testing",
            "big-endian", "Fortran", "an axis of 1", "0 to 1", "float32",
            "0 to 255", "one-hot", "one-hot bytes", "texts", "bytes", "big-endian texts",
        ],
    )  # fmt: skip
    def test_public_layouts_give_the_same_data_set(self, read: Reader, arrays: dict[str, Any]) -> None:
        assert digest(read, npz(arrays)) == digest(read, npz(EASY))

    @pytest.mark.parametrize(
        ("names", "parts"), [(("x1", "y1", "x2", "y2"), "'x1' and 'x2'"), (("x", "y_1", "y_2"), "'y_1' and 'y_2'")]
    )
    def test_an_array_in_parts_is_refused(self, read: Reader, names: tuple[str, ...], parts: str) -> None:
        refusal = read.refusal(npz({name: EASY[f"{name[0]}_train"] for name in names}))

        assert refusal.code == "npz_duplicate"
        assert parts in refusal.detail

    @pytest.mark.parametrize(
        ("x", "y", "remedy"),
        [
            (EASY["x_train"].transpose(1, 2, 0), EASY["y_train"], "numpy.moveaxis(x, -1, 0)"),
            (np.zeros((6, 6, 3, 60), np.uint8), EASY["y_train"], "numpy.moveaxis(x, -1, 0)"),
            (EASY["x_train"], EASY["y_train"][np.newaxis], "save y.ravel()"),
            (EASY["x_train"], EASY["y_train"] > 0, "save y.astype(int)"),
        ],
    )
    def test_the_axes_and_types_of_other_programs_are_refused_with_the_remedy(
        self, read: Reader, x: Any, y: Any, remedy: str
    ) -> None:
        assert remedy in read.refusal(npz({"x": np.ascontiguousarray(x), "y": y})).detail

    def test_flat_images_need_their_shape(self, read: Reader) -> None:
        flat = npz({name: array.reshape(len(array), -1) if name[0] == "x" else array for name, array in EASY.items()})

        assert digest(read, flat, image_shape=(6, 6)) == digest(read, npz(EASY))
        assert "set image_shape=HEIGHTxWIDTH, such as 6x6" in read.refusal(flat).detail
        with pytest.raises(Invalid, match="image_shape=5x7 has 35"):
            read(flat, image_shape=(5, 7))
        with pytest.raises(Invalid, match="image_shape"):
            read(npz(EASY), image_shape=(6, 6))

    @pytest.mark.parametrize(
        ("x", "y"), [("x_val", "y_val"), ("val_images", "val_labels"), ("validX", "validY"), ("x_dev", "y_dev")]
    )
    def test_arrays_for_validation_are_kept(self, read: Reader, x: str, y: str) -> None:
        images, labels = easy_images(20, seed=1)

        content = read(npz(EASY | {x: images, y: labels}))

        assert np.array_equal(images_of(content)["train"], EASY["x_train"])
        assert np.array_equal(images_of(content)["test"], EASY["x_test"])
        assert np.array_equal(images_of(content)["validation"], images)
        assert content.validation is not None
        assert content.validation.labels.tolist() == labels.tolist()
        assert content.chosen["validation"].startswith(f"the 20 images in {x} are not trained on")

    def test_the_test_images_are_set_aside_beside_arrays_for_validation(self, read: Reader) -> None:
        images, labels = easy_images(20, seed=1)
        train = {name: EASY[name] for name in ("x_train", "y_train")}

        alone = images_of(read(npz(train)))

        content = read(npz(train | {"x_val": images / 255, "y_val": labels} | {"x_train": train["x_train"] / 255}))

        assert {part: len(split.labels) for part, split in content.splits.items()} == {
            "train": 54, "validation": 20, "test": 6,
        }  # fmt: skip
        for part in ("train", "test"):
            assert np.array_equal(images_of(content)[part], alone[part])
        assert np.array_equal(images_of(content)["validation"], images)

    @pytest.mark.parametrize(("kept", "missing"), [("x_val", "y_validation"), ("y_val", "x_validation")])
    def test_half_of_the_arrays_for_validation_is_refused(self, read: Reader, kept: str, missing: str) -> None:
        images, labels = easy_images(20, seed=1)

        error = read.refusal(npz(EASY | {kept: images if kept == "x_val" else labels}))

        assert error.code == "npz_array_missing"
        assert f"lacks {missing}" in error.detail
        assert kept in error.detail

    def test_arrays_for_training_alone_are_split(self, read: Reader) -> None:
        content = read(npz({"x_train": EASY["x_train"], "y_train": EASY["y_train"]}))

        assert {name: len(split.labels) for name, split in content.splits.items()} == {"train": 54, "test": 6}

    def test_the_error_says_which_arrays_there_are(self, read: Reader) -> None:
        error = read.refusal(npz({"features": EASY["x_train"], "classes": EASY["y_train"]}))

        assert error.code == "npz_array_missing"
        assert error.detail.endswith("it holds classes, features")

    @pytest.mark.parametrize(
        ("numbers", "named"),
        [
            (np.full((60, 6, 6), -1.0), "from -1 to -1"),
            (np.linspace(-5, 0, 60 * 36).reshape(60, 6, 6), "from -5 to 0"),
            (np.linspace(0, 1.5, 60 * 36).reshape(60, 6, 6), "from 0 to 1.5"),
            (np.linspace(-0.1, 1, 60 * 36).reshape(60, 6, 6), "from -0.1 to 1"),
            (np.full((60, 6, 6), 256, np.int64), "from 256 to 256"),
            (np.full((60, 6, 6), np.nan), "NaN or infinite numbers, first in image 0"),
            (np.full((60, 6, 6), np.inf), "NaN or infinite numbers"),
            (np.zeros((60, 6, 6), np.complex64), "must hold numbers"),
        ],
    )
    def test_numbers_that_are_no_gray_levels_are_refused(
        self, read: Reader, numbers: np.ndarray[Any, Any], named: str
    ) -> None:
        error = read.refusal(npz({"x": numbers, "y": np.arange(60) % 2}))

        assert error.code == "npz_images"
        assert named in error.detail

    @pytest.mark.parametrize("dtype", ["|u1", "|i1", "<i8", ">u2"])
    @pytest.mark.parametrize("compressed", [False, True])
    def test_integers_whose_largest_is_1_are_refused_with_the_remedy(
        self, read: Reader, dtype: str, compressed: bool
    ) -> None:
        numbers = (easy_images(60)[0] > 100).astype(dtype)

        error = read.refusal(npz({"x": numbers, "y": np.arange(60) % 2}, compressed=compressed))

        assert error.code == "npz_images"
        assert error.detail == (
            "x: the largest integer is 1, so it is not certain whether 1 is white (255) or almost black;"
            " multiply them by 255 if 1 is white, or send them as floats from 0 to 1"
        )

    def test_black_integers_are_accepted(self, read: Reader) -> None:
        content = read(npz({"x": np.zeros((60, 6, 6), np.uint8), "y": np.arange(60) % 2}))

        assert not images_of(content)["train"].any()

    def test_floats_that_rounding_took_slightly_beyond_0_to_1_are_clipped(self, read: Reader) -> None:
        numbers = np.linspace(-0.0005, 1.0005, 60 * 36).reshape(60, 6, 6)

        content = read(
            npz({"x_train": numbers, "y_train": np.arange(60) % 2, "x_test": numbers, "y_test": np.arange(60) % 2})
        )

        assert content.chosen["numbers"] == "floats from 0 to 1 were multiplied by 255"
        found = images_of(content)["train"]
        assert (found.min(), found.max()) == (0, 255)

    @pytest.mark.parametrize("divided", ["x_train", "x_test"])
    def test_floats_of_different_ranges_are_refused(self, read: Reader, divided: str) -> None:
        arrays = {name: array.astype(float) if name[0] == "x" else array for name, array in EASY.items()}
        arrays[divided] /= 255

        error = read.refusal(npz(arrays))

        assert error.code == "npz_images"
        assert f"{divided} from 0 to 1" in error.detail

    @pytest.mark.parametrize("row", [[0, 0, 0], [1, 1, 0], [0.5, 0.5, 0], [2, 0, 0], [np.nan, 1, 0]])
    def test_labels_that_are_not_one_hot_are_refused(self, read: Reader, row: list[float]) -> None:
        labels = np.eye(3)[EASY["y_train"]]
        labels[7] = row

        error = read.refusal(npz(EASY | {"y_train": labels}))

        assert error.code == "npz_labels"
        assert "row 7" in error.detail


class TestRefusing:
    @pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY", npy(np.zeros(3)), b"PK\x03\x04"])
    def test_other_content_is_refused_as_an_unsupported_type(self, read: Reader, content: bytes) -> None:
        error = read.refusal(content)

        assert isinstance(error, UnsupportedType)
        assert error.code == "npz_expected"

    @pytest.mark.parametrize(
        ("arrays", "named"),
        [
            ({"x_test": None}, "x_test"),
            ({"y_test": None}, "y_test"),
            ({"x_train": None, "y_train": None}, "x_train, y_train"),
            ({"x_train": None, "y_train": None, "x_test": None, "y_test": None}, "x, y"),
        ],
    )
    def test_missing_arrays_are_named(self, read: Reader, arrays: dict[str, None], named: str) -> None:
        error = read.refusal(changed(**arrays))

        assert error.code == "npz_array_missing"
        assert f"lacks {named}:" in error.detail

    @pytest.mark.parametrize(
        ("arrays", "code"),
        [
            ({"x_train": np.zeros((60, 6, 6), np.float32)}, "npz_images"),
            ({"x_train": np.zeros((60, 6, 6), np.int16)}, "npz_images"),
            ({"x_train": np.zeros((60, 36), np.uint8)}, "npz_images"),
            ({"x_train": np.zeros((60, 6, 6, 4), np.uint8)}, "npz_images"),
            ({"x_train": np.zeros((60, 3, 6, 6), np.uint8)}, "npz_images"),
            ({"x_train": np.full((60, 6, 6), np.nan)}, "npz_images"),
            ({"x_train": np.zeros((60, 6, 6, 3), np.uint8)}, "npz_mismatch"),
            ({"y_train": np.zeros(60, np.float64)}, "npz_labels"),
            ({"y_train": np.zeros((60, 10), np.int64)}, "npz_labels"),
            ({"y_train": np.array(["a"] * 60)}, "npz_labels"),
            ({"y_train": np.zeros(60, np.bool_)}, "npz_labels"),
            ({"y_train": np.int64(3)}, "npz_labels"),
            ({"y_train": np.array([0, 1, 2**63] * 20, np.uint64)}, "npz_labels"),
            ({"y_train": np.array([0, 1, 2**63] * 20, ">u8")}, "npz_labels"),
            ({"y_train": np.arange(59) % 3}, "npz_mismatch"),
            ({"y_test": np.arange(31) % 3}, "npz_mismatch"),
            ({"x_test": np.zeros((30, 6, 7), np.uint8)}, "npz_mismatch"),
            ({"x_test": np.zeros((0, 6, 6), np.uint8), "y_test": np.zeros(0, np.int64)}, "npz_empty"),
            ({"x_train": np.zeros((60, 0, 6), np.uint8)}, "npz_empty"),
            ({"y_train": np.zeros(60, np.int64), "y_test": np.zeros(30, np.int64)}, "npz_labels"),
        ],
    )
    def test_invalid_arrays_are_refused(self, read: Reader, arrays: dict[str, Any], code: str) -> None:
        error = read.refusal(changed(**arrays))

        assert isinstance(error, Invalid)
        assert error.code == code

    def test_too_many_classes_are_refused(self, read: Reader) -> None:
        images, _ = easy_images(2002)
        labels = np.arange(2002) // 2

        assert read.refusal(npz({"x": images, "y": labels})).code == "npz_labels"

    def test_pickled_objects_are_refused_and_never_loaded(self, read: Reader) -> None:
        pickled = npy(np.array([Explosive()] * 60, dtype=object))

        assert read.refusal(npz_of_members({"y_train": pickled})).code == "npz_pickled"
        assert read.refusal(npz_of_members({"x_train": pickled})).code == "npz_pickled"
        assert not Explosive.went_off

    def test_objects_in_a_structured_type_are_refused(self, read: Reader) -> None:
        header = npy_header("{'descr': [('a', '|O'), ('b', '<i8')], 'fortran_order': False, 'shape': (60,)}")

        assert read.refusal(npz_of_members({"y_train": header + bytes(960)})).code == "npz_pickled"

    def test_a_duplicate_array_is_refused(self, read: Reader) -> None:
        file = io.BytesIO(npz())
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("y_test", npy(np.zeros(30, np.int64)))  # one with, one without the suffix

        assert read.refusal(file.getvalue()).code == "npz_duplicate"

    def test_an_encrypted_array_is_refused(self, read: Reader) -> None:
        assert read.refusal(with_central(npz(), entry=0, flags=1)).code == "npz_encrypted"

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_compression_methods_are_refused(self, read: Reader, method: int) -> None:
        assert read.refusal(npz_of_members({}, method)).code == "npz_method"


class TestStatedSizes:
    @pytest.mark.parametrize("shape", ["(10**13,)", "(1000000, 1000, 1000)", "(-1, -2160)", "(59, 6, 6)", "(61, 6, 6)"])
    def test_a_header_with_a_false_shape_is_refused(self, read: Reader, shape: str) -> None:
        header = npy_header(HEADER.format(descr="|u1", shape=shape.replace("10**13", str(10**13))))

        assert read.refusal(npz_of_members({"x_train": header + bytes(2160)})).code == "npz_header"

    def test_a_header_with_an_astronomic_shape_is_refused(self, read: Reader) -> None:
        shape = f"({'9' * 4000}, {'9' * 4000})"

        assert read.refusal(npz_of_members({"x_train": npy_header(HEADER.format(descr="|u1", shape=shape))})).code == (
            "npz_header"
        )

    def test_terabytes_stated_by_header_and_zip_are_refused_as_too_large(self, read: Reader) -> None:
        error = read.refusal(npz_with_stated_size(3 * 2**40))

        assert isinstance(error, TooLarge)
        assert error.code == "npz_too_large"

    def test_gigabytes_missing_from_the_file_are_refused_as_damage(self, read: Reader) -> None:
        assert read.refusal(npz_with_stated_size(2**30)).code == "npz_damaged"

    def test_an_image_of_too_many_pixels_is_refused_as_too_large(self, tmp_path: Path, limits: Settings) -> None:
        read = Reader(tmp_path / "upload", limits.model_copy(update={"max_image_pixels": 35}))

        assert read.refusal(npz()).code == "npz_too_large"

    def test_a_header_of_gigabytes_is_refused_before_it_is_unpacked(self, read: Reader) -> None:
        bomb = npz_of_members({"x_train": npy_header(b" " * (64 * MiB), version=(2, 0))}, zipfile.ZIP_DEFLATED)
        tracemalloc.start()
        try:
            error = read.refusal(bomb)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert error.code == "npz_header"
        assert peak < 8 * MiB


class TestDamage:
    @pytest.mark.parametrize(
        "header",
        [
            "",
            "()",
            "[1, 2]",
            "{}",
            "(((",
            "'''",
            "{[]: 1}",
            "{1: 2, 'a': 3}",
            "{'descr': (), 'fortran_order': False, 'shape': (60,)}",
            "{'descr': ('|u1',), 'fortran_order': False, 'shape': (60,)}",
            "{'descr': [()], 'fortran_order': False, 'shape': (60,)}",
            "{'descr': None, 'fortran_order': False, 'shape': (60,)}",
            "{'descr': '|u1', 'fortran_order': 0, 'shape': (60, 6, 6)}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': [60, 6, 6]}",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (60, 6, 6.0)}",
            "__import__('os').abort()",
            "(" * 9000,
            "-" * 9000 + "1",
            "\0",
            "\xff",
        ],
        ids=lambda text: ascii(text[:30]),
    )
    def test_a_malformed_header_is_refused(self, read: Reader, header: str) -> None:
        assert read.refusal(npz_of_members({"x_train": npy_header(header) + bytes(2160)})).code == "npz_header"

    @pytest.mark.parametrize(
        "content", [b"", b"\x93NUMPY", b"\x93NUMPY\x03\x00", b"\x93NUMPY\x01\x00\xff\xff{", b"GIF89a"]
    )
    def test_a_member_that_is_not_an_array_is_refused(self, read: Reader, content: bytes) -> None:
        assert read.refusal(npz_of_members({"x_train": content})).code == "npz_header"

    def test_a_name_that_is_not_utf_8_is_refused(self, read: Reader) -> None:
        upload = npz().replace(b"x_train", b"\xff_train")

        assert read.refusal(with_central(upload, entry=0, flags=0x800)).code == "npz_damaged"

    def test_a_truncated_file_is_refused(self, read: Reader) -> None:
        whole = npz()

        for length in range(0, len(whole), 97):
            assert isinstance(read.refusal(whole[:length]), GlassboxError)

    def test_a_changed_pixel_raises_invalid_while_the_images_are_read(self, read: Reader) -> None:
        upload = bytearray(npz(easy_arrays(side=512)))
        upload[10_000_000] ^= 1  # after the first block, which suffices for the range of the numbers

        content = read(bytes(upload))

        with pytest.raises(Invalid) as caught:
            images_of(content)
        assert caught.value.code == "npz_damaged"

    @given(data=st.data())
    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_random_damage_raises_glassbox_error_or_nothing(self, read: Reader, data: st.DataObject) -> None:
        upload = bytearray(data.draw(st.sampled_from([npz(), npz(compressed=True)]), "upload"))
        for _ in range(data.draw(st.integers(1, 4), "changes")):
            upload[data.draw(st.integers(0, len(upload) - 1), "place")] = data.draw(st.integers(0, 255), "byte")

        try:
            images_of(read(bytes(upload)))
        except GlassboxError as error:
            assert error.code  # noqa: PT017 - damage that changes nothing raises nothing

    @given(text=st.text(st.characters(max_codepoint=255), max_size=60))
    @example(text="{'descr':'|u1','fortran_order':False,'shape':(60,6,6)}")
    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_random_text_as_a_header_raises_glassbox_error_or_nothing(self, read: Reader, text: str) -> None:
        try:
            read(npz_of_members({"x_train": npy_header(text) + bytes(2160)}))
        except GlassboxError as error:
            assert error.code == "npz_header"  # noqa: PT017 - a valid header raises nothing


class Explosive:
    """An object that sets `went_off` when it is unpickled."""

    went_off = False

    @classmethod
    def explode(cls) -> None:
        cls.went_off = True

    def __reduce__(self) -> tuple[Any, ...]:
        return Explosive.explode, ()


def npz_with_stated_size(size: int) -> bytes:
    """Return an `.npz` whose header and directory state `size` bytes for `x_train`, but which holds none."""
    count = size // 1024
    members = {name: npy(array) for name, array in easy_arrays(side=32).items()}
    members["x_train"] = npy_header(HEADER.format(descr="|u1", shape=(count, 32, 32)))
    members["y_train"] = npy_header(HEADER.format(descr="|u1", shape=(count,)))
    missing = {"x_train": size, "y_train": count}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
            archive.getinfo(f"{name}.npy").file_size += missing.get(name, 0)  # written into the directory on close
    return file.getvalue()
