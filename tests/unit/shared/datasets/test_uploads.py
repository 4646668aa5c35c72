"""What users send as a data set, told apart and read."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.datasets import Arrays, DatasetStore, Manifest
from shared.datasets.folders import Shape
from shared.datasets.uploads import read_upload
from shared.errors import GlassboxError, Invalid, TooLarge, UnsupportedType
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.files import files_below
from tests.support.data.folders import bright, class_folders, easy_folders, split_folders
from tests.support.data.images import encoded, png
from tests.support.data.npz import easy_images, npy, npz
from tests.support.data.tars import gzip_of, tar_of

Stored = Callable[..., tuple[Manifest, Arrays]]


@pytest.fixture
def stored(tmp_path: Path, datasets: DatasetStore, limits: Settings) -> Stored:
    """Read an upload and store it; gives it as a training gets it."""

    def store(content: bytes, image_shape: Shape | None = None, **limited: Any) -> tuple[Manifest, Arrays]:
        path = tmp_path / "upload"
        path.write_bytes(content)
        own = limits.model_copy(update=limited)
        read = read_upload(path, own, test_fraction=0.2, seed=0, image_shape=image_shape)
        return datasets.load(datasets.add(read, "easy", "test")[0].id)

    return store


def refused(stored: Stored, content: bytes, *arguments: Any, **options: Any) -> GlassboxError:
    with pytest.raises(GlassboxError) as caught:
        stored(content, *arguments, **options)
    return caught.value


class TestClassFolders:
    def test_every_image_arrives_with_what_its_folder_says(self, stored: Stored) -> None:
        images, labels = easy_images(30)

        manifest, arrays = stored(zip_of(class_folders(images, labels)))

        assert (manifest.image_shape, manifest.classes) == ((6, 6), ("ant", "bee", "cat"))
        assert manifest.splits == {"train": 24, "test": 6}
        together = np.concatenate([arrays.x_train, arrays.x_test])
        shows = np.concatenate([arrays.y_train, arrays.y_test])
        for image, label in zip(images, labels, strict=True):
            (place,) = np.flatnonzero((together == image).all(axis=(1, 2)))
            assert shows[place] == label

    def test_train_and_test_are_taken_as_they_are(self, stored: Stored) -> None:
        manifest, arrays = stored(zip_of(split_folders(train=30, test=12)))

        assert manifest.splits == {"train": 30, "test": 12}
        assert manifest.class_counts == {"train": (10, 10, 10), "test": (4, 4, 4)}
        assert arrays.y_test.tolist() == [0] * 4 + [1] * 4 + [2] * 4

    @pytest.mark.parametrize(
        "pack",
        [
            zip_of,
            tar_of,
            lambda entries: gzip_of(tar_of(entries)),
            lambda entries: zip_of(dict(reversed(entries.items()))),
            lambda entries: zip_of({f"pets/{name}": content for name, content in entries.items()}),
            lambda entries: zip_of({**entries, "__MACOSX/._ant": b"", "ant/.DS_Store": b"", "bee/": b""}),
        ],
        ids=["zip", "tar", "tar.gz", "another order", "a folder around", "made on a Mac"],
    )
    def test_it_is_the_same_data_set_however_it_is_packed(
        self, stored: Stored, pack: Callable[[dict[str, bytes]], bytes]
    ) -> None:
        entries = easy_folders()

        assert stored(pack(entries))[0].digest == stored(zip_of(entries))[0].digest

    def test_formats_may_be_mixed(self, stored: Stored) -> None:
        entries = easy_folders() | {"ant/photo.jpg": encoded(Image.new("RGB", (6, 6), "white"), "JPEG")}

        assert sum(stored(zip_of(entries))[0].splits.values()) == 31

    def test_more_images_than_a_block_holds_arrive(self, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
        images, labels = easy_images(31)
        whole = stored(zip_of(class_folders(images, labels)))[0].digest
        monkeypatch.setattr("shared.datasets.folders.BLOCK_BYTES", 5 * 36)

        assert stored(zip_of(class_folders(images, labels)))[0].digest == whole


class TestShapes:
    def test_images_are_resized_where_a_shape_is_given(self, stored: Stored) -> None:
        entries = {f"{kind}/{side}.png": bright((side, 2 * side)) for kind in ("ant", "bee") for side in (4, 9, 30)}

        manifest, arrays = stored(zip_of(entries), (5, 7))

        assert manifest.image_shape == (5, 7)
        assert (arrays.x_train == 200).all()

    def test_without_one_the_first_that_differs_is_named(self, stored: Stored) -> None:
        odd = {"train/bee/odd.png": bright((6, 8)), "train/cat/odd.png": bright((9, 9))}

        error = refused(stored, zip_of(split_folders() | odd))

        assert (type(error), error.code) == (Invalid, "dataset_shapes")
        assert "'train/bee/odd.png' has 6 × 8 pixels" in error.detail
        assert "6 × 6" in error.detail
        assert "image_shape=6x6" in error.detail

    def test_an_image_on_its_side_counts_as_it_is_shown(self, stored: Stored) -> None:
        lying = Image.new("L", (8, 6), 200)
        exif = Image.Exif()
        exif[0x0112] = 6
        entries = {f"{kind}/{number}.png": bright((8, 6)) for kind in ("ant", "bee") for number in range(5)}

        manifest, _ = stored(zip_of(entries | {"ant/lying.jpg": encoded(lying, "JPEG", exif=exif)}))

        assert manifest.image_shape == (8, 6)

    @pytest.mark.parametrize(
        ("shape", "limited"),
        [((10, 10), {"max_image_pixels": 99}), ((100, 100), {"max_expanded_bytes": 299_999})],
    )
    def test_too_many_pixels_are_refused_before_any_is_decoded(
        self, stored: Stored, shape: Shape, limited: dict[str, int]
    ) -> None:
        error = refused(stored, zip_of(easy_folders()), shape, **limited)

        assert (type(error), error.code) == (TooLarge, "dataset_too_large")

    def test_there_is_nothing_to_resize_in_arrays(self, stored: Stored) -> None:
        assert refused(stored, npz(), (6, 6)).code == "validation_failed"


class TestDamage:
    def test_a_few_are_named_and_all_are_counted(self, stored: Stored, volume: Volume) -> None:
        damaged = {f"{part}/bee/bad{number}.png": b"no image" for part in ("train", "test") for number in range(4)}

        error = refused(stored, zip_of(split_folders() | damaged))

        assert (type(error), error.code) == (Invalid, "dataset_images")
        assert error.detail.startswith("8 of 50 files cannot be read: 'train/bee/bad0.png' (")
        assert error.detail.count("bad") == 5
        assert error.detail.endswith(", and 3 more")
        assert files_below(volume.root) == []

    def test_the_first_image_may_be_the_damaged_one(self, stored: Stored) -> None:
        assert refused(stored, zip_of({"ant/0.png": b"no image"} | easy_folders())).code == "dataset_images"

    def test_nothing_but_damage_is_refused(self, stored: Stored) -> None:
        nothing = {f"{kind}/{number}.png": b"no image" for kind in ("ant", "bee") for number in range(5)}

        assert refused(stored, zip_of(nothing)).code == "dataset_images"

    @pytest.mark.parametrize("image_shape", [None, (6, 6)])
    def test_an_image_that_is_cut_short_is_damage(self, stored: Stored, image_shape: Shape | None) -> None:
        whole = png(np.random.default_rng(0).integers(0, 255, (6, 6), dtype=np.uint8))

        error = refused(stored, zip_of(easy_folders() | {"cat/half.png": whole[: len(whole) // 2]}), image_shape)

        assert error.code == "dataset_images"
        assert "cat/half.png" in error.detail

    def test_an_entry_whose_checksum_is_wrong_is_damage(self, stored: Stored) -> None:
        archive = bytearray(zip_of(easy_folders()))
        archive[archive.index(b"IDAT") + 6] ^= 0xFF

        assert refused(stored, bytes(archive)).code == "dataset_images"


class TestWhatItIs:
    def test_arrays_are_taken_as_before(self, stored: Stored) -> None:
        assert stored(npz())[0].splits == {"train": 60, "test": 30}

    @pytest.mark.parametrize(
        "content",
        [b"", b"text", png(np.zeros((6, 6), np.uint8)), npy(np.zeros((5, 6, 6), np.uint8)), gzip_of(b"text")],
        ids=["nothing", "text", "an image", "an array alone", "a packed text"],
    )
    def test_anything_else_is_of_no_type_that_is_taken(self, stored: Stored, content: bytes) -> None:
        error = refused(stored, content)

        assert (type(error), error.code) == (UnsupportedType, "dataset_expected")

    @pytest.mark.parametrize(
        ("entries", "code"),
        [
            ({"ant/../../x.png": b""}, "archive_path"),
            ({"ant/more.zip": b""}, "archive_nested"),
            ({"README.txt": b""}, "dataset_layout"),
            ({"x.npy": b"text"}, "npz_array_missing"),
        ],
    )
    def test_the_rules_of_archives_hold(self, stored: Stored, entries: dict[str, bytes], code: str) -> None:
        assert refused(stored, zip_of(easy_folders() | entries)).code == code

    def test_an_empty_archive_is_refused(self, stored: Stored) -> None:
        assert refused(stored, zip_of({})).code == "archive_empty"


def test_the_shape_of_an_upload_is_that_of_its_images(stored: Stored) -> None:
    file = io.BytesIO()
    Image.new("L", (3, 5), 200).save(file, "BMP")

    manifest, _ = stored(zip_of({f"{kind}/{number}.bmp": file.getvalue() for kind in "ab" for number in range(3)}))

    assert manifest.image_shape == (5, 3)
