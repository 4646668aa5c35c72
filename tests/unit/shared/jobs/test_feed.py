"""The stream of all jobs' events: complete for a reader that keeps up, and honest to one that does not."""

from __future__ import annotations

from itertools import pairwise

import pytest
from redis import Redis

from shared.jobs import JobStore, Progress, State, feed, keys
from shared.jobs.feed import START, EventFeed, position_of
from shared.jobs.feed.announcer import Announcer
from shared.webhooks.outbox import Outbox
from tests.support.objects.jobs import a_training, running


@pytest.fixture
def stream(redis: Redis) -> EventFeed:
    """The reader of the stream."""
    return EventFeed(redis)


def fill(redis: Redis, jobs: JobStore, keep: int) -> None:
    """Remove all but the newest events, as the stream does when it is full."""
    claim = running(jobs)
    for done in range(10):
        jobs.renew(claim, Progress(done=done, total=10, unit="epochs"), event="epoch")
    redis.xtrim(keys.ALL_EVENTS, maxlen=keep, approximate=False)


def test_every_event_of_a_jobs_log_is_in_the_stream_with_its_job(jobs: JobStore, stream: EventFeed) -> None:
    claims = [running(jobs, model=model) for model in ("one", "two")]
    for claim in claims:
        jobs.renew(claim, Progress(done=1, total=2, unit="epochs"), {"train_loss": 0.5}, "epoch")
        jobs.finish(claim, State.SUCCEEDED)

    events = stream.read(START, 100).events

    for claim in claims:
        own = [event for event in events if event.job == claim.job.id]
        assert [(event.type, event.data) for event in own] == [
            (event.type, event.data) for event in jobs.events(claim.job.id)
        ]
        assert {(event.kind, event.model) for event in own} == {("training", claim.job.model)}
    assert [event.previous for event in events[1:]] == [event.id for event in events[:-1]]
    assert all(position_of(one.id) < position_of(other.id) for one, other in pairwise(events))


def test_a_deleted_job_is_an_event_and_an_unknown_one_is_not(jobs: JobStore, stream: EventFeed) -> None:
    claim = running(jobs)
    jobs.finish(claim, State.SUCCEEDED)
    jobs.delete(claim.job.id)
    jobs.discard("unknown")

    newest = stream.read(START, 100).events[-1]

    assert (newest.type, newest.job, newest.model, newest.data) == ("deleted", claim.job.id, "toy", {})


def test_the_outcome_of_a_webhook_is_in_the_stream(jobs: JobStore, redis: Redis, stream: EventFeed) -> None:
    claim = running(jobs, webhook="https://example.org/hook")
    jobs.finish(claim, State.SUCCEEDED)
    outbox = Outbox(redis)
    (delivery,) = outbox.take(outbox.due(1), 60)

    outbox.settle(delivery, {"status": 204})

    newest = stream.read(START, 100).events[-1]
    assert (newest.type, newest.job, newest.kind, newest.data["status"]) == ("webhook", claim.job.id, "training", 204)


def test_the_stream_and_each_event_are_bounded(
    jobs: JobStore, redis: Redis, stream: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = running(jobs)
    jobs.log(claim, "warning", {"message": "x" * feed.MAX_ANNOUNCED})

    assert stream.read(START, 100).events[-1].data == {"truncated": True}
    assert len(jobs.events(claim.job.id)[-1].data["message"]) == feed.MAX_ANNOUNCED

    monkeypatch.setattr(feed, "CONSTANTS", feed.CONSTANTS.replace(str(feed.MAX_ALL_EVENTS), "50"))
    small = JobStore(redis)
    for done in range(400):
        small.renew(claim, Progress(done=done, total=400, unit="epochs"), event="epoch")
    assert 50 <= int(redis.xlen(keys.ALL_EVENTS)) <= 250  # Redis removes whole nodes of 100 entries


class TestResuming:
    def test_a_reader_that_resumes_in_the_kept_part_misses_nothing(
        self, jobs: JobStore, redis: Redis, stream: EventFeed
    ) -> None:
        fill(redis, jobs, keep=6)
        kept = stream.read(stream.read(START, 1).resume, 100).events

        for number, event in enumerate(kept):
            read = stream.read(event.id, 100)
            assert not read.missed
            assert read.events == kept[number + 1 :]

    def test_a_reader_whose_next_event_is_the_oldest_one_misses_nothing(
        self, jobs: JobStore, redis: Redis, stream: EventFeed
    ) -> None:
        fill(redis, jobs, keep=12)
        everything = stream.read(START, 100).events
        redis.xtrim(keys.ALL_EVENTS, maxlen=6, approximate=False)

        last_removed, before = everything[-7], everything[-8]
        assert not stream.read(last_removed.id, 100).missed
        gap = stream.read(before.id, 100)
        assert gap.missed
        assert gap.events == everything[-6:]
        assert not stream.read(gap.resume, 100).missed
        assert stream.read(gap.resume, 100).events == gap.events

    @pytest.mark.parametrize("new_events", [False, True])
    def test_a_reader_of_a_redis_that_lost_its_data_misses_events(
        self, jobs: JobStore, redis: Redis, stream: EventFeed, new_events: bool
    ) -> None:
        jobs.create(a_training())
        end = stream.end()
        redis.flushall()
        if new_events:
            jobs.create(a_training())

        read = stream.read(end, 100)

        assert read.missed
        assert len(read.events) == new_events
        assert not stream.read(read.resume, 100).missed

    def test_a_reader_ahead_of_the_stream_misses_events_and_continues_at_its_end(
        self, jobs: JobStore, stream: EventFeed
    ) -> None:
        jobs.create(a_training())

        read = stream.read("9999999999999999999-9999999999999999999", 100)

        assert (read.missed, read.events, read.resume) == (True, [], stream.end())

    def test_an_empty_stream_has_an_end_after_which_the_first_event_follows(
        self, jobs: JobStore, stream: EventFeed
    ) -> None:
        end = stream.end()
        assert not stream.read(end, 10).missed

        jobs.create(a_training())

        read = stream.read(end, 10)
        assert (len(read.events), read.missed) == (1, False)


def test_the_stream_is_written_also_if_redis_is_full(jobs: JobStore, redis: Redis, stream: EventFeed) -> None:
    claim = running(jobs)
    limit = redis.config_get("maxmemory")["maxmemory"] or 0
    redis.config_set("maxmemory", 1)
    try:
        assert jobs.finish(claim, State.SUCCEEDED)
    finally:
        redis.config_set("maxmemory", limit)

    assert stream.read(START, 100).events[-1].data["state"] == "succeeded"


def test_deletions_of_models_and_data_sets_are_in_the_stream_without_a_job(redis: Redis, stream: EventFeed) -> None:
    announcer = Announcer(redis)
    announcer.deleted("version_deleted", {"version": 2}, "digits")
    announcer.deleted("dataset_deleted", {"dataset": "sha256:0"})

    first, second = stream.read(START, 10).events
    assert (first.type, first.job, first.kind, first.model, first.data) == (
        "version_deleted",
        "",
        "",
        "digits",
        {"version": 2},
    )
    assert (second.previous, second.type, second.data) == (first.id, "dataset_deleted", {"dataset": "sha256:0"})
