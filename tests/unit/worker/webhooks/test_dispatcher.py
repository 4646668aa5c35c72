"""The webhook dispatcher: the outcome of each response of a receiver."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
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


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of a dispatcher that may send to this machine and has short waits."""
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
    """Return a function that ends a job with this webhook."""

    def end(url: str) -> Job:
        job = a_training(webhook=url)
        files.begin(job)
        jobs.create(job)
        jobs.finish(claimed(jobs, job.id), State.SUCCEEDED, result=A_RESULT)
        return jobs.get(job.id)

    return end


@contextmanager
def working(dispatcher: Dispatcher) -> Iterator[None]:
    """Run the dispatcher during the `with` block."""
    stop = threading.Event()
    thread = threading.Thread(target=dispatcher.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def waiting(status: int, retry_after: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return a response that asks to wait."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Retry-After", retry_after)
        handler.end_headers()

    return respond


def deliver_next(dispatcher: Dispatcher, outbox: Outbox) -> None:
    """Wait until a delivery is due, and try it once."""
    (delivery,) = eventually(lambda: outbox.take(outbox.due(limit=1), seconds=60.0))
    dispatcher.deliver(delivery)


def outcomes(redis: Redis, job: Job) -> list[dict[str, Any]]:
    return [data for kind, data in events(redis, job.id) if kind == "webhook"]


Ended = Callable[[str], Job]


class TestDelivering:
    def test_a_receiver_gets_a_message_that_it_can_verify(
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

    def test_a_slow_receiver_does_not_delay_the_others(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox
    ) -> None:
        released = threading.Event()

        def slow(handler: BaseHTTPRequestHandler) -> None:
            released.wait(20.0)
            handler.send_response(200)
            handler.end_headers()

        with receiving(slow, slow) as slowly, receiving() as quick, working(dispatcher):
            ended(slowly.url)
            eventually(lambda: slowly.messages)
            for _ in range(20):
                ended(quick.url)
            eventually(lambda: len(quick.messages) == 20)
            assert outbox.count() >= 1
            released.set()

    def test_a_dispatcher_that_stops_waits_for_deliveries_in_progress(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox
    ) -> None:
        arrived, released = threading.Event(), threading.Event()

        def slow(handler: BaseHTTPRequestHandler) -> None:
            arrived.set()
            released.wait(10.0)
            handler.send_response(200)
            handler.end_headers()

        with receiving(slow) as receiver:
            with working(dispatcher):
                ended(receiver.url)
                arrived.wait(10.0)
                threading.Timer(0.2, released.set).start()
            assert outbox.count() == 0

    def test_receivers_that_hang_do_not_delay_the_others(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, settings: Settings
    ) -> None:
        """They take connections and say nothing; there are more deliveries for them than places."""
        with ExitStack() as hanging, receiving() as quick:
            servers = [hanging.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(10)]
            for number in range(60):
                ended(f"http://127.0.0.1:{servers[number % 10].getsockname()[1]}/")
            with working(dispatcher):
                eventually(lambda: outbox.count() == 60 and len(outbox.due(limit=60)) < 60)
                begun = time.monotonic()
                for _ in range(10):
                    ended(quick.url)
                eventually(lambda: len(quick.messages) == 10)
                assert time.monotonic() - begun < settings.webhook_timeout * 3  # one after the other: 140 s and more

    @pytest.mark.parametrize("body", ["endless", "dribbling"])
    def test_the_body_of_a_response_is_not_read(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, redis: Redis, body: str
    ) -> None:
        stop = threading.Event()

        def respond(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            with suppress(OSError):
                while not stop.wait(0.0 if body == "endless" else 0.05):
                    handler.wfile.write(b"x" * (65536 if body == "endless" else 1))

        with receiving(respond) as receiver:
            job = ended(receiver.url)
            deliver_next(dispatcher, outbox)
            stop.set()

        assert [outcome["outcome"] for outcome in outcomes(redis, job)] == ["delivered"]


class TestAskingToWait:
    """Responses with `Retry-After` (RFC 9110, section 10.2.3)."""

    @pytest.mark.parametrize(
        ("header", "least", "most"), [("60", 60.0, 60.0), ("nonsense", 0.0, 0.1), ("99999999", 21600.0, 21600.0)]
    )
    @pytest.mark.parametrize("status", [302, 404, 429, 503])
    def test_the_next_try_waits_for_as_long_as_the_receiver_asks(
        self,
        dispatcher: Dispatcher,
        ended: Ended,
        outbox: Outbox,
        redis: Redis,
        status: int,
        header: str,
        least: float,
        most: float,
    ) -> None:
        with receiving(waiting(status, header)) as receiver:
            job = ended(receiver.url)
            deliver_next(dispatcher, outbox)

        (outcome,) = outcomes(redis, job)
        assert (outcome["outcome"], outcome["status"], outcome["try"]) == ("failed", status, 1)
        assert least <= outcome["next_try_seconds"] <= most

    @pytest.mark.parametrize("status", [429, 503])
    def test_other_deliveries_to_the_url_wait_too_without_a_try(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, redis: Redis, status: int
    ) -> None:
        with receiving(waiting(status, "60")) as receiver:
            ended(receiver.url)
            deliver_next(dispatcher, outbox)
            held, other = ended(receiver.url), ended(receiver.url.replace("/hook", "/other"))
            for delivery in outbox.take(outbox.due(limit=9), seconds=60.0):
                dispatcher.deliver(delivery)

        assert [message.path for message in receiver.messages] == ["/hook?for=us", "/other?for=us"]
        assert outcomes(redis, held) == []
        assert [outcome["outcome"] for outcome in outcomes(redis, other)] == ["delivered"]
        assert outbox.count() == 2
        assert outbox.due(limit=9) == []


class TestTryingAgain:
    @pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
    def test_a_failed_delivery_is_retried_with_the_same_id(
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
        recorded = outcomes(redis, job)
        assert [(outcome["try"], outcome["outcome"], outcome["status"]) for outcome in recorded] == [
            (1, "failed", status),
            (2, "failed", status),
            (3, "delivered", 200),
        ]
        assert recorded[0]["next_try_seconds"] is not None
        assert recorded[-1]["next_try_seconds"] is None
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

    def test_an_unreachable_receiver_gets_its_message_later(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, redis: Redis
    ) -> None:
        job = ended(f"http://127.0.0.1:{closed_port()}/")
        deliver_next(dispatcher, outbox)

        (outcome,) = outcomes(redis, job)
        assert (outcome["outcome"], outcome["status"]) == ("failed", None)
        assert outbox.count() == 1

    def test_a_delivery_is_given_up_after_the_last_try(
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

    def test_the_waits_grow_with_jitter_up_to_a_limit(self) -> None:
        for tries in range(1, 200):
            longest = min(5.0 * 3.0 ** (tries - 1), LONGEST_WAIT_SECONDS)
            assert longest / 2 <= backoff(tries, first=5.0) <= longest
        assert len({backoff(3, first=5.0) for _ in range(10)}) > 1


class TestEnds:
    def test_a_receiver_that_responds_with_410_gets_nothing_more(
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

    def test_an_internal_address_gets_nothing(
        self, outbox: Outbox, files: JobFiles, ended: Ended, settings: Settings, redis: Redis, volume: Volume
    ) -> None:
        careful = settings.model_copy(update={"webhook_allow_private": False})
        dispatcher = Dispatcher(outbox, files, load_secrets(settings, volume), careful)
        with receiving() as receiver:
            job = ended(receiver.url)
            deliver_next(dispatcher, outbox)

        assert receiver.messages == []
        assert outcomes(redis, job)[0]["outcome"] == "refused"
        assert outbox.count() == 0

    def test_the_event_for_an_internal_name_is_that_for_an_unknown_one(
        self, outbox: Outbox, files: JobFiles, ended: Ended, settings: Settings, redis: Redis, volume: Volume
    ) -> None:
        careful = settings.model_copy(update={"webhook_allow_private": False})
        dispatcher = Dispatcher(outbox, files, load_secrets(settings, volume), careful)
        recorded = []
        with receiving() as receiver:
            for host in ("localhost", "no-such-name.invalid"):
                job = ended(receiver.url.replace("127.0.0.1", host))
                for delivery in eventually(lambda: outbox.take(outbox.due(limit=9), seconds=60.0)):
                    dispatcher.deliver(delivery)
                (outcome,) = outcomes(redis, job)
                recorded.append(str(outcome["detail"]).replace(host, "HOST"))
                assert (outcome["outcome"], outcome["status"]) == ("failed", None)
                outbox.settle(delivery, {})

        assert receiver.messages == []
        assert recorded[0] == recorded[1]

    def test_a_settled_delivery_is_also_settled_on_the_volume(
        self, dispatcher: Dispatcher, ended: Ended, outbox: Outbox, files: JobFiles
    ) -> None:
        with receiving() as receiver:
            job = ended(receiver.url)
            assert files.owes_delivery(job)
            deliver_next(dispatcher, outbox)

        assert not files.owes_delivery(job)

    def test_an_internal_error_does_not_lose_the_delivery(
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

    def test_a_try_whose_outcome_cannot_be_recorded_is_repeated(
        self, files: JobFiles, ended: Ended, outbox: Outbox, settings: Settings, volume: Volume, tmp_path: Any
    ) -> None:
        gone = connect(settings.model_copy(update={"redis_url": f"unix://{tmp_path}/no.sock"}))
        secrets = load_secrets(settings, volume)
        with receiving() as receiver:
            ended(receiver.url)
            (delivery,) = outbox.take(outbox.due(limit=1), seconds=0.0)
            Dispatcher(Outbox(gone), files, secrets, settings).deliver(delivery)
            deliver_next(Dispatcher(outbox, files, secrets, settings), outbox)

        assert len(_ids(receiver)) == 1
        assert outbox.count() == 0


def _ids(receiver: Receiver) -> set[str]:
    return {message.id for message in receiver.messages}
