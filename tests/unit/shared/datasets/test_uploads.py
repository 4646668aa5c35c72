"""Uploaded data sets: detection of their type, reading and storage."""

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
    """Read an upload and store it; returns its manifest and arrays."""

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
    def test_every_image_is_stored_with_the_label_of_its_folder(self, stored: Stored) -> None:
        images, labels = easy_images(30)

        manifest, arrays = stored(zip_of(class_folders(images, labels)))

        assert (manifest.image_shape, manifest.classes) == ((6, 6), ("ant", "bee", "cat"))
        assert manifest.splits == {"train": 24, "test": 6}
        together = np.concatenate([arrays.x_train, arrays.x_test])
        labels_together = np.concatenate([arrays.y_train, arrays.y_test])
        for image, label in zip(images, labels, strict=True):
            (place,) = np.flatnonzero((together == image).all(axis=(1, 2)))
            assert labels_together[place] == label

    def test_the_folders_train_and_test_are_kept_as_the_parts(self, stored: Stored) -> None:
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
    def test_the_same_folders_in_another_archive_are_the_same_data_set(
        self, stored: Stored, pack: Callable[[dict[str, bytes]], bytes]
    ) -> None:
        entries = easy_folders()

        assert stored(pack(entries))[0].digest == stored(zip_of(entries))[0].digest

    def test_image_formats_may_be_mixed(self, stored: Stored) -> None:
        entries = easy_folders() | {"ant/photo.jpg": encoded(Image.new("RGB", (6, 6), "white"), "JPEG")}

        assert sum(stored(zip_of(entries))[0].splits.values()) == 31

    def test_images_of_several_blocks_are_stored(self, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
        images, labels = easy_images(31)
        whole = stored(zip_of(class_folders(images, labels)))[0].digest
        monkeypatch.setattr("shared.datasets.folders.BLOCK_BYTES", 5 * 36)

        assert stored(zip_of(class_folders(images, labels)))[0].digest == whole


class TestShapes:
    def test_images_are_resized_to_a_given_shape(self, stored: Stored) -> None:
        entries = {f"{kind}/{side}.png": bright((side, 2 * side)) for kind in ("ant", "bee") for side in (4, 9, 30)}

        manifest, arrays = stored(zip_of(entries), (5, 7))

        assert manifest.image_shape == (5, 7)
        assert (arrays.x_train == 200).all()

    def test_without_a_shape_the_error_names_the_first_image_that_differs(self, stored: Stored) -> None:
        odd = {"train/bee/odd.png": bright((6, 8)), "train/cat/odd.png": bright((9, 9))}

        error = refused(stored, zip_of(split_folders() | odd))

        assert (type(error), error.code) == (Invalid, "dataset_shapes")
        assert "'train/bee/odd.png' has 6 × 8 pixels" in error.detail
        assert "6 × 6" in error.detail
        assert "image_shape=6x6" in error.detail

    def test_the_shape_of_a_rotated_image_is_that_of_the_upright_image(self, stored: Stored) -> None:
        rotated = Image.new("L", (8, 6), 200)
        exif = Image.Exif()
        exif[0x0112] = 6
        entries = {f"{kind}/{number}.png": bright((8, 6)) for kind in ("ant", "bee") for number in range(5)}

        manifest, _ = stored(zip_of(entries | {"ant/rotated.jpg": encoded(rotated, "JPEG", exif=exif)}))

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

    def test_a_shape_for_an_npz_is_refused(self, stored: Stored) -> None:
        assert refused(stored, npz(), (6, 6)).code == "validation_failed"


class TestDamage:
    def test_the_error_names_a_few_damaged_images_and_counts_all(self, stored: Stored, volume: Volume) -> None:
        damaged = {f"{part}/bee/bad{number}.png": b"no image" for part in ("train", "test") for number in range(4)}

        error = refused(stored, zip_of(split_folders() | damaged))

        assert (type(error), error.code) == (Invalid, "dataset_images")
        assert error.detail.startswith("8 of 50 files cannot be read: 'train/bee/bad0.png' (")
        assert error.detail.count("bad") == 5
        assert error.detail.endswith(", and 3 more")
        assert files_below(volume.root) == []

    def test_a_damaged_first_image_is_refused(self, stored: Stored) -> None:
        assert refused(stored, zip_of({"ant/0.png": b"no image"} | easy_folders())).code == "dataset_images"

    def test_an_archive_of_damaged_images_only_is_refused(self, stored: Stored) -> None:
        nothing = {f"{kind}/{number}.png": b"no image" for kind in ("ant", "bee") for number in range(5)}

        assert refused(stored, zip_of(nothing)).code == "dataset_images"

    @pytest.mark.parametrize("image_shape", [None, (6, 6)])
    def test_a_truncated_image_is_refused_as_damage(self, stored: Stored, image_shape: Shape | None) -> None:
        whole = png(np.random.default_rng(0).integers(0, 255, (6, 6), dtype=np.uint8))

        error = refused(stored, zip_of(easy_folders() | {"cat/half.png": whole[: len(whole) // 2]}), image_shape)

        assert error.code == "dataset_images"
        assert "cat/half.png" in error.detail

    def test_an_entry_with_a_wrong_checksum_is_refused_as_damage(self, stored: Stored) -> None:
        archive = bytearray(zip_of(easy_folders()))
        archive[archive.index(b"IDAT") + 6] ^= 0xFF

        assert refused(stored, bytes(archive)).code == "dataset_images"


class TestTypes:
    def test_an_npz_is_accepted(self, stored: Stored) -> None:
        assert stored(npz())[0].splits == {"train": 60, "test": 30}

    @pytest.mark.parametrize(
        "content",
        [b"", b"text", png(np.zeros((6, 6), np.uint8)), npy(np.zeros((5, 6, 6), np.uint8)), gzip_of(b"text")],
        ids=["nothing", "text", "an image", "an array alone", "a packed text"],
    )
    def test_other_content_is_refused_as_an_unsupported_type(self, stored: Stored, content: bytes) -> None:
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
    def test_the_rules_of_archives_apply(self, stored: Stored, entries: dict[str, bytes], code: str) -> None:
        assert refused(stored, zip_of(easy_folders() | entries)).code == code

    def test_an_empty_archive_is_refused(self, stored: Stored) -> None:
        assert refused(stored, zip_of({})).code == "archive_empty"


def test_the_image_shape_is_the_height_and_width_of_the_images(stored: Stored) -> None:
    file = io.BytesIO()
    Image.new("L", (3, 5), 200).save(file, "BMP")

    manifest, _ = stored(zip_of({f"{kind}/{number}.bmp": file.getvalue() for kind in "ab" for number in range(3)}))

    assert manifest.image_shape == (5, 3)
