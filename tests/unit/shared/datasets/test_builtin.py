"""The data sets that come with Glassbox."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from shared.datasets import DatasetStore
from shared.datasets.builtin import BuiltIn
from shared.errors import GlassboxError, NotFound, Unavailable
from shared.settings import Settings
from shared.volume import Volume
from tests.support.files import files_below
from tests.support.network import closed_port
from tests.support.npz import easy_arrays, npz


@pytest.fixture(autouse=True)
def without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def nowhere() -> str:
    """An address that refuses at once."""
    return f"http://127.0.0.1:{closed_port()}/mnist.npz"


@pytest.fixture
def built_in(datasets: DatasetStore, volume: Volume, limits: Settings, nowhere: str) -> BuiltIn:
    return BuiltIn(datasets, volume, limits, nowhere)


def with_folder(folder: Path, datasets: DatasetStore, volume: Volume, limits: Settings, url: str) -> BuiltIn:
    return BuiltIn(datasets, volume, limits.model_copy(update={"datasets": folder}), url)


class TestDigits:
    def test_it_is_there_without_a_network(self, built_in: BuiltIn) -> None:
        manifest = built_in.get("digits")

        assert manifest.name == "digits"
        assert manifest.image_shape == (8, 8)
        assert manifest.classes == tuple("0123456789")
        assert sum(manifest.splits.values()) == 1797
        assert manifest.splits["test"] == pytest.approx(1797 / 5, abs=5)

    def test_its_pixels_use_the_whole_range(self, built_in: BuiltIn, datasets: DatasetStore) -> None:
        _, arrays = datasets.load(built_in.get("digits").id)

        assert (arrays.x_train.min(), arrays.x_train.max()) == (0, 255)
        assert len(np.unique(arrays.x_train)) == 17

    def test_it_is_prepared_once_and_always_the_same(self, built_in: BuiltIn, datasets: DatasetStore) -> None:
        assert built_in.get("digits") == built_in.get("digits")
        assert len(datasets.all()) == 1


class TestMnist:
    def test_it_is_read_from_the_folder_that_the_settings_name(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, nowhere: str
    ) -> None:
        (tmp_path / "mnist.npz").write_bytes(npz(easy_arrays(train=60, test=30)))
        built_in = with_folder(tmp_path, datasets, volume, limits, nowhere)

        manifest = built_in.get("mnist")

        assert (manifest.name, manifest.splits) == ("mnist", {"train": 60, "test": 30})
        assert built_in.get(manifest.id) == datasets.get("mnist") == manifest

    def test_a_local_copy_that_is_no_npz_is_refused(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, nowhere: str
    ) -> None:
        (tmp_path / "mnist.npz").write_bytes(b"<html>not found</html>")

        with pytest.raises(GlassboxError):
            with_folder(tmp_path, datasets, volume, limits, nowhere).get("mnist")

        assert files_below(volume.root) == []

    def test_without_a_network_the_error_names_the_remedy_and_leaves_nothing(
        self, built_in: BuiltIn, volume: Volume
    ) -> None:
        with pytest.raises(Unavailable, match="GLASSBOX_DATASETS") as caught:
            built_in.get("mnist")

        assert caught.value.code == "dataset_unavailable"
        assert caught.value.retry_after == 60
        assert files_below(volume.root) == []

    def test_a_folder_that_lacks_it_is_no_remedy(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, nowhere: str
    ) -> None:
        with pytest.raises(Unavailable):
            with_folder(tmp_path, datasets, volume, limits, nowhere).get("mnist")

    def test_a_download_that_is_something_else_is_refused_and_leaves_nothing(
        self, another_file: str, datasets: DatasetStore, volume: Volume, limits: Settings
    ) -> None:
        with pytest.raises(Unavailable, match="SHA-256"):
            BuiltIn(datasets, volume, limits, another_file).get("mnist")

        assert files_below(volume.root) == []

    def test_a_data_set_that_a_user_gave_the_name_is_taken_instead(
        self, tmp_path: Path, datasets: DatasetStore, volume: Volume, limits: Settings, nowhere: str
    ) -> None:
        (tmp_path / "mnist.npz").write_bytes(npz())
        own = with_folder(tmp_path, datasets, volume, limits, nowhere).get("mnist")

        assert BuiltIn(datasets, volume, limits, nowhere).get("mnist") == own


def test_what_is_neither_stored_nor_built_in_is_not_found(built_in: BuiltIn) -> None:
    with pytest.raises(NotFound):
        built_in.get("cifar")


@pytest.fixture
def another_file() -> Iterator[str]:
    """The address of a server that sends a data set, but not MNIST."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(npz())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/mnist.npz"
        server.shutdown()
        thread.join()
