"""Requests to an S3-compatible store: a real one, with a proxy before it that injects faults."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from shared.errors import NotInstalled
from shared.runtime.settings import MiB, SecretError
from shared.storage.objects.bucket import PART, Bucket, StoredObject, credentials_in, quoted
from shared.storage.objects.faults import (
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from shared.storage.objects.places import ObjectPlace
from tests.support.network import closed_port
from tests.support.programs.processes import ROOT
from tests.support.servers.object_store import (
    KEY,
    SECRET,
    Fault,
    ObjectStore,
    Proxy,
    access_to,
    faster_retries,
    proxy_before,
)

CONTENT = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def bucket(object_store: ObjectStore) -> Bucket:
    return Bucket("objects", access_to(object_store.url))


@pytest.fixture
def stored(bucket: Bucket) -> StoredObject:
    bucket.put("in/plain.bin", CONTENT)
    return bucket.stat("in/plain.bin")


@pytest.fixture
def proxy(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    faster_retries(monkeypatch)
    with proxy_before(object_store.port) as proxy:
        yield proxy


def proxied(proxy: Proxy, **others: Any) -> Bucket:
    return Bucket("objects", access_to(proxy.url, **others))


def test_bucket_reads_ranges_and_streams_of_an_object(bucket: Bucket, stored: StoredObject) -> None:
    assert (stored.key, stored.size) == ("in/plain.bin", len(CONTENT))
    assert bucket.read(stored, 10, 300) == CONTENT[10:300]
    assert bucket.read(stored, 1000, 5000) == CONTENT[1000:]  # the end is cut at the object's end
    assert bucket.read(stored, 1024, 1024) == b""
    assert b"".join(bucket.chunks(stored)) == CONTENT


@pytest.mark.parametrize("key", ["k/a b#c?d%20e*[1]~.png", "k/日本 ä+&=.png"])
def test_bucket_keeps_keys_with_any_characters(bucket: Bucket, key: str) -> None:
    etag = bucket.put(key, b"1")
    assert bucket.stat(key) == StoredObject(key, 1, etag)
    assert key in [found.key for page in bucket.pages("k/") for found in page]


def test_bucket_lists_only_what_is_below_a_prefix(bucket: Bucket) -> None:
    for key in ("list/1", "list/2/3", "listed"):
        bucket.put(key, key.encode())
    found = [found for page in bucket.pages("list/") for found in page]
    assert sorted((each.key, each.size) for each in found) == [("list/1", 6), ("list/2/3", 8)]
    assert list(bucket.pages("nothing/")) == []


def test_bucket_writes_large_objects_in_parts_from_files_and_from_chunks(bucket: Bucket, tmp_path: Path) -> None:
    content = os.urandom(MiB) * (PART // MiB + 1)
    path = tmp_path / "large"
    path.write_bytes(content)
    chunks = (content[start : start + 3 * MiB] for start in range(0, len(content), 3 * MiB))
    for key, given in (("out/bytes", content), ("out/file", path), ("out/chunks", chunks)):
        bucket.put(key, given)
        assert b"".join(bucket.chunks(bucket.stat(key))) == content


def test_bucket_replaces_an_object_only_if_that_is_wanted(bucket: Bucket) -> None:
    bucket.put("out/once", b"1", replace=False)
    with pytest.raises(ObjectExists):
        bucket.put("out/once", b"2", replace=False)
    bucket.put("out/once", b"3")
    assert bucket.read(bucket.stat("out/once"), 0, 1) == b"3"
    bucket.delete("out/once")
    bucket.delete("out/once")
    with pytest.raises(ObjectMissing):
        bucket.stat("out/once")


def test_chunks_that_fail_leave_no_object(bucket: Bucket) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * (PART + 1)
        raise RuntimeError("stop")

    with pytest.raises(Exception, match="stop"):
        bucket.put("out/failed", chunks())
    with pytest.raises(ObjectMissing):
        bucket.stat("out/failed")


def test_object_that_has_changed_is_not_read(bucket: Bucket, stored: StoredObject) -> None:
    bucket.put(stored.key, CONTENT[::-1])
    with pytest.raises(ObjectChanged):
        bucket.read(stored, 0, 10)
    with pytest.raises(ObjectChanged):
        list(bucket.chunks(stored))


def test_object_with_another_etag_is_not_read_although_the_store_sends_it(proxy: Proxy, stored: StoredObject) -> None:
    proxy.always = Fault(etag='"other"')  # as from a store that ignores If-Match
    with pytest.raises(ObjectChanged):
        proxied(proxy).read(stored, 0, 10)
    with pytest.raises(ObjectChanged):
        list(proxied(proxy).chunks(stored))


def test_server_without_credentials_says_which_to_set(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.storage.objects.bucket.MOST_RETRIES", 0)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    without = access_to(object_store.url, access_key_id=None, secret_access_key=None)
    with pytest.raises(StoreRefused, match="GLASSBOX_S3_CREDENTIALS_FILE"):
        Bucket("objects", without).stat("in/plain.bin")


@pytest.mark.parametrize(
    ("etag", "shown", "condition"), [("a-1", '"a-1"', '"a-1"'), ('"a"', '"a"', '"a"'), ('W/"a"', 'W/"a"', None)]
)
def test_etags_are_compared_in_quotes_and_weak_ones_are_no_condition(
    etag: str, shown: str, condition: str | None
) -> None:
    assert quoted(etag) == shown
    assert StoredObject("key", 1, quoted(etag)).condition == condition


def test_missing_objects_and_buckets_are_reported(object_store: ObjectStore, bucket: Bucket) -> None:
    with pytest.raises(ObjectMissing):
        bucket.read(StoredObject("in/none", 10, '"x"'), 0, 5)
    with pytest.raises(ObjectMissing, match="bucket"):
        list(Bucket("no-such-bucket", access_to(object_store.url)).pages(""))


def test_wrong_credentials_are_refused_with_the_names_of_their_settings(object_store: ObjectStore) -> None:
    wrong = Bucket("objects", access_to(object_store.url, secret_access_key="wrong"))
    with pytest.raises(StoreRefused, match="GLASSBOX_S3_SECRET_ACCESS_KEY"):
        wrong.stat("in/plain.bin")


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=500), Fault(cut_after=0), Fault(cut_after=100)])
def test_reads_are_repeated_after_transient_faults(proxy: Proxy, stored: StoredObject, fault: Fault) -> None:
    proxy.faults = [fault, fault]
    assert proxied(proxy).read(stored, 0, 1000) == CONTENT[:1000]
    proxy.faults = [fault, fault]
    assert b"".join(proxied(proxy).chunks(stored)) == CONTENT
    assert len(proxy.requests) >= 4


@pytest.mark.parametrize(
    ("status", "error"), [(403, StoreRefused), (404, ObjectMissing), (412, ObjectChanged), (400, StoreRefused)]
)
def test_reads_are_not_repeated_if_that_cannot_help(
    proxy: Proxy, stored: StoredObject, status: int, error: type[StoreError]
) -> None:
    proxy.always = Fault(status=status)
    with pytest.raises(error):
        proxied(proxy).read(stored, 0, 10)
    assert len(proxy.requests) == 1


def test_reads_fail_after_a_bounded_number_of_tries(proxy: Proxy, stored: StoredObject) -> None:
    proxy.always = Fault(status=503)
    with pytest.raises(StoreUnavailable, match=r"503 \(SlowDown\)"):
        proxied(proxy).read(stored, 0, 10)
    assert 2 <= len(proxy.requests) <= 10


def test_store_that_sends_nothing_is_tried_again(proxy: Proxy, stored: StoredObject) -> None:
    ended = Event()
    proxy.faults = [Fault(wait=lambda: ended.wait(30))]
    try:
        assert proxied(proxy, seconds=1.0).read(stored, 0, 10) == CONTENT[:10]
    finally:
        ended.set()


def test_object_that_changes_during_a_read_that_breaks_is_not_mixed(
    proxy: Proxy, bucket: Bucket, stored: StoredObject
) -> None:
    proxy.faults = [Fault(cut_after=100), Fault(before=lambda: bucket.put(stored.key, b"y" * stored.size))]
    with pytest.raises(StoreError):
        proxied(proxy).read(stored, 0, 1000)


def test_forked_process_reads_although_its_parent_imported_the_library(bucket: Bucket, stored: StoredObject) -> None:
    code = f"""
import os, obstore
from tests.support.servers.object_store import access_to
from shared.storage.objects.bucket import open_bucket
bucket = open_bucket("objects", access_to({bucket.endpoint!r}))
pid = os.fork()
if pid == 0:
    os._exit(bucket.stat({stored.key!r}).size == {stored.size})
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, timeout=120).strip() == b"1"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[default]\naws_access_key_id = a%b\naws_secret_access_key = s\naws_session_token = t", False),
        ("[default]\naws_access_key_id = a", True),
        ("[other]\naws_access_key_id = a", True),
        ("nothing", True),
    ],
)
def test_credentials_come_from_a_file_of_the_usual_form(tmp_path: Path, text: str, wrong: bool) -> None:
    (tmp_path / "credentials").write_text(text)
    if wrong:
        with pytest.raises(SecretError, match="default"):
            credentials_in(tmp_path / "credentials")
        return
    found = credentials_in(tmp_path / "credentials")
    assert (found["access_key_id"], found["secret_access_key"], found["token"]) == ("a%b", "s", "t")


def test_bucket_signs_with_the_credentials_of_a_file(object_store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[default]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n")
    only_file = access_to(object_store.url, access_key_id=None, secret_access_key=None, credentials_file=file)
    assert Bucket("objects", only_file).put("signed", b"1")


def test_server_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(NotInstalled, match=r"requirements/s3\.txt"):
        Bucket("objects", access_to("http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [
        ("s3://scans/a/b.zip", "scans", "a/b.zip"),
        ("S3://scans/a%20b/", "scans", "a b/"),
        ("s3://scans", "scans", ""),
        ("s3://scans/", "scans", ""),
    ],
)
def test_place_has_the_bucket_and_the_decoded_key(url: str, bucket: str, key: str) -> None:
    assert ObjectPlace.parse(url) == ObjectPlace(bucket, key)
    assert ObjectPlace.parse(url).is_prefix == (key == "" or key.endswith("/"))


@pytest.mark.parametrize(
    "url",
    [
        "https://scans/a",
        "s3:///a",
        "s3://UPPER/a",
        "s3://scans/../a",
        "s3://scans/a//b",
        "s3://scans/%2e%2e/a",
        "s3://scans/%ff",
        "s3://scans/a%00",
        "s3://user:word@scans/a",
        "s3://scans/a?versionId=1",
        "s3://scans/" + "a" * 1025,
    ],
)
def test_invalid_places_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        ObjectPlace.parse(url)


def test_only_named_buckets_and_prefixes_are_allowed() -> None:
    allowed = ("scans", "data/2026/")
    inside = ("s3://scans/a.zip", "s3://scans/", "s3://data/2026/a.zip", "s3://data/2026/")
    outside = ("s3://scansx/a", "s3://data/2025/a", "s3://data/", "s3://data/2026x/a")
    assert all(ObjectPlace.parse(url).is_in(allowed) for url in inside)
    assert not any(ObjectPlace.parse(url).is_in(allowed) for url in outside)
