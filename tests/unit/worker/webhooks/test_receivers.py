"""The fair order of deliveries."""

from __future__ import annotations

from worker.webhooks.receivers import AT_ONCE, FOR_FAST, SLOW_SECONDS, TO_ALL_SLOW, TO_FAST, Receivers, receiver_of


def due(**counts: int) -> dict[str, str]:
    """Return so many deliveries for each receiver, one receiver after the other."""
    return {f"{name} {number}": name for name, count in counts.items() for number in range(count)}


def begun(receivers: Receivers, waiting: dict[str, str], now: float = 0.0) -> list[str]:
    """Begin the next deliveries; return their receivers."""
    chosen = receivers.next(waiting, waiting, now)
    for delivery_id in chosen:
        receivers.begin(delivery_id, waiting[delivery_id], now)
    return [waiting[delivery_id] for delivery_id in chosen]


def tried(receivers: Receivers, name: str, seconds: float) -> None:
    receivers.begin("earlier", name, 0.0)
    receivers.end("earlier", seconds)


def test_an_unknown_receiver_gets_one_delivery_at_a_time() -> None:
    assert begun(Receivers(), due(first=100, second=3, third=1)) == ["first", "second", "third"]


def test_a_fast_receiver_gets_several_at_once() -> None:
    receivers = Receivers()
    tried(receivers, "fast", 0.1)

    assert begun(receivers, due(fast=100)) == ["fast"] * TO_FAST
    assert begun(receivers, due(fast=100)) == []


def test_receivers_take_turns() -> None:
    receivers = Receivers()
    for name in ("first", "second"):
        tried(receivers, name, 0.1)

    assert begun(receivers, due(first=100, second=100)) == ["first", "second"] * TO_FAST


def test_all_slow_receivers_together_leave_places_to_the_others() -> None:
    receivers = Receivers()
    slow = {f"slow{number}": 5 for number in range(100)}
    for name in slow:
        tried(receivers, name, SLOW_SECONDS + 1)

    assert len(begun(receivers, due(**slow, other=1))) == TO_ALL_SLOW + 1


def test_receivers_whose_delivery_takes_long_count_as_slow() -> None:
    receivers = Receivers()
    hanging = {f"hanging{number}": 2 for number in range(TO_ALL_SLOW)}
    begun(receivers, due(**hanging))
    for name in hanging:
        tried(receivers, name, 0.1)

    assert begun(receivers, due(**hanging, other=1), now=SLOW_SECONDS + 1) == ["other"]


def test_unknown_receivers_leave_places_to_those_that_are_known_to_be_fast() -> None:
    receivers = Receivers()
    tried(receivers, "fast", 0.1)
    unknown = {f"unknown{number}": 1 for number in range(100)}

    assert begun(receivers, due(**unknown)) == list(unknown)[: AT_ONCE - FOR_FAST]
    assert begun(receivers, due(**unknown, fast=1)) == ["fast"]


def test_no_more_deliveries_begin_than_there_are_places() -> None:
    receivers = Receivers()
    names = [f"receiver{number}" for number in range(100)]
    for name in names:
        tried(receivers, name, 0.1)

    assert len(begun(receivers, due(**dict.fromkeys(names, 1)))) == AT_ONCE
    assert receivers.free == 0


def test_a_delivery_in_progress_does_not_begin_again() -> None:
    receivers = Receivers()
    tried(receivers, "fast", 0.1)
    waiting = due(fast=2)
    begun(receivers, waiting)

    assert begun(receivers, waiting) == []


def test_a_receiver_is_a_host_with_a_port() -> None:
    assert receiver_of("https://Example.org:443/a?b") == receiver_of("https://example.org./c") == "example.org:443"
    assert receiver_of("http://example.org:8080/") == "example.org:8080"
    assert receiver_of("not a URL") == receiver_of(None) == ""
