"""`client.uploads` on a real API: parallel parts, the death of the API, a client that continues another's upload."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from glassbox import Client, GlassboxError, LocalFileError, NotReachable, Retries
from glassbox.http import resumable
from glassbox.records.uploads import Upload

from shared.storage.uploads.folder import folder_names
from shared.storage.volume import Volume
from tests.support.servers.api_server import ApiServer, running_api
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually

DATABASE = 10
CONTENT = random.Random(1).randbytes((6 << 20) + 17)
BLOCK = 64 << 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def api(redis_server: RedisServer, folder: Path) -> Iterator[ApiServer]:
    with running_api(folder, redis_server.url(DATABASE)) as running:
        yield running


@pytest.fixture
def client(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client that sends small parts in small requests, and keeps its states in the test's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name, value in {"CHUNK": 1 << 20, "SMALLEST_PART": 1 << 20, "BLOCK": BLOCK, "RESUMABLE_BYTES": 1 << 20}.items():
        monkeypatch.setattr(resumable, name, value)
    with Client(f"http://127.0.0.1:{api.port}", retries=Retries(attempts=1)) as opened:
        opened.uploads.patience = Retries(attempts=500, first_pause=0.05, longest_pause=0.2, within=120.0)
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "images.zip"
    path.write_bytes(CONTENT)
    return path


def states(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "state").rglob("*.json"))


def test_upload_in_parallel_parts_survives_the_death_of_the_api(
    api: ApiServer, folder: Path, client: Client, file: Path, tmp_path: Path
) -> None:
    deaths = [len(CONTENT) // 4, len(CONTENT) // 2]

    def kill(done: int, total: int) -> None:
        assert total == len(CONTENT)
        if deaths and done > deaths[0]:
            deaths.pop(0)
            assert api.http.get("/healthz").is_success  # a process runs, after the death of the one before it
            for process in api.process_ids():
                os.kill(process, signal.SIGKILL)

    upload = client.uploads.send(file, on_bytes=kill)

    assert deaths == []
    assert (upload.complete, upload.length) == (True, len(CONTENT))
    assert (Volume(folder / "volume").upload("_", upload.id) / "data").read_bytes() == CONTENT
    assert client.uploads.send(file) == upload  # nothing is sent again
    client.uploads.forget(file, upload)
    assert states(tmp_path) == []


def test_another_process_continues_an_interrupted_upload(
    client: Client, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(GlassboxError):
        pass

    def interrupt(done: int, total: int) -> None:
        if done > total // 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        client.uploads.send(file, on_bytes=interrupt)
    assert len(states(tmp_path)) == 1
    parts = [part["id"] for part in json.loads(states(tmp_path)[0].read_text())["parts"] if part["id"]]
    eventually(lambda: any(client.uploads.get(part).offset for part in parts), within=60.0)
    begun: dict[str, int] = {}
    with Client(client.url) as another:
        append = another.uploads.append

        def noted(upload_id: str, offset: int, content: bytes | Iterator[bytes], size: int) -> None:
            begun.setdefault(upload_id, offset)
            append(upload_id, offset, content, size)

        get, restarts = another.uploads.get, [NotReachable("it is being restarted")]

        def found(upload_id: str) -> Upload:
            if restarts:
                raise restarts.pop()
            return get(upload_id)

        monkeypatch.setattr(another.uploads, "get", found)
        resumed: list[tuple[Path, int, int]] = []
        another.uploads.on_resume = lambda *call: resumed.append(call)
        monkeypatch.setattr(another.uploads, "append", noted)
        upload = another.uploads.send(file)

    assert upload.complete
    assert any(begun.get(part) for part in parts)  # not from the beginning
    ((path, received, size),) = resumed
    assert (path, size) == (file, len(CONTENT))
    assert 0 < received < size


def test_file_that_changes_meanwhile_is_not_submitted(client: Client, folder: Path, file: Path, tmp_path: Path) -> None:
    before = set(folder_names(Volume(folder / "volume").uploads_of("_")))

    def change(done: int, total: int) -> None:
        if done == total:
            file.write_bytes(b"x" * total)

    with pytest.raises(LocalFileError, match="changed while it was sent"):
        client.uploads.send(file, on_bytes=change)
    assert states(tmp_path) == []
    assert set(folder_names(Volume(folder / "volume").uploads_of("_"))) == before  # nothing counts against the quota
