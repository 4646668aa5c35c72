"""Uploaded data sets: detection of their type, reading and storage."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.datasets import Arrays, DatasetStore, Manifest
from shared.datasets.manifest import ColourCheck, Duplicates
from shared.datasets.options import OnUnreadable, UploadOptions
from shared.datasets.uploads import read_upload
from shared.errors import GlassboxError, Invalid, TooLarge, UnsupportedType
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.archives import special_file, zip_of
from tests.support.data.files import files_below
from tests.support.data.folders import KINDS, bright, class_folders, easy_folders, split_folders
from tests.support.data.images import encoded, png, smooth
from tests.support.data.npz import easy_arrays, easy_images, npy, npz
from tests.support.data.tars import gzip_of, tar_of

Stored = Callable[..., tuple[Manifest, Arrays]]
Store = Callable[..., Manifest]
COLOURS = [(200, 0, 0), (0, 120, 40), (10, 20, 230)]


@pytest.fixture
def stored(tmp_path: Path, datasets: DatasetStore, limits: Settings) -> Stored:
    """Read an upload and store it; returns its manifest and arrays."""

    def store(
        content: bytes,
        image_shape: tuple[int, int] | None = None,
        channels: int | None = None,
        on_unreadable: OnUnreadable | None = None,
        **limited: Any,
    ) -> tuple[Manifest, Arrays]:
        path = tmp_path / "upload"
        path.write_bytes(content)
        own = limits.model_copy(update=limited)
        read = read_upload(path, own, UploadOptions(0.2, 0, image_shape, channels, on_unreadable))
        return datasets.load(datasets.add(read, "easy", "test")[0].id)

    return store


@pytest.fixture
def stored_manifest(tmp_path: Path, datasets: DatasetStore, limits: Settings) -> Store:
    """Read an upload and store it; returns the manifest in the answer."""

    def store(
        content: bytes,
        image_shape: tuple[int, int] | None = None,
        channels: int | None = None,
        on_unreadable: OnUnreadable | None = None,
    ) -> Manifest:
        path = tmp_path / "upload"
        path.write_bytes(content)
        read = read_upload(path, limits, UploadOptions(0.2, 0, image_shape, channels, on_unreadable))
        return datasets.add(read, "easy", "test")[0]

    return store


def coloured_folders(shape: tuple[int, int] = (6, 6)) -> dict[str, bytes]:
    """Return class folders of uniform images of three colours."""
    return {
        f"{kind}/{number}.png": png(np.full((*shape, 3), colour, np.uint8))
        for kind, colour in zip(KINDS, COLOURS, strict=True)
        for number in range(10)
    }


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
        monkeypatch.setattr("shared.datasets.folders.folders.BLOCK_BYTES", 5 * 36)

        assert stored(zip_of(class_folders(images, labels)))[0].digest == whole


class TestShapes:
    def test_images_are_resized_to_a_given_shape(self, stored: Stored) -> None:
        entries = {f"{kind}/{side}.png": bright((side, 2 * side)) for kind in ("ant", "bee") for side in (4, 9, 30)}

        manifest, arrays = stored(zip_of(entries), (5, 7))

        assert manifest.image_shape == (5, 7)
        assert (arrays.x_train == 200).all()

    def test_images_of_mixed_sizes_get_a_shape_by_rule(self, stored: Stored) -> None:
        sizes = [(30, 50), (41, 33), (200, 100), (37, 37), (20, 20)]
        entries = {f"{kind}/{number}.png": bright(size) for kind in ("ant", "bee") for number, size in enumerate(sizes)}

        manifest, arrays = stored(zip_of(entries))

        assert manifest.image_shape == (32, 32)
        assert (arrays.x_train == 200).all()

    def test_what_was_chosen_is_said_with_the_reason(self, stored_manifest: Store) -> None:
        odd = {"train/bee/odd.png": bright((6, 8)), "train/cat/odd.png": bright((9, 9))}

        manifest = stored_manifest(zip_of(split_folders() | odd))

        assert manifest.image_shape == (8, 8)
        assert manifest.chosen["image_shape"].startswith("8 × 8, chosen for 44 images of 6 × 6 to 9 × 9 pixels: ")
        assert manifest.chosen["channels"] == "1 (grayscale), as no image is in colour"

    def test_images_of_one_small_size_keep_it(self, stored_manifest: Store) -> None:
        manifest = stored_manifest(zip_of(easy_folders()))

        assert manifest.image_shape == (6, 6)
        assert manifest.chosen["image_shape"] == "6 × 6, the size of all images"

    def test_images_of_one_large_size_are_reduced(self, stored: Stored) -> None:
        entries = {f"{kind}/{number}.png": bright((200, 200)) for kind in ("ant", "bee") for number in range(5)}

        assert stored(zip_of(entries))[0].image_shape == (32, 32)

    def test_options_that_are_set_are_not_chosen(self, stored_manifest: Store) -> None:
        archive = zip_of(easy_folders())

        assert stored_manifest(archive, (6, 6)).chosen.keys() == {"channels"}
        assert stored_manifest(archive, channels=1).chosen.keys() == {"image_shape"}
        assert stored_manifest(archive, (6, 6), channels=3).chosen == {}

    def test_a_stored_data_set_says_what_a_later_upload_chose(self, stored_manifest: Store) -> None:
        archive = zip_of(easy_folders())

        first, again = stored_manifest(archive), stored_manifest(archive, (6, 6), channels=1)

        assert again.digest == first.digest
        assert again.chosen == {}

    def test_a_damaged_image_is_not_counted_among_the_sizes(self, stored: Stored) -> None:
        assert refused(stored, zip_of(easy_folders() | {"bee/bad.png": b"no image"})).code == "dataset_images"

    def test_a_class_of_one_image_has_it_for_training(self, stored: Stored) -> None:
        manifest, _ = stored(zip_of(easy_folders() | {"dog/only.png": bright((6, 6))}))

        assert manifest.class_counts == {"train": (8, 8, 8, 1), "test": (2, 2, 2, 0)}

    def test_the_shape_of_a_rotated_image_is_that_of_the_upright_image(self, stored: Stored) -> None:
        rotated = Image.new("L", (8, 6), 200)
        exif = Image.Exif()
        exif[0x0112] = 6
        entries = {f"{kind}/{number}.png": bright((8, 6)) for kind in ("ant", "bee") for number in range(5)}

        manifest, _ = stored(zip_of(entries | {"ant/rotated.jpg": encoded(rotated, "JPEG", exif=exif)}))

        assert manifest.image_shape == (8, 6)

    @pytest.mark.parametrize(
        ("shape", "limited"),
        [((10, 10), {"max_image_pixels": 99}), ((100, 100), {"max_dataset_bytes": 299_999})],
    )
    def test_too_many_pixels_are_refused_before_any_is_decoded(
        self, stored: Stored, shape: tuple[int, int], limited: dict[str, int]
    ) -> None:
        error = refused(stored, zip_of(easy_folders()), shape, **limited)

        assert (type(error), error.code) == (TooLarge, "dataset_too_large")

    def test_images_that_take_too_long_together_are_refused(self, stored: Stored) -> None:
        error = refused(stored, zip_of(easy_folders()), (6, 7), max_dataset_seconds=1e-4)

        assert (type(error), error.code) == (TooLarge, "dataset_too_costly")
        assert "GLASSBOX_MAX_DATASET_SECONDS" in error.detail

    def test_a_shape_for_an_npz_is_refused(self, stored: Stored) -> None:
        assert refused(stored, npz(), (6, 6)).code == "validation_failed"


class TestColour:
    def test_a_folder_with_images_in_colour_is_a_data_set_in_colour(self, stored: Stored) -> None:
        manifest, arrays = stored(zip_of(coloured_folders()))

        assert manifest.image_shape == (6, 6, 3)
        assert manifest.bytes == 30 * 6 * 6 * 3
        assert arrays.x_train.shape == (24, 6, 6, 3)
        assert {tuple(image[0, 0].tolist()) for image in arrays.x_train} == set(COLOURS)
        assert not manifest.colour_dropped

    def test_the_reason_names_an_image_in_colour(self, stored_manifest: Store) -> None:
        red = {"cat/red.png": png(np.full((6, 6, 3), (200, 0, 0), np.uint8))}

        manifest = stored_manifest(zip_of(easy_folders() | red))

        assert manifest.image_shape == (6, 6, 3)
        assert "'cat/red.png'" in manifest.chosen["channels"]
        assert "channels=1 makes them grayscale" in manifest.chosen["channels"]

    def test_gray_images_in_a_data_set_in_colour_have_equal_channels(self, stored: Stored) -> None:
        _, arrays = stored(
            zip_of(
                {f"{part}/a/{n}.png": bright((6, 6)) for part in ("train", "test") for n in range(3)}
                | {"train/b/red.png": png(np.full((6, 6, 3), (200, 0, 0), np.uint8))}
            )
        )

        assert (arrays.x_test == 200).all()
        assert arrays.x_train[-1, 0, 0].tolist() == [200, 0, 0]

    @pytest.mark.parametrize("quality", [10, 50, 90])
    def test_gray_photographs_saved_in_colour_are_a_grayscale_data_set(self, stored: Stored, quality: int) -> None:
        entries = {
            f"{kind}/{seed}.jpg": encoded(smooth(40, 40, seed).convert("L").convert("RGB"), "JPEG", quality=quality)
            for kind in ("ant", "bee")
            for seed in range(4)
        }

        assert stored(zip_of(entries))[0].image_shape == (40, 40)

    def test_one_channel_on_demand_drops_the_colour_and_records_it(self, stored: Stored) -> None:
        manifest, arrays = stored(zip_of(coloured_folders()), channels=1)

        assert manifest.image_shape == (6, 6)
        assert manifest.colour_dropped
        lumas = {round(0.299 * red + 0.587 * green + 0.114 * blue) for red, green, blue in COLOURS}
        assert set(np.unique(arrays.x_train).tolist()) == lumas

    def test_a_dropped_colour_that_gives_the_class_is_measured(self, stored: Stored) -> None:
        hues = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}
        entries = {
            f"{name}/{n}.png": png(np.full((6, 6, 3), hue, np.uint8) // np.uint8(1 + n % 3))
            for name, hue in hues.items()
            for n in range(20)
        }

        check = stored(zip_of(entries), channels=1)[0].colour_check

        assert check == ColourCheck(correct=12, images=12, classes=3)  # 8 of each class: 4 known, 4 classified
        assert stored(zip_of(entries))[0].colour_check is None

    def test_a_dropped_colour_that_does_not_give_the_class_is_at_chance(self, stored: Stored) -> None:
        rng = np.random.default_rng(0)
        entries = {
            f"{number % 4}/{number}.png": png(np.full((6, 6, 3), rng.integers(0, 256, 3), np.uint8))
            for number in range(200)
        }

        check = stored(zip_of(entries), channels=1)[0].colour_check

        assert check is not None
        assert (check.images, check.classes) == (16, 4)
        assert check.correct < 10

    def test_the_colour_of_many_classes_is_measured_on_a_part(self, stored: Stored) -> None:
        entries = {
            f"{label:03}/{n}.png": png(np.full((4, 4, 3), (label, 255 - label, 128), np.uint8))
            for label in range(100)
            for n in range(3)
        }

        check = stored(zip_of(entries), channels=1)[0].colour_check

        assert check is not None
        assert check.classes <= 64
        assert check.correct == check.images

    def test_one_channel_on_demand_drops_nothing_from_gray_images(self, stored: Stored) -> None:
        assert not stored(zip_of(easy_folders()), channels=1)[0].colour_dropped

    def test_three_channels_on_demand_repeat_gray_values(self, stored: Stored) -> None:
        gray, coloured = stored(zip_of(easy_folders())), stored(zip_of(easy_folders()), channels=3)

        assert coloured[0].image_shape == (6, 6, 3)
        assert (coloured[1].x_train == gray[1].x_train[..., np.newaxis]).all()

    def test_the_digest_of_a_grayscale_folder_is_fixed(self, stored: Stored) -> None:
        """A data set keeps its id in every version of Glassbox, also if its shape is set."""
        digest = "cb19fea14eb6ea5c671f11c7deb52926a94b71b1f8fd00405f0857a1ab544cf0"

        assert stored(zip_of(easy_folders()))[0].digest == digest
        assert stored(zip_of(easy_folders()), (6, 6), channels=1)[0].digest == digest

    def test_resized_images_in_colour_keep_their_colours(self, stored: Stored) -> None:
        manifest, arrays = stored(zip_of(coloured_folders((20, 30))), (8, 4))

        assert manifest.image_shape == (8, 4, 3)
        assert {tuple(image[0, 0].tolist()) for image in arrays.x_train} == set(COLOURS)

    def test_the_limit_counts_the_bytes_of_all_channels(self, stored: Stored) -> None:
        archive = zip_of(coloured_folders())

        assert stored(archive, max_dataset_bytes=30 * 6 * 6 * 3)
        assert refused(stored, archive, max_dataset_bytes=30 * 6 * 6 * 3 - 1).code == "dataset_too_large"

    def test_images_of_several_blocks_are_stored(self, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = stored(zip_of(coloured_folders()))[0].digest
        monkeypatch.setattr("shared.datasets.folders.folders.BLOCK_BYTES", 5 * 6 * 6 * 3)

        assert stored(zip_of(coloured_folders()))[0].digest == whole

    @pytest.mark.parametrize("channels", [1, 3])
    def test_the_channels_of_an_npz_are_kept(self, stored: Stored, channels: int) -> None:
        arrays = easy_arrays()
        if channels == 3:
            arrays |= {name: np.stack([arrays[name]] * 3, axis=-1) for name in ("x_train", "x_test")}

        assert stored(npz(arrays), channels=channels)[0].image_shape == (6, 6, 3)[: channels // 3 + 2]
        error = refused(stored, npz(arrays), channels=4 - channels)
        assert error.code == "validation_failed"
        assert "channels: " in error.detail


@pytest.mark.parametrize("choice", OnUnreadable)
@pytest.mark.parametrize(
    "content",
    [
        npz(),
        b"label," + b",".join(b"pixel%d" % number for number in range(36)) + b"\n" + (b"0" + b",7" * 36 + b"\n") * 4,
        zip_of({"train-images-idx3-ubyte": b"", "train-labels-idx1-ubyte": b""}),
    ],
    ids=["npz", "CSV", "IDX"],
)
def test_a_choice_about_unreadable_images_is_refused_without_image_files(
    stored: Stored, content: bytes, choice: OnUnreadable
) -> None:
    error = refused(stored, content, on_unreadable=choice)

    assert error.code == "validation_failed"
    assert error.detail.startswith("on_unreadable: applies to archives of images")


class TestDamage:
    def test_the_error_names_a_few_damaged_images_and_counts_all(self, stored: Stored, volume: Volume) -> None:
        damaged = {f"{part}/bee/bad{number}.png": b"no image" for part in ("train", "test") for number in range(4)}

        error = refused(stored, zip_of(split_folders() | damaged))

        assert (type(error), error.code) == (Invalid, "dataset_images")
        assert error.detail.startswith("8 of 50 files cannot be read: 'train/bee/bad0.png' (")
        assert error.detail.count("bad") == 5
        assert ", and 3 more; by default at most 1% of the images may be unreadable" in error.detail
        assert error.detail.endswith("set on_unreadable=skip to leave them out")
        assert files_below(volume.root) == []

    def test_a_damaged_first_image_is_refused(self, stored: Stored) -> None:
        assert refused(stored, zip_of({"ant/0.png": b"no image"} | easy_folders())).code == "dataset_images"

    def test_an_archive_of_damaged_images_only_is_refused(self, stored: Stored) -> None:
        nothing = {f"{kind}/{number}.png": b"no image" for kind in ("ant", "bee") for number in range(5)}

        assert refused(stored, zip_of(nothing)).code == "dataset_images"

    @pytest.mark.parametrize("image_shape", [None, (6, 6)])
    def test_a_truncated_image_is_refused_as_damage(self, stored: Stored, image_shape: tuple[int, int] | None) -> None:
        whole = png(np.random.default_rng(0).integers(0, 255, (6, 6), dtype=np.uint8))

        error = refused(stored, zip_of(easy_folders() | {"cat/half.png": whole[: len(whole) // 2]}), image_shape)

        assert error.code == "dataset_images"
        assert "cat/half.png" in error.detail

    def test_an_entry_with_a_wrong_checksum_is_refused_as_damage(self, stored: Stored) -> None:
        archive = bytearray(zip_of(easy_folders()))
        archive[archive.index(b"IDAT") + 6] ^= 0xFF

        assert refused(stored, bytes(archive)).code == "dataset_images"

    def test_a_class_without_a_readable_image_is_named(self, stored: Stored) -> None:
        entries = easy_folders() | {f"dog/{number}.png": b"no image" for number in range(3)}

        error = refused(stored, zip_of(entries), on_unreadable=OnUnreadable.SKIP)

        assert error.code == "dataset_classes"
        assert "none of the 3 images of the class 'dog' can be read, such as 'dog/0.png'" in error.detail

    def test_a_split_without_a_readable_image_is_named(self, stored: Stored) -> None:
        entries = {name: content if "train" in name else b"no image" for name, content in split_folders().items()}

        error = refused(stored, zip_of(entries), on_unreadable=OnUnreadable.SKIP)

        assert error.code == "dataset_images"
        assert "none of the images in 'test' can be read" in error.detail

    def test_a_class_folder_of_other_files_is_named(self, stored: Stored) -> None:
        error = refused(stored, zip_of(easy_folders() | {"dog/1.mov": b"\0\0film"}))

        assert error.code == "dataset_classes"
        assert "no file in the folder 'dog' is an image, such as 'dog/1.mov'" in error.detail


def damaged_png() -> bytes:
    """Return a PNG with a valid header whose pixels are cut off."""
    whole = png(np.random.default_rng(0).integers(0, 255, (6, 6), dtype=np.uint8))
    return whole[: len(whole) // 2]


class TestSkipping:
    @pytest.mark.parametrize("image_shape", [None, (6, 6)])
    @pytest.mark.parametrize("channels", [None, 1])
    def test_files_that_are_no_images_are_skipped_and_reported(
        self, stored_manifest: Store, image_shape: tuple[int, int] | None, channels: int | None
    ) -> None:
        plain = stored_manifest(zip_of(easy_folders()), image_shape, channels)
        others = {"overview.txt": b"text", "ant/notes.docx": b"PK", "lists/a.csv": b"1,2", "bee/.hidden.png": b"x"}

        manifest = stored_manifest(zip_of(easy_folders() | others), image_shape, channels)

        assert manifest.digest == plain.digest
        assert manifest.skipped == {
            "hidden": {"count": 1, "names": ["bee/.hidden.png"]},
            "not_an_image": {"count": 3, "names": ["overview.txt", "ant/notes.docx", "lists/a.csv"]},
        }

    def test_links_are_skipped_with_a_warning(self, stored_manifest: Store) -> None:
        files: list[tuple[str | zipfile.ZipInfo, bytes]] = [*class_folders(*easy_images(30)).items()]
        link = (special_file("ant/link.png", 0o120777), b"../bee/0.png")

        manifest = stored_manifest(zip_of([*files, link]))

        assert manifest.classes == KINDS
        assert manifest.skipped == {"link": {"count": 1, "names": ["ant/link.png"]}}
        assert any("1 link, 'ant/link.png', was skipped" in warning for warning in manifest.warnings)

    @pytest.mark.parametrize("image", [special_file("dog/1.png", 0o120777), ".hidden.png"], ids=["link", "hidden"])
    def test_a_class_whose_images_are_all_skipped_is_refused(
        self, stored: Stored, image: str | zipfile.ZipInfo
    ) -> None:
        files: list[tuple[str | zipfile.ZipInfo, bytes]] = [*class_folders(*easy_images(30)).items()]
        name = image if isinstance(image, zipfile.ZipInfo) else f"dog/{image}"

        error = refused(stored, zip_of([*files, (name, b"../ant/0.png"), ("docs/.gitkeep", b"")]))

        assert error.code == "dataset_classes"
        assert "all images of 'dog' are skipped, such as 'dog/" in error.detail

    def test_images_of_unsupported_formats_are_skipped_with_a_warning(self, stored_manifest: Store) -> None:
        manifest = stored_manifest(zip_of(easy_folders() | {"bee/photo.jxl": b"\xff\x0a\0\0"}))

        assert manifest.skipped == {"image_unsupported": {"count": 1, "names": ["bee/photo.jxl"]}}
        assert manifest.warnings[-1].startswith("1 image has an unsupported format and was skipped")

    @pytest.mark.parametrize("bad", [b"no image", damaged_png()], ids=["no image", "cut off"])
    def test_unreadable_images_are_skipped_on_demand(self, stored_manifest: Store, bad: bytes) -> None:
        entries = {"bee/bad.png": bad} | easy_folders() | {"cat/bad.png": bad}

        manifest = stored_manifest(zip_of(entries), on_unreadable=OnUnreadable.SKIP)

        assert manifest.digest == stored_manifest(zip_of(easy_folders())).digest
        (report,) = manifest.skipped.values()
        assert report == {"count": 2, "names": ["bee/bad.png", "cat/bad.png"]}

    @pytest.mark.parametrize(("bad", "accepted"), [(1, True), (2, False)])
    def test_unreadable_images_are_skipped_by_default_up_to_one_percent(
        self, stored: Stored, bad: int, accepted: bool
    ) -> None:
        content = zip_of(easy_folders(120) | {f"bee/bad{number}.png": damaged_png() for number in range(bad)})

        if accepted:
            assert stored(content)[0].skipped["image_damaged"]["count"] == bad
        else:
            assert refused(stored, content).code == "dataset_images"
        assert refused(stored, content, on_unreadable=OnUnreadable.REFUSE).code == "dataset_images"


def distinct(count: int, copies: int) -> dict[str, bytes]:
    """Return two classes of `count` random images each, each `copies` times."""
    images = np.random.default_rng(0).integers(0, 255, (2, count, 6, 6), dtype=np.uint8)
    return {
        f"{kind}/{number}-{copy}.png": png(images[label, number])
        for label, kind in enumerate(("ant", "bee"))
        for number in range(count)
        for copy in range(copies)
    }


class TestDuplicates:
    @pytest.mark.parametrize("pack", ["folders", "npz"])
    def test_copies_are_on_one_side_of_a_split_of_the_server_and_counted(self, stored: Stored, pack: str) -> None:
        if pack == "folders":
            content = zip_of(distinct(count=20, copies=8))
        else:
            images = np.random.default_rng(0).integers(0, 255, (40, 6, 6), dtype=np.uint8)
            content = npz({"x": np.repeat(images, 8, axis=0), "y": np.repeat(np.arange(40) % 2, 8)})

        manifest, arrays = stored(content)

        assert manifest.duplicates == Duplicates(images=280, test_in_train=0, in_several_classes=0)
        assert manifest.splits == {"train": 256, "test": 64}
        train, test = ({image.tobytes() for image in part} for part in (arrays.x_train, arrays.x_test))
        assert not train & test
        assert any("280 of 320 images are exact duplicates of others" in warning for warning in manifest.warnings)

    def test_copies_in_a_given_split_and_in_several_classes_are_counted(self, stored: Stored) -> None:
        entries = split_folders()
        entries |= {
            "test/ant/copy.png": entries["train/ant/00000.png"],
            "train/bee/x.png": entries["train/ant/00000.png"],
        }

        manifest, _ = stored(zip_of(entries))

        assert manifest.duplicates == Duplicates(images=2, test_in_train=1, in_several_classes=3)
        assert manifest.splits == {"train": 31, "test": 13}
        assert "1 of 13 test images are also training images" in " ".join(manifest.warnings)

    def test_a_small_data_set_is_accepted_with_a_warning(self, stored: Stored) -> None:
        manifest, _ = stored(zip_of(distinct(count=4, copies=1)))

        assert manifest.warnings[0].startswith("the data set has 8 images, 2 of them for testing")


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

    def test_a_large_file_that_is_no_image_by_its_name_is_skipped(self, stored: Stored) -> None:
        manifest, _ = stored(
            zip_of(easy_folders() | {"clip.mp4": bytes(5000), "ant/weights.h5": bytes(5000)}), max_entry_bytes=4000
        )

        assert manifest.skipped == {"entry_too_large": {"count": 2, "names": ["clip.mp4", "ant/weights.h5"]}}

    def test_an_array_beside_class_folders_is_skipped(self, stored: Stored) -> None:
        manifest, _ = stored(zip_of(easy_folders() | {"ant/features.npy": npy(easy_images(4)[0]), "x.npy": b""}))

        assert manifest.classes == ("ant", "bee", "cat")
        assert manifest.skipped["not_an_image"]["count"] == 2

    def test_arrays_in_a_folder_are_read_as_an_npz(self, stored: Stored) -> None:
        arrays = easy_arrays()
        files = {f"data/digits/{name}.npy": npy(array) for name, array in arrays.items()}
        more = {"__MACOSX/data/digits/._x_train.npy": b"", "data/.DS_Store": b"", "data/preview.png": bright((8, 8))}

        assert stored(zip_of(files | more))[0].id == stored(npz(arrays))[0].id

    @pytest.mark.parametrize(
        ("entries", "named"),
        [
            ({"set/mnist.npz": npz()}, "Send 'set/mnist.npz' itself, not in an archive"),
            ({"train_32x32.mat": b"MATLAB 5.0"}, "Convert 'train_32x32.mat' to an .npz"),
            ({"labels.csv": b"file,label"}, "of CSV files, those with the pixels of an image in each row are read"),
        ],
    )
    def test_a_file_of_many_images_in_an_archive_is_refused_with_the_remedy(
        self, stored: Stored, entries: dict[str, bytes], named: str
    ) -> None:
        assert named in refused(stored, tar_of(entries)).detail

    @pytest.mark.parametrize(
        ("entries", "code"),
        [
            ({"ant/../../x.png": b""}, "archive_path"),
            ({"ant/more.zip": b""}, "archive_nested"),
            ({"lost.png": b""}, "dataset_layout"),
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


def test_masks_of_0_and_1_among_other_images_are_warned_of(stored_manifest: Store) -> None:
    masks = (easy_images(4)[0] > 100).astype(np.uint8)
    files = easy_folders() | {f"mask/{number}.png": png(mask) for number, mask in enumerate(masks)}
    arrays = easy_arrays()
    arrays["x_test"][:4] = masks

    for content, images in ((zip_of(files), len(files)), (npz(arrays), 90)):
        warnings = stored_manifest(content).warnings
        assert any(f"4 of {images} images have no gray level above 1 of 255" in warning for warning in warnings)
        assert not any("largest gray level of all images" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("white", "warning"),
    [
        (0, "all images are black"),
        (1, "the largest gray level of all images is 1 of 255"),
        (16, "multiply the images' gray levels by 15 and"),
        (63, "the largest gray level of all images is 63 of 255"),
        (64, None),
        (255, None),
    ],
)
def test_image_files_without_large_gray_levels_are_warned_of(
    stored_manifest: Store, white: int, warning: str | None
) -> None:
    images = np.zeros((40, 6, 6), np.uint8)
    images[-1, -1, -1] = white
    files = {f"{number % 2}/{number:02}.png": png(image) for number, image in enumerate(images)}

    warnings = stored_manifest(zip_of(files), image_shape=(6, 6)).warnings

    found = [each for each in warnings if "black" in each]
    assert len(found) == (warning is not None)
    assert warning is None or warning in found[0]


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_arrays_of_levels_from_0_to_16_are_warned_of(stored_manifest: Store, dtype: str) -> None:
    arrays = easy_arrays()
    dark = {
        name: (array // 16 if name[0] == "x" else array).astype(dtype if name[0] == "x" else array.dtype)
        for name, array in arrays.items()
    }

    warnings = stored_manifest(npz(dark)).warnings

    assert any("the largest gray level of all images is 15 of 255" in warning for warning in warnings)
