"""What the courier makes of a receiver's answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from redis import Redis

from shared.jobs import Job, JobStore, State
from shared.jobs.files import JobFiles
from shared.jobs.task_queue import connect
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from shared.webhooks.outbox import Outbox
from tests.support.network import closed_port
from tests.support.objects.jobs import A_RESULT, a_training, claimed, events
from tests.support.servers.receiver import Receiver, receiving, redirect_to
from tests.support.waiting import eventually
from worker.webhooks import dispatcher as dispatcher_module
from worker.webhooks.dispatcher import LONGEST_WAIT_SECONDS, Dispatcher, backoff
from worker.webhooks.signing import load_secrets

Deliver = Callable[[], None]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A courier that may tell this machine, and does not wait long."""
    return settings.model_copy(
        update={"webhook_allow_private": True, "webhook_retry_seconds": 0.01, "webhook_timeout": 2.0}
    )


@pytest.fixture
def outbox(redis: Redis) -> Outbox:
    return Outbox(redis)


@pytest.fixture
def files(volume: Volume) -> JobFiles:
    return JobFiles(volume)


@pytest.fixture
def dispatcher(outbox: Outbox, files: JobFiles, settings: Settings, volume: Volume) -> Dispatcher:
    return Dispatcher(outbox, files, load_secrets(settings, volume), settings)


@pytest.fixture
def ended(jobs: JobStore, files: JobFiles) -> Callable[[str], Job]:
    """Let a job end that has this webhook."""

    def end(url: str) -> Job:
        job = a_training(webhook=url)
        files.begin(job)
        jobs.create(job)
        jobs.finish(claimed(jobs, job.id), State.SUCCEEDED, result=A_RESULT)
        return jobs.get(job.id)

    return end


@contextmanager
def working(dispatcher: Dispatcher) -> Iterator[None]:
    """The courier at work for the length of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=dispatcher.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def deliver_next(dispatcher: Dispatcher, outbox: Outbox) -> None:
    """Wait until one notice is due, and try to deliver it."""
    (delivery,) = eventually(lambda: outbox.take(limit=1, seconds=60.0))
    dispatcher.deliver(delivery)


def outcomes(redis: Redis, job: Job) -> list[dict[str, Any]]:
    return [data for kind, data in events(redis, job.id) if kind == "webhook"]


Ended = Callable[[str], Job]


class TestDelivering:
    def test_a_receiver_is_told_and_can_verify_it(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, volume: Volume, redis: Redis
    ) -> None:
        with receiving() as receiver, working(dispatcher):
            job = ended(receiver.url)
            eventually(lambda: outbox.count() == 0)

        (message,) = receiver.messages
        content = message.verified(volume.webhook_secret.read_text())
        assert (content["type"], content["data"]["id"]) == ("job.succeeded", job.id)
        assert message.headers["content-type"] == "application/json"
        (outcome,) = outcomes(redis, job)
        assert (outcome["notice"], outcome["outcome"], outcome["status"], outcome["try"]) == (
            message.id,
            "delivered",
            204,
            1,
        )

    def test_a_slow_receiver_holds_up_no_other(self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox) -> None:
        answered = threading.Event()

        def slow(handler: BaseHTTPRequestHandler) -> None:
            answered.wait(20.0)
            handler.send_response(200)
            handler.end_headers()

        with receiving(slow, slow) as slowly, receiving() as quick, working(dispatcher):
            ended(slowly.url)
            eventually(lambda: slowly.messages)
            for _ in range(20):
                ended(quick.url)
            eventually(lambda: len(quick.messages) == 20)
            assert outbox.count() >= 1
            answered.set()

    def test_what_is_on_its_way_when_the_courier_stops_is_waited_for(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox
    ) -> None:
        arrived, answer = threading.Event(), threading.Event()

        def slow(handler: BaseHTTPRequestHandler) -> None:
            arrived.set()
            answer.wait(10.0)
            handler.send_response(200)
            handler.end_headers()

        with receiving(slow) as receiver:
            with working(dispatcher):
                ended(receiver.url)
                arrived.wait(10.0)
                threading.Timer(0.2, answer.set).start()
            assert outbox.count() == 0


class TestTryingAgain:
    @pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
    def test_all_but_success_is_tried_again_under_the_same_id(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, volume: Volume, redis: Redis, status: int
    ) -> None:
        with receiving(status, status, 200) as receiver:
            job = ended(receiver.url)
            for _ in range(3):
                deliver_next(dispatcher, outbox)

        assert len({message.id for message in receiver.messages}) == 1
        assert len({message.body for message in receiver.messages}) == 1
        for message in receiver.messages:
            message.verified(volume.webhook_secret.read_text())
        told = outcomes(redis, job)
        assert [(outcome["try"], outcome["outcome"], outcome["status"]) for outcome in told] == [
            (1, "failed", status),
            (2, "failed", status),
            (3, "delivered", 200),
        ]
        assert told[0]["next_try_seconds"] is not None
        assert told[-1]["next_try_seconds"] is None
        assert outbox.count() == 0

    def test_a_redirect_is_not_followed(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, redis: Redis
    ) -> None:
        with receiving() as elsewhere, receiving(redirect_to(elsewhere.url)) as receiver:
            job = ended(receiver.url)
            deliver_next(dispatcher, outbox)
            deliver_next(dispatcher, outbox)

        assert elsewhere.messages == []
        assert "redirects are not followed" in outcomes(redis, job)[0]["detail"]

    def test_a_receiver_that_is_away_is_told_when_it_is_back(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, redis: Redis
    ) -> None:
        job = ended(f"http://127.0.0.1:{closed_port()}/")
        deliver_next(dispatcher, outbox)

        (outcome,) = outcomes(redis, job)
        assert (outcome["outcome"], outcome["status"]) == ("failed", None)
        assert outbox.count() == 1

    def test_it_is_given_up_after_so_many_tries(
        self, outbox: Outbox, files: JobFiles, ended: Ended, settings: Settings, redis: Redis, volume: Volume
    ) -> None:
        twice = settings.model_copy(update={"webhook_tries": 2})
        dispatcher = Dispatcher(outbox, files, load_secrets(settings, volume), twice)
        with receiving(500, 500) as receiver:
            job = ended(receiver.url)
            for _ in range(2):
                deliver_next(dispatcher, outbox)

        assert [outcome["outcome"] for outcome in outcomes(redis, job)] == ["failed", "failed"]
        assert outbox.count() == 0
        assert not files.owes_delivery(job)

    def test_the_waits_grow_with_jitter_and_have_an_end(self) -> None:
        for tries in range(1, 200):
            longest = min(5.0 * 3.0 ** (tries - 1), LONGEST_WAIT_SECONDS)
            assert longest / 2 <= backoff(tries, first=5.0) <= longest
        assert len({backoff(3, first=5.0) for _ in range(10)}) > 1


class TestEnds:
    def test_a_receiver_that_answers_410_is_told_nothing_more(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, redis: Redis
    ) -> None:
        with receiving(410) as receiver, receiving() as other:
            first, second = ended(receiver.url), ended(receiver.url)
            for _ in range(2):
                deliver_next(dispatcher, outbox)
            ended(other.url)
            deliver_next(dispatcher, outbox)

        assert len(receiver.messages) == 1
        assert len(other.messages) == 1
        assert [outcomes(redis, job)[0]["outcome"] for job in (first, second)] == ["gone", "gone"]
        assert outbox.count() == 0

    def test_an_internal_address_is_told_nothing(
        self, outbox: Outbox, files: JobFiles, ended: Ended, settings: Settings, redis: Redis, volume: Volume
    ) -> None:
        careful = settings.model_copy(update={"webhook_allow_private": False})
        dispatcher = Dispatcher(outbox, files, load_secrets(settings, volume), careful)
        with receiving() as receiver:
            job = ended(receiver.url.replace("127.0.0.1", "localhost"))
            deliver_next(dispatcher, outbox)

        assert receiver.messages == []
        assert outcomes(redis, job)[0]["outcome"] == "refused"
        assert outbox.count() == 0

    def test_what_is_settled_is_so_on_the_volume_too(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, files: JobFiles
    ) -> None:
        with receiving() as receiver:
            job = ended(receiver.url)
            assert files.owes_delivery(job)
            deliver_next(dispatcher, outbox)

        assert not files.owes_delivery(job)

    def test_a_fault_of_ours_loses_nothing(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> bytes:
            raise ZeroDivisionError

        with receiving() as receiver:
            job = ended(receiver.url)
            with monkeypatch.context() as broken:
                broken.setattr(dispatcher_module, "message", fail)
                deliver_next(dispatcher, outbox)
            deliver_next(dispatcher, outbox)

        assert [outcome["outcome"] for outcome in outcomes(redis, job)] == ["failed", "delivered"]

    def test_a_try_that_cannot_be_written_down_is_made_again(
        self, files: JobFiles, ended: Ended, outbox: Outbox, settings: Settings, volume: Volume, tmp_path: Any
    ) -> None:
        gone = connect(settings.model_copy(update={"redis_url": f"unix://{tmp_path}/no.sock"}))
        secrets = load_secrets(settings, volume)
        with receiving() as receiver:
            ended(receiver.url)
            (delivery,) = outbox.take(limit=1, seconds=0.0)
            Dispatcher(Outbox(gone), files, secrets, settings).deliver(delivery)
            deliver_next(Dispatcher(outbox, files, secrets, settings), outbox)

        assert len(_ids(receiver)) == 1
        assert outbox.count() == 0


def _ids(receiver: Receiver) -> set[str]:
    return {message.id for message in receiver.messages}
