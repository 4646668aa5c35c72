"""The data sets that come with Glassbox."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from shared.datasets import DatasetStore
from shared.datasets.builtin import built_in as module
from shared.datasets.builtin.built_in import MIRRORS, BuiltIn
from shared.datasets.builtin.digits import load_digits, read_digits
from shared.datasets.content import Content
from shared.errors import GlassboxError, NotFound, Unavailable
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.files import files_below
from tests.support.data.idx import idx_files_of
from tests.support.data.npz import easy_arrays, npz
from tests.support.network import closed_port
from tests.support.servers.mirror import serving

Mirrors = Mapping[str, Sequence[str]]

ARRAYS = easy_arrays(train=60, test=30, classes=10, side=10)
SCIKIT_LEARNS_TABLE = (
    "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"  # SHA-256 of its unpacked table
)


def idx_files() -> dict[str, bytes]:
    return idx_files_of(ARRAYS)


@pytest.fixture
def known_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the known digests of Fashion-MNIST by those of the tests' small files."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in idx_files().items()}
    assert digests.keys() == module.FASHION.keys()
    monkeypatch.setattr(module, "FASHION", digests)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def unreachable() -> Mirrors:
    """Mirrors at an address that refuses connections."""
    return {name: (f"http://127.0.0.1:{closed_port()}/",) for name in MIRRORS}


@pytest.fixture
def built_in(datasets: DatasetStore, volume: Volume, limits: Settings, unreachable: Mirrors) -> BuiltIn:
    return BuiltIn(datasets, volume, limits, unreachable)


def with_folder(folder: Path, datasets: DatasetStore, volume: Volume, limits: Settings, mirrors: Mirrors) -> BuiltIn:
    return BuiltIn(datasets, volume, limits.model_copy(update={"datasets": folder}), mirrors)


class TestDigits:
    def test_digits_are_prepared_without_a_network(self, built_in: BuiltIn) -> None:
        manifest = built_in.get("digits")

        assert manifest.name == "digits"
        assert manifest.image_shape == (8, 8)
        assert manifest.classes == tuple("0123456789")
        assert sum(manifest.splits.values()) == 1797
        assert manifest.splits["test"] == pytest.approx(1797 / 5, abs=5)

    def test_pixels_of_digits_range_from_0_to_255(self, built_in: BuiltIn, datasets: DatasetStore) -> None:
        _, arrays = datasets.load(built_in.get("digits").id)

        assert (arrays.x_train.min(), arrays.x_train.max()) == (0, 255)
        assert len(np.unique(arrays.x_train)) == 17

    def test_digits_are_equal_to_scikit_learns(self) -> None:
        images, labels = load_digits()

        rows = np.column_stack([images.reshape(-1, 64), labels])
        table = "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())
        assert hashlib.sha256(table.encode()).hexdigest() == SCIKIT_LEARNS_TABLE

    def test_digits_are_prepared_once(self, built_in: BuiltIn, datasets: DatasetStore) -> None:
        assert built_in.get("digits") == built_in.get("digits")
        assert len(datasets.all()) == 1


class TestMnist:
    def test_a_local_file_is_read_from_the_configured_folder(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, unreachable: Mirrors
    ) -> None:
        (tmp_path / "mnist.npz").write_bytes(npz(easy_arrays(train=60, test=30)))
        built_in = with_folder(tmp_path, datasets, volume, limits, unreachable)

        manifest = built_in.get("mnist")

        assert (manifest.name, manifest.splits) == ("mnist", {"train": 60, "test": 30})
        assert built_in.get(manifest.id) == datasets.get("mnist") == manifest

    def test_the_list_says_where_a_data_set_comes_from_and_prepares_none(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, unreachable: Mirrors
    ) -> None:
        (tmp_path / "mnist.npz").write_bytes(b"not read")

        listed = with_folder(tmp_path, datasets, volume, limits, unreachable).all()

        assert [(one.name, one.origin, one.prepared) for one in listed] == [
            ("digits", "included", False),
            ("mnist", "folder", False),
            ("fashion-mnist", "download", False),
        ]
        assert files_below(volume.root) == []

    def test_requests_at_the_same_time_prepare_a_data_set_once(
        self, built_in: BuiltIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = []

        def counted() -> Content:
            read.append("digits")
            return read_digits()

        monkeypatch.setattr(module, "read_digits", counted)

        with ThreadPoolExecutor() as threads:
            found = list(threads.map(built_in.get, ["digits"] * 4))

        assert len({manifest.id for manifest in found}) == len(read) == 1

    def test_a_local_file_that_is_not_an_npz_is_refused(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, unreachable: Mirrors
    ) -> None:
        (tmp_path / "mnist.npz").write_bytes(b"<html>not found</html>")

        with pytest.raises(GlassboxError):
            with_folder(tmp_path, datasets, volume, limits, unreachable).get("mnist")

        assert files_below(volume.root) == []

    def test_without_a_network_the_error_names_the_folder_setting_and_leaves_no_files(
        self, built_in: BuiltIn, volume: Volume
    ) -> None:
        with pytest.raises(Unavailable, match="GLASSBOX_DATASETS") as caught:
            built_in.get("mnist")

        assert caught.value.code == "dataset_unavailable"
        assert caught.value.retry_after == 60
        assert files_below(volume.root) == []

    def test_a_folder_without_the_file_leads_to_a_download(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, unreachable: Mirrors
    ) -> None:
        with pytest.raises(Unavailable):
            with_folder(tmp_path, datasets, volume, limits, unreachable).get("mnist")

    def test_a_download_with_a_wrong_digest_is_refused_and_leaves_no_files(
        self, datasets: DatasetStore, volume: Volume, limits: Settings
    ) -> None:
        with serving({"/mnist.npz": npz()}) as mirror, pytest.raises(Unavailable, match="SHA-256"):
            BuiltIn(datasets, volume, limits, {"mnist": (mirror,)}).get("mnist")

        assert files_below(volume.root) == []

    def test_a_stored_data_set_of_the_name_precedes_the_built_in_one(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, unreachable: Mirrors
    ) -> None:
        (tmp_path / "mnist.npz").write_bytes(npz())
        own = with_folder(tmp_path, datasets, volume, limits, unreachable).get("mnist")

        assert BuiltIn(datasets, volume, limits, unreachable).get("mnist") == own


class TestFashionMnist:
    @pytest.mark.usefixtures("known_digests")
    def test_fashion_mnist_is_downloaded_and_its_classes_have_names(
        self, datasets: DatasetStore, volume: Volume, limits: Settings
    ) -> None:
        with serving({f"/{name}": content for name, content in idx_files().items()}) as mirror:
            manifest = BuiltIn(datasets, volume, limits, {"fashion-mnist": (mirror,)}).get("fashion-mnist")

        assert (manifest.name, manifest.splits) == ("fashion-mnist", {"train": 60, "test": 30})
        assert manifest.classes[0] == "T-shirt/top"
        assert len(manifest.classes) == 10
        assert files_below(volume.incoming) == []

    @pytest.mark.usefixtures("known_digests")
    def test_the_next_mirror_is_tried_if_one_fails_or_serves_a_wrong_file(
        self, datasets: DatasetStore, volume: Volume, limits: Settings, unreachable: Mirrors
    ) -> None:
        files = {f"/{name}": content for name, content in idx_files().items()}
        with serving(dict.fromkeys(files, b"other")) as wrong, serving(files) as mirror:
            mirrors = {"fashion-mnist": (*unreachable["fashion-mnist"], wrong, mirror)}
            manifest = BuiltIn(datasets, volume, limits, mirrors).get("fashion-mnist")

        assert manifest.source == f"built-in: {mirror.rstrip('/')}"

    @pytest.mark.parametrize("form", ["npz", "idx"])
    def test_a_local_file_is_read_from_the_configured_folder(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, unreachable: Mirrors, form: str
    ) -> None:
        if form == "npz":
            (tmp_path / "fashion-mnist.npz").write_bytes(npz(ARRAYS))
        else:
            (tmp_path / "fashion-mnist").mkdir()
            for name, content in idx_files().items():
                (tmp_path / "fashion-mnist" / name).write_bytes(content)

        manifest = with_folder(tmp_path, datasets, volume, limits, unreachable).get("fashion-mnist")

        assert manifest.classes[-1] == "Ankle boot"
        assert datasets.load(manifest.id)[1].x_test.tolist() == ARRAYS["x_test"].tolist()

    def test_without_a_network_the_error_names_the_folder_setting_and_leaves_no_files(
        self, built_in: BuiltIn, volume: Volume
    ) -> None:
        with pytest.raises(Unavailable, match="GLASSBOX_DATASETS"):
            built_in.get("fashion-mnist")

        assert files_below(volume.root) == []


def test_a_name_neither_stored_nor_built_in_is_not_found(built_in: BuiltIn) -> None:
    with pytest.raises(NotFound):
        built_in.get("cifar")
