"""Sinks in an S3-compatible store: a real one, with a proxy before it that injects faults."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest

from shared.errors import Conflict, Invalid, NotFound, Unavailable
from shared.runtime.settings import MiB
from shared.storage.objects.bucket import Bucket
from shared.storage.sinks.bucket import BucketSink
from shared.storage.sinks.sink import CLAIM, claim
from tests.support.network import closed_port
from tests.support.servers.object_store import Fault, ObjectStore, access_to, proxy_before


@pytest.fixture
def sink(object_store: ObjectStore) -> Iterator[BucketSink]:
    """An empty sink in a bucket that exists."""
    bucket = Bucket("sinks", access_to(object_store.url))
    bucket.put("other/object", b"1")
    yield BucketSink("s3://sinks/run/", bucket, "run/")
    for page in bucket.pages("run/"):
        for found in page:
            bucket.delete(found.key)


def refused(sink: BucketSink) -> tuple[type[Exception], str, str]:
    with pytest.raises((Conflict, Invalid, NotFound, Unavailable)) as raised:
        claim(sink, "a-job")
    return type(raised.value), raised.value.code, raised.value.detail


def test_sink_keeps_small_large_and_empty_files(sink: BucketSink) -> None:
    small, large = b"one\ntwo\n", bytes(range(256)) * (40 * 1024)  # the second one has several parts

    sink.write("results/part-00000.jsonl", lambda: iter([small[:4], small[4:]]))
    sink.write("results/part-00001.jsonl", lambda: iter([large[: 9 * MiB], large[9 * MiB :]]))
    sink.write("results/part-00002.jsonl", lambda: iter([]))

    contents = [sink.read(name, 20 * MiB) for name in sink.names("results/")]
    assert contents == [small, large, b""]
    assert sink.read("results/none", 1) is None
    sink.delete("results/part-00001.jsonl")
    sink.delete("results/none")
    assert list(sink.names()) == ["results/part-00000.jsonl", "results/part-00002.jsonl"]


def test_large_file_whose_content_ends_in_an_error_does_not_appear(sink: BucketSink) -> None:
    def content() -> Iterator[bytes]:
        yield from repeat(bytes(9 * MiB), 2)
        raise KeyError("the lease was lost")

    with pytest.raises(KeyError):
        sink.write("results/part-00000.jsonl", content)

    assert list(sink.names()) == []


def test_claim_is_for_an_empty_prefix_and_one_job(sink: BucketSink) -> None:
    assert claim(sink, "a-job")
    assert not claim(sink, "a-job")
    with pytest.raises(Conflict, match="'a-job'"):
        claim(sink, "another-job")
    sink.delete(CLAIM)
    sink.write("old.csv", lambda: iter([b"1"]))
    assert refused(sink)[1] == "sink_not_empty"


def test_bucket_that_does_not_exist_is_named(object_store: ObjectStore) -> None:
    sink = BucketSink("s3://no-such-bucket/run/", Bucket("no-such-bucket", access_to(object_store.url)), "run/")

    error, code, detail = refused(sink)

    assert (error, code) == (NotFound, "sink_not_found")
    assert detail.startswith("s3://no-such-bucket/run/: its bucket does not exist")


def test_wrong_credentials_are_refused(object_store: ObjectStore) -> None:
    access = access_to(object_store.url, secret_access_key="wrong-secret-of-16")

    error, code, detail = refused(BucketSink("s3://sinks/run/", Bucket("sinks", access), "run/"))

    assert (error, code) == (Invalid, "sink_refused")
    assert "GLASSBOX_S3_SECRET_ACCESS_KEY" in detail


@pytest.mark.parametrize("status", [503, None])
def test_store_that_fails_for_a_short_time_is_asked_again(
    sink: BucketSink, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, status: int | None
) -> None:
    monkeypatch.setattr("shared.storage.objects.bucket.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("shared.storage.objects.bucket.LONGEST_PAUSE", 0.02)
    with proxy_before(object_store.port) as proxy:
        fault = Fault(status=status) if status else Fault(wait=lambda: None)  # closes the connection
        proxy.faults = [fault, fault]
        through = BucketSink("s3://sinks/run/", Bucket("sinks", access_to(proxy.url)), "run/")

        through.write("results/part-00000.jsonl", lambda: iter([b"1\n"]))

        proxy.always = fault
        with pytest.raises(Unavailable) as raised:
            through.write("results/part-00001.jsonl", lambda: iter([b"2\n"]))
    assert raised.value.code == "sink_unavailable"
    assert list(sink.names()) == ["results/part-00000.jsonl"]


def test_store_that_is_down_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.storage.objects.bucket.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("shared.storage.objects.bucket.LONGEST_PAUSE", 0.02)
    bucket = Bucket("sinks", access_to(f"http://127.0.0.1:{closed_port()}"))

    assert refused(BucketSink("s3://sinks/run/", bucket, "run/"))[:2] == (Unavailable, "sink_unavailable")
