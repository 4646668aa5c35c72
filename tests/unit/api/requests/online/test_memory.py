"""The memory that requests for predictions hold together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from threading import Event, Thread
from typing import Any

import pytest

from api.requests.online.memory import SMALL, Held, HoldMemory, IncomingBody, OnlineMemory, held
from shared.errors import TooLarge, Unavailable

LARGE = SMALL + 1
LIMIT = 3 * LARGE


@pytest.fixture
def memory() -> OnlineMemory:
    """Memory for three large bodies, whose waits end at once."""
    return OnlineMemory(LIMIT, wait_seconds=0)


def started(action: Callable[[], None]) -> tuple[Thread, Event]:
    """Run an action in a thread; the event is set when it has ended."""
    ended = Event()

    def run() -> None:
        action()
        ended.set()

    thread = Thread(target=run)
    thread.start()
    return thread, ended


def test_bodies_beyond_the_limit_are_refused_with_the_setting(memory: OnlineMemory) -> None:
    for _ in range(3):
        Held(memory).body(LARGE)

    with pytest.raises(Unavailable, match="GLASSBOX_ONLINE_REQUEST_BYTES"):
        Held(memory).body(LARGE)


def test_a_body_larger_than_the_limit_is_refused_forever(memory: OnlineMemory) -> None:
    with pytest.raises(TooLarge, match=f"GLASSBOX_ONLINE_REQUEST_BYTES is {LIMIT}"):
        Held(memory).body(LIMIT + 1)


def test_small_bodies_are_not_counted(memory: OnlineMemory) -> None:
    for _ in range(100):
        Held(memory).body(SMALL)
        Held(memory).work(SMALL)
        Held(memory).response(SMALL)


def test_a_request_holds_the_largest_size_once(memory: OnlineMemory) -> None:
    request = Held(memory)
    request.body(LARGE)
    request.body(LIMIT)
    request.body(LARGE)
    request.close()

    Held(memory).body(LIMIT)


def test_a_request_waits_for_the_memory_of_another() -> None:
    memory = OnlineMemory(LIMIT, wait_seconds=30)
    first = Held(memory)
    first.body(LIMIT)

    thread, ended = started(lambda: Held(memory).body(LARGE))
    assert not ended.wait(0.05)
    first.close()

    thread.join(30)
    assert ended.is_set()


class Clock:
    """The time since bodies began."""

    seconds = 0.0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Bodies that are received until the test ends."""
    with ExitStack() as bodies:
        yield bodies


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(IncomingBody, "age", lambda _: clock.seconds)
    return clock


def receive(stack: ExitStack, memory: OnlineMemory, received: int, ended: list[int]) -> None:
    """Hold memory for a body of which some bytes are there; it is returned when the body is ended."""
    holds = Held(memory)
    holds.body(LARGE)

    def end(_: str) -> None:
        ended.append(received)
        holds.close()

    stack.enter_context(holds.receive(LARGE, end)).received = received


def test_the_slowest_body_ends_when_another_waits(clock: Clock, stack: ExitStack) -> None:
    memory = OnlineMemory(LIMIT, wait_seconds=30)
    ended: list[int] = []
    for received in (500, 100, 300):
        receive(stack, memory, received, ended)

    clock.seconds = 10.0
    Held(memory).body(LARGE)

    assert ended == [100]


def test_a_body_that_arrives_soon_does_not_end(clock: Clock, stack: ExitStack) -> None:
    memory = OnlineMemory(LIMIT, wait_seconds=1.5)
    ended: list[int] = []
    for received in (LARGE // 2, LARGE - 1, LARGE):
        receive(stack, memory, received, ended)

    clock.seconds = 4.0
    with pytest.raises(Unavailable):
        Held(memory).body(LARGE)

    assert not ended


def test_a_body_that_has_just_begun_does_not_end(clock: Clock, stack: ExitStack) -> None:
    memory = OnlineMemory(LIMIT, wait_seconds=1.5)
    ended: list[int] = []
    for _ in range(3):
        receive(stack, memory, 0, ended)

    clock.seconds = 1.0
    with pytest.raises(Unavailable):
        Held(memory).body(LARGE)

    assert not ended


def test_one_large_request_is_processed_at_a_time(memory: OnlineMemory) -> None:
    first, second = Held(memory), Held(memory)
    first.work(LARGE)
    first.response(LARGE)
    with pytest.raises(Unavailable):
        second.work(LARGE)

    first.answered()

    second.work(LARGE)


def test_a_response_counts_until_it_is_sent(memory: OnlineMemory) -> None:
    first, second = Held(memory), Held(memory)
    first.response(LIMIT)
    first.answered()

    with pytest.raises(Unavailable):
        second.response(LARGE)
    second.close()
    first.close()

    Held(memory).response(LARGE)


def test_middleware_returns_the_memory_when_the_response_is_closed(memory: OnlineMemory) -> None:
    def application(environ: Any, _: Any) -> Iterable[bytes]:
        held(environ).body(LIMIT)
        held(environ).response(LIMIT)
        return [b"answer"]

    def send() -> Any:
        return HoldMemory(application, memory)({}, lambda *_: lambda _: None)

    response = send()
    with pytest.raises(Unavailable):
        send()
    response.close()

    send().close()


def test_middleware_returns_the_memory_after_an_error(memory: OnlineMemory) -> None:
    def application(environ: Any, _: Any) -> Iterable[bytes]:
        held(environ).body(LIMIT)
        held(environ).work(LARGE)
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            HoldMemory(application, memory)({}, lambda *_: lambda _: None)
