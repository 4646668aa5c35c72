"""The data sets on the volume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.datasets import DatasetStore, Manifest
from shared.datasets.arrays.npz import read_npz
from shared.datasets.content import Content, Images, Split
from shared.datasets.manifest import Duplicates
from shared.errors import Conflict, Damaged, Invalid, NotFound
from shared.runtime import clock
from shared.runtime.settings import Settings
from shared.storage.durable import sha256_of
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.programs.forks import dies_before_change, together
from tests.support.waiting import eventually


class Uploads:
    """Adds `.npz` files to the store, as the API does."""

    def __init__(self, store: DatasetStore, folder: Path, limits: Settings) -> None:
        self.store = store
        self.folder = folder
        self.limits = limits

    def add(self, upload: bytes, name: str = "easy") -> tuple[Manifest, bool]:
        path = self.folder / f"{name}.npz"
        path.write_bytes(upload)
        return self.store.add(read_npz(path, self.limits, 0.1, 0), name, "upload")


@pytest.fixture
def uploads(datasets: DatasetStore, tmp_path: Path, limits: Settings) -> Uploads:
    return Uploads(datasets, tmp_path, limits)


class TestAdding:
    def test_an_added_data_set_is_loaded_with_its_arrays(self, uploads: Uploads, datasets: DatasetStore) -> None:
        arrays = easy_arrays(train=60, test=30)

        manifest, created = uploads.add(npz(arrays))

        assert created
        loaded, back = datasets.load(manifest.id)
        assert loaded == manifest
        for name, array in arrays.items():
            assert np.array_equal(getattr(back, name), array)

    def test_large_images_of_which_a_block_has_none_for_testing_are_added(self, uploads: Uploads) -> None:
        images = np.arange(40, dtype=np.uint8).repeat(400 * 400 * 3).reshape(40, 400, 400, 3)  # 2 in a block of 1 MiB

        manifest, _ = uploads.add(npz({"x": images, "y": np.arange(40) % 2}))

        assert manifest.splits == {"train": 36, "test": 4}

    def test_a_data_set_in_colour_is_loaded_with_its_arrays(self, uploads: Uploads, datasets: DatasetStore) -> None:
        arrays = easy_arrays(train=60, test=30)
        for name in ("x_train", "x_test"):
            arrays[name] = np.stack([arrays[name], arrays[name] // 2, 255 - arrays[name]], axis=-1)

        manifest, _ = uploads.add(npz(arrays))

        assert manifest.image_shape == (6, 6, 3)
        assert manifest.bytes == 90 * 6 * 6 * 3
        loaded, back = datasets.load(manifest.id)
        assert loaded == manifest
        for name, array in arrays.items():
            assert np.array_equal(getattr(back, name), array)

    def test_a_manifest_of_another_number_of_channels_is_skipped_in_the_list(
        self, uploads: Uploads, datasets: DatasetStore, volume: Volume
    ) -> None:
        """A newer version may write it; the other data sets must stay visible."""
        readable, _ = uploads.add(npz())
        other, _ = uploads.add(npz(easy_arrays(seed=1)), "other")
        path = volume.dataset(other.digest) / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "image_shape": [6, 6, 5]}))

        assert [manifest.digest for manifest in datasets.all()] == [readable.digest]
        with pytest.raises(Damaged, match="upgrade Glassbox") as caught:
            datasets.get("other")
        assert caught.value.code == "dataset_unreadable"
        datasets.delete("other")
        assert not volume.dataset(other.digest).exists()

    def test_a_renamed_manifest_keeps_the_fields_of_a_newer_version(
        self, uploads: Uploads, datasets: DatasetStore, volume: Volume
    ) -> None:
        manifest, _ = uploads.add(npz(), "first")
        uploads.add(npz(), "second")
        path = volume.dataset(manifest.digest) / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "licence": "CC BY"}))

        datasets.delete("first")

        kept = json.loads(path.read_text())
        assert (kept["name"], kept["licence"]) == ("second", "CC BY")

    def test_a_name_that_has_moved_is_not_overwritten_and_nothing_is_left(
        self, uploads: Uploads, datasets: DatasetStore, volume: Volume, tmp_path: Path, limits: Settings
    ) -> None:
        old, _ = uploads.add(npz())
        new, _ = uploads.add(npz(easy_arrays(seed=1)))
        files = files_below(volume.root)
        (tmp_path / "third.npz").write_bytes(npz(easy_arrays(seed=2)))

        with pytest.raises(Conflict, match=new.digest) as caught:
            datasets.add(read_npz(tmp_path / "third.npz", limits, 0.1, 0), "easy", "derived", replaces=old.digest)

        assert caught.value.code == "dataset_name_moved"
        assert files_below(volume.root) == files

    def test_the_digest_of_a_grayscale_data_set_is_fixed(self, uploads: Uploads) -> None:
        """A data set keeps its id in every version of Glassbox."""
        assert uploads.add(npz())[0].digest == "b19099a32408de5accd9d56e5ea7635b507ddf7fc383ef2cef282e0aeef52cb6"

    def test_a_validation_split_is_stored_and_makes_another_data_set(
        self, uploads: Uploads, datasets: DatasetStore, volume: Volume
    ) -> None:
        x, y = easy_images(12, seed=3)
        validation: dict[str, Any] = {"x_validation": x, "y_validation": y}

        manifest, created = uploads.add(npz(easy_arrays() | validation))

        assert created
        assert manifest.digest not in {uploads.add(npz())[0].digest, uploads.add(npz(easy_arrays(train=72)))[0].digest}
        assert manifest.splits == {"train": 60, "validation": 12, "test": 30}
        assert manifest.class_counts["validation"] == (4, 4, 4)
        loaded, arrays = datasets.load(manifest.id)
        assert loaded == manifest
        assert arrays.validation is not None
        assert np.array_equal(arrays.validation[0], x)
        assert np.array_equal(arrays.validation[1], y)
        for name, expected in validation.items():
            with np.load(volume.dataset(manifest.digest) / "data.npz") as stored:
                assert np.array_equal(stored[name], expected)

    def test_a_data_set_without_a_validation_split_has_none(self, uploads: Uploads, datasets: DatasetStore) -> None:
        assert datasets.load(uploads.add(npz())[0].id)[1].validation is None

    def test_copies_across_the_splits_are_counted(self, uploads: Uploads) -> None:
        arrays = easy_arrays()
        x, y = easy_images(20, seed=3)
        x[:4], y[:4] = arrays["x_train"][:4], arrays["y_train"][:4]
        x[4:7], y[4:7] = arrays["x_test"][:3], arrays["y_test"][:3]

        manifest, _ = uploads.add(npz(arrays | {"x_val": x, "y_val": y}))

        assert manifest.duplicates == Duplicates(
            images=7, test_in_train=0, in_several_classes=0, validation_in_train=4, test_in_validation=3
        )
        text = " ".join(manifest.warnings)
        assert "4 of 20 validation images are also training images" in text
        assert "3 of 30 test images are also validation images" in text
        assert "fewer than 20" not in text

    def test_a_small_validation_split_is_warned_of(self, uploads: Uploads) -> None:
        x, y = easy_images(19, seed=3)

        manifest, _ = uploads.add(npz(easy_arrays() | {"x_val": x, "y_val": y}))

        assert any("has 19 images for validation: fewer than 20" in warning for warning in manifest.warnings)

    def test_the_manifest_describes_the_data_set(self, uploads: Uploads) -> None:
        manifest, _ = uploads.add(npz(easy_arrays(train=60, test=30)))

        assert manifest.image_shape == (6, 6)
        assert manifest.classes == ("0", "1", "2")
        assert manifest.splits == {"train": 60, "test": 30}
        assert manifest.class_counts == {"train": (20, 20, 20), "test": (10, 10, 10)}
        assert manifest.bytes == 90 * 36
        assert manifest.id == f"sha256:{manifest.digest}"

    def test_a_class_missing_from_a_part_has_a_count_of_zero(self, uploads: Uploads) -> None:
        arrays = easy_arrays(train=60, test=30)

        manifest, _ = uploads.add(npz(arrays | {"y_test": np.zeros(30, np.int64)}))

        assert manifest.class_counts["test"] == (30, 0, 0)

    def test_the_same_content_in_another_file_is_the_same_data_set(self, uploads: Uploads) -> None:
        arrays = easy_arrays()
        narrow = arrays | {name: arrays[name].astype("|u1") for name in ("y_train", "y_test")}

        first, created = uploads.add(npz(arrays))
        others = [uploads.add(npz(arrays, compressed=True)), uploads.add(npz(narrow))]

        assert created
        assert others == [(first, False)] * 2

    @pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
    def test_another_content_is_another_data_set(self, uploads: Uploads, name: str) -> None:
        arrays = easy_arrays()
        first, _ = uploads.add(npz(arrays))
        arrays[name][0] = (arrays[name][0] + 1) % 3

        second, created = uploads.add(npz(arrays))

        assert created
        assert first.id != second.id

    def test_the_file_on_the_volume_is_a_plain_npz(self, uploads: Uploads, volume: Volume) -> None:
        arrays = easy_arrays()
        manifest, _ = uploads.add(npz(arrays))
        path = volume.dataset(manifest.digest) / "data.npz"

        with np.load(path, allow_pickle=False) as file:
            assert {name: file[name].tolist() for name in file.files} == {
                name: array.tolist() for name, array in arrays.items()
            }
        assert sha256_of(path) == manifest.sha256

    def test_adding_leaves_no_temporary_files_on_the_volume(self, uploads: Uploads, volume: Volume) -> None:
        manifest, _ = uploads.add(npz())
        uploads.add(npz(compressed=True))

        folder = f"datasets/{manifest.digest}"
        assert files_below(volume.root) == [f"{folder}/data.npz", f"{folder}/manifest.json", "datasets/names/easy"]

    def test_damaged_images_leave_no_files(self, uploads: Uploads, volume: Volume) -> None:
        upload = bytearray(npz(easy_arrays(side=512)))
        upload[10_000_000] ^= 1  # found when the images are written, not when their range is determined

        with pytest.raises(Invalid):
            uploads.add(bytes(upload))

        assert list(volume.datasets.iterdir()) == []

    def test_concurrent_uploads_add_the_same_content_once(
        self, uploads: Uploads, datasets: DatasetStore, volume: Volume
    ) -> None:
        together([lambda name=name: uploads.add(npz(), name) for name in ("a", "b", "c", "d")])  # type: ignore[misc]

        [manifest] = datasets.all()
        assert {datasets.get(name).id for name in ("a", "b", "c", "d")} == {manifest.id}
        assert [datasets.get(name).name for name in ("a", "b", "c", "d")] == ["a", "b", "c", "d"]
        assert len(files_below(volume.root)) == 2 + 4


class TestFinding:
    def test_a_name_points_to_its_newest_content(self, uploads: Uploads, datasets: DatasetStore) -> None:
        old, _ = uploads.add(npz(easy_arrays(seed=1)))
        new, _ = uploads.add(npz(easy_arrays(seed=2)))

        assert datasets.get("easy") == new
        assert datasets.get(old.id) == old

    def test_a_name_can_point_to_an_earlier_content_again(self, uploads: Uploads, datasets: DatasetStore) -> None:
        old, _ = uploads.add(npz(easy_arrays(seed=1)))
        uploads.add(npz(easy_arrays(seed=2)))
        uploads.add(npz(easy_arrays(seed=1)))

        assert datasets.get("easy").id == old.id

    def test_a_content_may_have_several_names(self, uploads: Uploads, datasets: DatasetStore) -> None:
        manifest, _ = uploads.add(npz(), "one")
        uploads.add(npz(), "other")

        assert datasets.get("one").id == datasets.get("other").id == manifest.id

    @pytest.mark.parametrize(
        "reference",
        ["", "unknown", "sha256:", "sha256:" + "0" * 64, "0" * 64, "..", "../names", "names", "sha256:names"],
    )
    def test_an_unknown_reference_raises_not_found(
        self, uploads: Uploads, datasets: DatasetStore, reference: str
    ) -> None:
        uploads.add(npz())

        with pytest.raises(NotFound) as caught:
            datasets.get(reference)

        assert caught.value.code == "dataset_not_found"

    def test_a_list_reads_a_manifest_again_only_after_it_was_written(
        self, uploads: Uploads, datasets: DatasetStore, volume: Volume, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        manifest, _ = uploads.add(npz())
        path = volume.dataset(manifest.digest) / "manifest.json"
        datasets.all()
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
            assert datasets.all() == [manifest]

        path.write_text(path.read_text().replace('"easy"', '"renamed"'))
        assert [each.name for each in datasets.all()] == ["renamed"]
        path.write_text("{}")
        assert datasets.all() == []

    def test_data_sets_are_listed_from_the_newest(self, uploads: Uploads, datasets: DatasetStore) -> None:
        ids = []
        for seed in range(3):
            manifest = uploads.add(npz(easy_arrays(seed=seed)))[0]
            ids.append(manifest.id)
            eventually(lambda made=manifest: is_past(made))  # type: ignore[misc]

        assert [manifest.id for manifest in datasets.all()] == ids[::-1]

    def test_an_empty_volume_has_no_data_sets(self, datasets: DatasetStore) -> None:
        assert datasets.all() == []


class TestLoading:
    def test_labels_are_class_indices_and_images_are_mapped(self, uploads: Uploads, datasets: DatasetStore) -> None:
        uploads.add(npz(easy_arrays() | {"y_test": np.full(30, 77)}))

        _, arrays = datasets.load("easy")

        assert set(arrays.y_test.tolist()) == {3}
        assert isinstance(arrays.x_train, np.memmap)
        assert not arrays.x_train.flags.writeable

    def test_a_flipped_bit_raises_damaged(self, uploads: Uploads, datasets: DatasetStore, volume: Volume) -> None:
        manifest, _ = uploads.add(npz())
        path = volume.dataset(manifest.digest) / "data.npz"
        content = bytearray(path.read_bytes())
        content[1000] ^= 1
        path.write_bytes(content)

        with pytest.raises(Damaged) as caught:
            datasets.load("easy")

        assert caught.value.code == "dataset_damaged"


def test_images_are_read_once_and_block_by_block(datasets: DatasetStore) -> None:
    images = np.arange(12 * 4, dtype=np.uint8).reshape(12, 2, 2)
    reads: list[str] = []

    class Blocks:
        def __init__(self, name: str) -> None:
            self.name = name

        def __iter__(self) -> Iterator[Images]:
            reads.append(self.name)
            yield from (images[:5], images[5:])

    labels: Any = np.arange(12) % 2
    content = Content((2, 2), ("a", "b"), Split(labels, Blocks("train")), Split(labels, Blocks("test")))

    manifest, _ = datasets.add(content, "blocks", "test")

    assert reads == ["train", "test"]
    assert np.array_equal(datasets.load(manifest.id)[1].x_test, images)


def is_past(manifest: Manifest) -> bool:
    """Return whether the clock is past the manifest's time; times have a resolution of milliseconds."""
    return clock.now() > manifest.created_at


class TestDeletingInterrupted:
    """The process is killed before one of the changes of a deletion."""

    @pytest.mark.parametrize("reference", ["first", "second"])
    def test_a_deleted_name_is_not_listed_and_finds_nothing(
        self, tmp_path: Path, limits: Settings, reference: str
    ) -> None:
        for change in count(1):
            datasets = DatasetStore(Volume(tmp_path / str(change)))
            uploads = Uploads(datasets, tmp_path, limits)
            for name in ("first", "second"):
                uploads.add(npz(), name)
            died = dies_before_change(change, partial(datasets.delete, reference))
            is_deleted = not finds(datasets, reference)
            (listed,) = datasets.all()
            assert not (is_deleted and listed.name == reference)
            assert died or is_deleted
            if not died:
                break
        assert change > 1

    @pytest.mark.parametrize("by_id", [False, True])
    def test_a_data_set_is_deleted_with_its_names_or_not_at_all(
        self, tmp_path: Path, limits: Settings, by_id: bool
    ) -> None:
        outcomes = []
        for change in count(1):
            volume = Volume(tmp_path / str(change))
            datasets = DatasetStore(volume)
            uploads = Uploads(datasets, tmp_path, limits)
            manifest, _ = uploads.add(npz(), "first")
            if by_id:
                uploads.add(npz(), "second")
            died = dies_before_change(change, partial(datasets.delete, manifest.id if by_id else "first"))
            found = {finds(datasets, name) for name in ("first", manifest.id)} | {bool(datasets.all())}
            assert len(found) == 1
            outcomes.append(found.pop())
            if not died:
                break
            if not outcomes[-1]:
                uploads.add(npz(), "third")
                assert not finds(datasets, "first")
                assert not finds(datasets, "second")
                assert files_below(volume.dataset_names) == ["third"]
        assert outcomes == sorted(outcomes, reverse=True)
        assert outcomes.count(False) > 2


def finds(datasets: DatasetStore, reference: str) -> bool:
    try:
        datasets.get(reference)
    except NotFound:
        return False
    return True
