"""The fair order of deliveries: which of those that are due are sent next, so that no receiver delays the others.

A receiver is a host with a port, and receivers take turns. One that responds fast gets several deliveries at once, any
other one at a time. All that are slow get together at most half of the places, and some places are only for those that
are known to be fast, so that hosts that hang cannot take all, however many they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping

from shared.addresses import Target

AT_ONCE = 32  # concurrent deliveries of one dispatcher
TO_FAST = 4  # to one receiver whose last try was fast; to any other, 1
TO_ALL_SLOW = 16
FOR_FAST = 8  # places that no other receiver gets
SLOW_SECONDS = 3.0
REMEMBERED = 10_000  # receivers


def receiver_of(url: str | None) -> str:
    """Return host and port of a webhook's URL; '' for an invalid URL, whose delivery ends at once."""
    try:
        target = Target.parse(url or "")
    except ValueError:
        return ""
    return f"{target.host.rstrip('.')}:{target.port}"


class Receivers:
    """The deliveries in progress, by receiver. Not thread-safe: one thread calls its methods.

    Times are in seconds, by any clock that does not go back.
    """

    def __init__(self) -> None:
        self._busy: dict[str, tuple[str, float]] = {}  # receiver and begin of each delivery in progress, by its id
        self._was_slow: dict[str, bool] = {}  # each receiver's last try, the oldest first

    @property
    def free(self) -> int:
        """How many more deliveries may begin."""
        return AT_ONCE - len(self._busy)

    def begin(self, delivery_id: str, receiver: str, now: float) -> None:
        """Count a delivery as in progress."""
        self._busy[delivery_id] = receiver, now

    def end(self, delivery_id: str, now: float) -> None:
        """Count a delivery as ended."""
        receiver, begun = self._busy.pop(delivery_id)
        self._was_slow.pop(receiver, None)
        self._was_slow[receiver] = now - begun > SLOW_SECONDS
        if len(self._was_slow) > REMEMBERED:
            del self._was_slow[next(iter(self._was_slow))]

    def next(self, due: Iterable[str], receivers: Mapping[str, str], now: float) -> list[str]:
        """Return the ids of the deliveries to begin now.

        due: the ids of those that are due, the most overdue first. receivers: the receivers of the known ones.
        """
        waiting: defaultdict[str, deque[str]] = defaultdict(deque)
        for delivery_id in due:
            if delivery_id in receivers and delivery_id not in self._busy:
                waiting[receivers[delivery_id]].append(delivery_id)
        busy = Counter(receiver for receiver, _ in self._busy.values())
        slow = {receiver for receiver, was_slow in self._was_slow.items() if was_slow}
        slow |= {receiver for receiver, begun in self._busy.values() if now - begun > SLOW_SECONDS}
        fast = {receiver for receiver, was_slow in self._was_slow.items() if not was_slow} - slow
        slow_busy = sum(busy[receiver] for receiver in slow)
        others_busy = sum(count for receiver, count in busy.items() if receiver not in fast)
        chosen: list[str] = []
        turns = deque(sorted(waiting, key=lambda receiver: busy[receiver]))  # then the most overdue first
        while turns and len(chosen) < self.free:
            receiver = turns.popleft()
            is_slow, is_fast = receiver in slow, receiver in fast
            if busy[receiver] >= (TO_FAST if is_fast else 1):
                continue
            if (is_slow and slow_busy >= TO_ALL_SLOW) or (not is_fast and others_busy >= AT_ONCE - FOR_FAST):
                continue
            chosen.append(waiting[receiver].popleft())
            busy[receiver] += 1
            slow_busy += is_slow
            others_busy += not is_fast
            if waiting[receiver]:
                turns.append(receiver)
        return chosen
