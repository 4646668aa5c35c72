"""Downloads are whole or not there: checked, resumed, and gone where there is no space."""

from __future__ import annotations

import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from glassbox import DownloadDamaged, LocalFileError, NotFound, NotReachable, Retries
from glassbox.http.downloads import download
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


def test_a_file_arrives_and_its_progress_is_told(target: Path, quick: Retries) -> None:
    told: list[tuple[int, int]] = []
    with served(quick, content(BYTES)) as (_, transport):
        download(transport, "/weights", target, sha256=SHA256, on_bytes=lambda *at: told.append(at))
    assert target.read_bytes() == BYTES
    assert told[-1] == (len(BYTES), len(BYTES))
    assert len(told) > 1
    assert list(target.parent.iterdir()) == [target]


def test_a_broken_connection_is_taken_up_where_it_broke(target: Path, quick: Retries) -> None:
    replies = (content(BYTES, cut=2_000_000, headers=ETAG), ranged(BYTES, headers=ETAG))
    with served(quick, *replies) as (server, transport):
        download(transport, "/weights", target, sha256=SHA256)
    assert target.read_bytes() == BYTES
    assert server.requests[1].headers["range"] == "bytes=2000000-"
    assert server.requests[1].headers["if-range"] == '"one"'


def test_where_the_server_cannot_resume_it_begins_anew(target: Path, quick: Retries) -> None:
    with served(quick, content(BYTES, cut=2_000_000), content(BYTES)) as (server, transport):
        download(transport, "/weights", target, sha256=SHA256)
    assert target.read_bytes() == BYTES
    assert "range" not in server.requests[1].headers


def test_a_connection_that_always_breaks_leaves_nothing(target: Path, quick: Retries) -> None:
    with (
        served(quick, content(BYTES, cut=1000)) as (_, transport),
        pytest.raises(NotReachable, match="nothing was kept"),
    ):
        download(transport, "/weights", target)
    assert list(target.parent.iterdir()) == []


def test_other_bytes_than_the_server_says_leave_nothing_and_what_was_there_stays(target: Path, quick: Retries) -> None:
    target.write_bytes(b"as before")
    with served(quick, content(BYTES[::-1])) as (_, transport), pytest.raises(DownloadDamaged, match="SHA-256"):
        download(transport, "/weights", target, sha256=SHA256)
    assert target.read_bytes() == b"as before"
    assert list(target.parent.iterdir()) == [target]


def test_a_refusal_leaves_nothing(target: Path, quick: Retries) -> None:
    with served(quick, problem(404, "version_not_found")) as (_, transport), pytest.raises(NotFound):
        download(transport, "/weights", target)
    assert list(target.parent.iterdir()) == []


@pytest.fixture
def little_space() -> Iterator[None]:
    """No file may become larger than a million bytes: the system says so as it does of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_there_is_no_space_nothing_is_left(target: Path, quick: Retries, little_space: None) -> None:
    with served(quick, content(BYTES)) as (_, transport), pytest.raises(LocalFileError, match="no space"):
        download(transport, "/weights", target)
    assert list(target.parent.iterdir()) == []


def test_a_full_device_is_told_of_and_stays_what_it_is(quick: Retries) -> None:
    with served(quick, content(BYTES)) as (_, transport), pytest.raises(LocalFileError, match="no space"):
        download(transport, "/weights", Path("/dev/full"))
    assert not Path("/dev/full").is_file()


def test_what_is_no_file_is_written_to_and_not_replaced(quick: Retries) -> None:
    with served(quick, content(BYTES)) as (_, transport):
        download(transport, "/weights", Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


def test_a_link_stays_a_link(target: Path, quick: Retries) -> None:
    target.symlink_to("elsewhere.npz")
    with served(quick, content(BYTES)) as (_, transport):
        download(transport, "/weights", target)
    assert target.is_symlink()
    assert (target.parent / "elsewhere.npz").read_bytes() == BYTES


@pytest.mark.parametrize(("name", "told"), [("no/such/folder/file", "no folder"), (".", "is a folder")])
def test_a_place_that_cannot_be_is_told_of_in_words(name: str, told: str, tmp_path: Path, quick: Retries) -> None:
    with served(quick, content(BYTES)) as (_, transport), pytest.raises(LocalFileError, match=told):
        download(transport, "/weights", tmp_path / name)


def test_a_new_file_is_as_open_as_new_files_are_here(target: Path, quick: Retries) -> None:
    (target.parent / "other").touch()
    with served(quick, content(BYTES)) as (_, transport):
        download(transport, "/weights", target)
    assert target.stat().st_mode == (target.parent / "other").stat().st_mode
