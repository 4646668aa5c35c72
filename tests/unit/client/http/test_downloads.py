"""Downloads are verified, resumed, and leave no partial file."""

from __future__ import annotations

import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from glassbox import DownloadDamaged, LocalFileError, NotFound, NotReachable, Retries, Unavailable
from glassbox.http.downloads import FROM_ETAG, download
from glassbox.http.transport import Transport

from tests.support.servers.scripted import Reply, Scripted, content, problem, ranged, scripted

BYTES = os.urandom(3_000_000)
SHA256 = hashlib.sha256(BYTES).hexdigest()
ETAG = {"ETag": '"one"', "Accept-Ranges": "bytes"}


@contextmanager
def served(retries: Retries, *replies: Reply) -> Iterator[tuple[Scripted, Transport]]:
    with scripted(*replies) as server:
        transport = Transport(server.url, retries=retries)
        try:
            yield server, transport
        finally:
            transport.close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "weights.npz"


def test_a_download_writes_the_file_and_reports_its_progress(target: Path, quick: Retries) -> None:
    progress: list[tuple[int, int]] = []
    with served(quick, content(BYTES)) as (_, transport):
        download(transport, "/weights", target, sha256=SHA256, on_bytes=lambda *at: progress.append(at))
    assert target.read_bytes() == BYTES
    assert progress[-1] == (len(BYTES), len(BYTES))
    assert len(progress) > 1
    assert list(target.parent.iterdir()) == [target]


def test_a_download_resumes_after_a_broken_connection(target: Path, quick: Retries) -> None:
    replies = (content(BYTES, cut=2_000_000, headers=ETAG), ranged(BYTES, headers=ETAG))
    with served(quick, *replies) as (server, transport):
        download(transport, "/weights", target, sha256=SHA256)
    assert target.read_bytes() == BYTES
    assert server.requests[1].headers["range"] == "bytes=2000000-"
    assert server.requests[1].headers["if-range"] == '"one"'


def test_a_download_starts_again_if_the_server_has_no_ranges(target: Path, quick: Retries) -> None:
    with served(quick, content(BYTES, cut=2_000_000), content(BYTES)) as (server, transport):
        download(transport, "/weights", target, sha256=SHA256)
    assert target.read_bytes() == BYTES
    assert "range" not in server.requests[1].headers


def test_each_break_after_new_bytes_has_all_retries_again(target: Path, quick: Retries) -> None:
    breaks = quick.attempts + 2
    replies = [ranged(BYTES, cut=100_000, headers=ETAG) for _ in range(breaks)]
    with served(quick, content(BYTES, cut=100_000, headers=ETAG), *replies, ranged(BYTES, headers=ETAG)) as (
        _,
        transport,
    ):
        download(transport, "/weights", target, sha256=SHA256)
    assert target.read_bytes() == BYTES


def test_a_weak_etag_is_compared_and_its_ranges_are_not_joined(target: Path, quick: Retries) -> None:
    weak = {"ETag": f'W/"{SHA256}"', "Accept-Ranges": "bytes"}
    replies = (content(BYTES, cut=2_000_000, headers=weak), content(BYTES, headers=weak))
    with served(quick, *replies) as (server, transport):
        download(transport, "/weights", target, sha256=FROM_ETAG)
    assert target.read_bytes() == BYTES
    assert "range" not in server.requests[1].headers


def test_a_server_that_stays_down_after_a_break_gets_the_retries_of_one_request(target: Path, quick: Retries) -> None:
    with served(quick, content(BYTES, cut=1000, headers=ETAG), problem(503, "redis_unavailable")) as (
        server,
        transport,
    ):
        with pytest.raises(Unavailable):
            download(transport, "/weights", target)
        assert len(server.requests) == 1 + quick.attempts
    assert list(target.parent.iterdir()) == []


def test_a_download_over_a_connection_that_always_breaks_leaves_no_file(target: Path, quick: Retries) -> None:
    with (
        served(quick, content(BYTES, cut=1000)) as (_, transport),
        pytest.raises(NotReachable, match="nothing was kept"),
    ):
        download(transport, "/weights", target)
    assert list(target.parent.iterdir()) == []


def test_a_download_with_a_wrong_sha256_keeps_the_previous_file(target: Path, quick: Retries) -> None:
    target.write_bytes(b"as before")
    with served(quick, content(BYTES[::-1])) as (_, transport), pytest.raises(DownloadDamaged, match="SHA-256"):
        download(transport, "/weights", target, sha256=SHA256)
    assert target.read_bytes() == b"as before"
    assert list(target.parent.iterdir()) == [target]


def test_a_rejected_download_leaves_no_file(target: Path, quick: Retries) -> None:
    with served(quick, problem(404, "version_not_found")) as (_, transport), pytest.raises(NotFound):
        download(transport, "/weights", target)
    assert list(target.parent.iterdir()) == []


@pytest.fixture
def little_space() -> Iterator[None]:
    """A limit of a million bytes on each file, which the system reports like a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_download_to_a_full_disk_leaves_no_file(target: Path, quick: Retries, little_space: None) -> None:
    with served(quick, content(BYTES)) as (_, transport), pytest.raises(LocalFileError, match="no space"):
        download(transport, "/weights", target)
    assert list(target.parent.iterdir()) == []


def test_a_download_to_a_full_device_is_reported_and_keeps_the_device(quick: Retries) -> None:
    with served(quick, content(BYTES)) as (_, transport), pytest.raises(LocalFileError, match="no space"):
        download(transport, "/weights", Path("/dev/full"))
    assert not Path("/dev/full").is_file()


def test_a_download_to_a_device_is_written_and_does_not_replace_it(quick: Retries) -> None:
    with served(quick, content(BYTES)) as (_, transport):
        download(transport, "/weights", Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


def test_a_download_to_a_link_replaces_its_target(target: Path, quick: Retries) -> None:
    target.symlink_to("elsewhere.npz")
    with served(quick, content(BYTES)) as (_, transport):
        download(transport, "/weights", target)
    assert target.is_symlink()
    assert (target.parent / "elsewhere.npz").read_bytes() == BYTES


@pytest.mark.parametrize(("name", "message"), [("no/such/folder/file", "no folder"), (".", "is a folder")])
def test_an_invalid_target_is_reported(name: str, message: str, tmp_path: Path, quick: Retries) -> None:
    with served(quick, content(BYTES)) as (_, transport), pytest.raises(LocalFileError, match=message):
        download(transport, "/weights", tmp_path / name)


def test_a_downloaded_file_has_the_mode_of_a_new_file(target: Path, quick: Retries) -> None:
    (target.parent / "other").touch()
    with served(quick, content(BYTES)) as (_, transport):
        download(transport, "/weights", target)
    assert target.stat().st_mode == (target.parent / "other").stat().st_mode
