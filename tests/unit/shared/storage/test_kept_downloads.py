"""Downloads that a later request continues after the earlier one, or its process, has ended."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from shared.errors import NotFound, Unavailable
from shared.storage.sources import download as module
from shared.storage.sources import kept
from shared.storage.sources.download import DownloadLimits
from shared.storage.sources.kept import download_kept
from tests.support.servers.scripted import Reply, Scripted, content, scripted

BODY = bytes(range(256)) * 40
ETAG = {"ETag": '"v1"'}
LIMITS = DownloadLimits(
    nbytes=1 << 20, seconds=60.0, idle_seconds=30.0, rate=1.0, free=lambda: 1 << 30, allow_private=True
)


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "MOST_FAILURES", 1)


def rest(start: int, etag: str = '"v1"') -> Reply:
    stated = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
    return content(BODY[start:], 206, headers={"ETag": etag, "Content-Range": stated})


def interrupted(server: Scripted, folder: Path, owner: str = "bob") -> Unavailable:
    with pytest.raises(Unavailable) as error:
        download_kept(f"{server.url}/images.zip", owner, folder, LIMITS)
    return error.value


def fetched(server: Scripted, folder: Path, owner: str = "bob") -> bytes:
    path, _ = download_kept(f"{server.url}/images.zip", owner, folder, LIMITS)
    found = path.read_bytes()
    path.unlink()
    assert list(folder.iterdir()) == []
    return found


def ranges(server: Scripted) -> list[str | None]:
    return [each.headers.get("range") for each in server.requests]


def test_next_request_continues_what_the_earlier_one_left(tmp_path: Path) -> None:
    with scripted(content(BODY, cut=1000, headers=ETAG), content(b"", 503), rest(1000)) as server:
        assert "1000 bytes are kept" in interrupted(server, tmp_path).detail
        assert "1000 bytes are kept" in interrupted(server, tmp_path).detail
        assert fetched(server, tmp_path) == BODY
    assert ranges(server) == [None, "bytes=1000-", "bytes=1000-"]
    assert server.requests[-1].headers["if-range"] == '"v1"'


def test_complete_download_of_a_process_that_died_is_compared_by_its_last_byte(tmp_path: Path) -> None:
    with scripted(content(BODY, cut=1000, headers=ETAG), rest(len(BODY) - 1)) as server:
        interrupted(server, tmp_path)
        (kept_file,) = tmp_path.glob("*-download")
        kept_file.write_bytes(BODY)
        assert fetched(server, tmp_path) == BODY
    assert ranges(server) == [None, f"bytes={len(BODY) - 1}-"]


@pytest.mark.parametrize("reply", [content(BODY, headers={"ETag": '"v2"'}), rest(1000, etag='"v2"'), content(b"", 416)])
def test_content_that_has_changed_is_downloaded_anew(tmp_path: Path, reply: Reply) -> None:
    new = BODY[::-1]
    with scripted(content(BODY, cut=1000, headers=ETAG), reply, content(new, headers={"ETag": '"v2"'})) as server:
        interrupted(server, tmp_path)
        assert fetched(server, tmp_path) == new


def test_content_without_a_validator_is_not_kept(tmp_path: Path) -> None:
    with scripted(content(BODY, cut=1000), content(BODY)) as server:
        assert "nothing was kept" in interrupted(server, tmp_path).detail
        assert list(tmp_path.iterdir()) == []
        assert fetched(server, tmp_path) == BODY


def test_error_that_stays_keeps_nothing(tmp_path: Path) -> None:
    with scripted(content(BODY, cut=1000, headers=ETAG), content(b"", 404)) as server:
        interrupted(server, tmp_path)
        with pytest.raises(NotFound):
            download_kept(f"{server.url}/images.zip", "bob", tmp_path, LIMITS)
    assert list(tmp_path.iterdir()) == []


def test_damaged_description_and_another_key_begin_anew(tmp_path: Path) -> None:
    with scripted(content(BODY, cut=1000, headers=ETAG), content(BODY, cut=10, headers=ETAG), content(BODY)) as server:
        interrupted(server, tmp_path)
        interrupted(server, tmp_path, owner="eve")
        for path in tmp_path.glob("*.json"):
            path.write_text("[")
        download_kept(f"{server.url}/images.zip", "bob", tmp_path, LIMITS)
    assert ranges(server) == [None] * 3


def test_two_requests_at_once_download_apart(tmp_path: Path) -> None:
    with scripted(content(BODY, cut=1000, headers=ETAG), content(BODY), rest(1000)) as server:
        interrupted(server, tmp_path)
        (kept_file,) = tmp_path.glob("*-download")
        with kept_file.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            path, _ = download_kept(f"{server.url}/images.zip", "bob", tmp_path, LIMITS)
            assert path.read_bytes() == BODY
            path.unlink()
        assert fetched(server, tmp_path) == BODY
    assert ranges(server) == [None, None, "bytes=1000-"]


def test_number_of_kept_downloads_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_KEPT", 2)
    with scripted(content(BODY, cut=1000, headers=ETAG)) as server:
        for number in range(4):
            interrupted(server, tmp_path, owner=f"owner-{number}")
    assert len(list(tmp_path.iterdir())) == 4  # two files, each with its description
