"""One thread that reads the new events for all event streams of a process, encodes each once, and sends it to all.

A stream reads by itself until it has all events of its log. Then it joins the broadcast, and its own thread sleeps. The
broadcast releases a stream if anything but a new event happens: the log ends or has a gap, Redis fails, the client
closes the connection or reads slowly, its key is revoked, or the server stops. The stream's own thread then acts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Event as Signal
from threading import Lock, Thread
from typing import Any, Protocol

from redis import RedisError

from api.resources.events.connection import Connection
from shared.errors import GlassboxError
from shared.jobs.feed import position_of
from shared.jobs.feed.tails import Tails

log = logging.getLogger(__name__)

MERGE_SECONDS = 0.02  # if events are frequent, those of this time are sent together: 50 clients cost little
BURST = 3  # after a pause, so many events are sent at once, each by itself
BATCH_EVENTS = 100  # maximum number of events per read
UNSENT_PIECES = 100  # of a stream that the broadcast cannot send to directly
UNUSED_SECONDS = 5.0  # a log that no stream follows is read for so long


class Log(Protocol):
    """A log in Redis. `name` is its name in `Tails`."""

    name: str

    def encode(self, event: Any) -> bytes:
        """Return the event as text/event-stream."""

    def has_gap(self, position: str, event: Any) -> bool:
        """Return whether there may be events between the position and this event."""

    def ends_with(self, event: Any) -> bool:
        """Return whether the event is the log's last one."""

    def is_over(self, position: str) -> bool:
        """Return whether no event will follow, or events after the position are lost. Raises `RedisError`."""


class Follower:
    """An event stream: its client, and the id of the last event that was sent or not selected."""

    def __init__(
        self,
        connection: Connection,
        position: str,
        selects: Callable[[Any], bool] = lambda _event: True,
        ping: Callable[[str], bytes] = lambda _position: b": ping\n\n",
    ) -> None:
        self.connection = connection
        self.selects = selects
        self.ping = ping
        self.position = position
        self.sent_at = time.monotonic()
        self.unsent: list[bytes] = []
        self.is_released = True
        self.wake = Signal()

    def pings(self, interval: float) -> bytes:
        """Return a keep-alive comment if the last bytes were sent more than `interval` seconds ago, else nothing."""
        if time.monotonic() - self.sent_at <= interval:
            return b""
        self.sent_at = time.monotonic()
        return self.ping(self.position)

    def advance(self, position: str, *, sent: bool) -> None:
        """Set the position, and the time of the last bytes."""
        self.position = position
        if sent:
            self.sent_at = time.monotonic()

    def deliver(self, piece: bytes) -> None:
        """Send bytes, or leave them to the stream's own thread if they cannot be sent without waiting."""
        if not self.connection.takes_bytes_directly:
            self.unsent.append(piece)
            self.is_released |= len(self.unsent) > UNSENT_PIECES
            self.wake.set()
            return
        try:
            rest = self.connection.send_now(piece)
        except OSError:  # the client is gone
            self.release()
            return
        if rest:
            self.unsent.append(rest)
            self.release()

    def release(self) -> None:
        """Wake the stream's own thread to act by itself."""
        self.is_released = True
        self.wake.set()


class Channel:
    """A log and the streams that follow it. Its events up to `position` have been read."""

    def __init__(self, source: Log, position: str) -> None:
        self.source = source
        self.position = position
        self.is_read = False  # until the thread's next command
        self.used_at = time.monotonic()
        self.followers: set[Follower] = set()

    def deliver(self, events: Sequence[Any]) -> None:
        """Send the events to each stream that does not have them yet and selects them."""
        if self.source.has_gap(self.position, events[0]):
            self.release_all()
        pieces = [(position_of(event.id), event, self.source.encode(event)) for event in events if self.followers]
        self.position = events[-1].id
        for follower in self.followers:
            begin = position_of(follower.position)
            chosen = [piece for place, event, piece in pieces if place > begin and follower.selects(event)]
            follower.advance(max(follower.position, self.position, key=position_of), sent=bool(chosen))
            if chosen:
                follower.deliver(b"".join(chosen))
        if any(map(self.source.ends_with, events)):
            self.release_all()
        self.forget_released()

    def is_over(self) -> bool:
        """Return whether each stream must act by itself. Raises `RedisError`."""
        try:
            return self.source.is_over(self.position)
        except GlassboxError:  # such as a damaged record, which each stream reports
            return True

    def release_all(self) -> None:
        """Let each stream act by itself."""
        for follower in self.followers:
            follower.release()
        self.followers.clear()

    def forget_released(self) -> None:
        """Keep the streams that still follow."""
        self.followers = {follower for follower in self.followers if not follower.is_released}


class Broadcast:
    """The thread and its channels. It runs while a stream follows.

    poll_seconds: its longest wait for Redis, between checks of the streams. may_send: whether a stream may continue.
    """

    def __init__(
        self, tails: Tails, poll_seconds: float, ping_seconds: float, may_send: Callable[[Connection], bool]
    ) -> None:
        self._tails = tails
        self._poll_seconds = poll_seconds
        self._ping_seconds = ping_seconds
        self._may_send = may_send
        self._lock = Lock()  # of all that follows, of the channels, and of their followers
        self._channels: dict[str, Channel] = {}
        self._thread: Thread | None = None

    @property
    def count(self) -> int:
        """The number of streams that follow now."""
        with self._lock:
            return sum(len(channel.followers) for channel in self._channels.values())

    def follow(self, source: Log, follower: Follower) -> Iterator[bytes] | None:
        """Let the stream follow the log, of which it has read all events. Returns None if the stream must wait itself.

        The iterator sleeps until the stream is released, and yields what the stream's own thread has to send.
        """
        with self._lock:
            channel = self._channels.get(source.name)
            if channel is None:
                self._channels[source.name] = Channel(source, follower.position)
                if self._thread is None:
                    self._thread = Thread(target=self._run, name="event-broadcast", daemon=True)
                    self._thread.start()
                return None
            if not channel.is_read or position_of(follower.position) < position_of(channel.position):
                return None
            follower.is_released = False
            channel.followers.add(follower)
        return self._sleep(channel, follower)

    def _sleep(self, channel: Channel, follower: Follower) -> Iterator[bytes]:
        try:
            is_released = False
            while not is_released:
                follower.wake.wait()
                with self._lock:
                    follower.wake.clear()
                    unsent, follower.unsent = follower.unsent, []
                    is_released = follower.is_released
                for piece in unsent:
                    if follower.connection.takes_bytes_directly:
                        follower.connection.send_rest(piece)
                    else:
                        yield piece
        finally:
            with self._lock:
                channel.followers.discard(follower)
                follower.wake.clear()

    def _run(self) -> None:
        checked_at = due = time.monotonic()
        try:
            while positions := self._positions():
                found = self._tails.read(positions, self._poll_seconds, BATCH_EVENTS)
                with self._lock:
                    for name, events in found.items():
                        self._channels[name].deliver(events)
                if time.monotonic() - checked_at >= self._poll_seconds:
                    self._check(quiet=positions.keys() - found.keys())
                    checked_at = time.monotonic()
                if found:
                    now = time.monotonic()
                    due = max(due, now) + MERGE_SECONDS
                    time.sleep(max(0.0, due - now - BURST * MERGE_SECONDS))
        except RedisError:
            pass  # each stream reports it, and waits
        except Exception:
            log.exception("the thread that sends events has failed; each stream continues by itself")
        with self._lock:
            self._thread = None
            for channel in self._channels.values():
                channel.release_all()
            self._channels.clear()

    def _positions(self) -> dict[str, str]:
        """Return where to read each log, of those that a stream follows or is about to."""
        with self._lock:
            now = time.monotonic()
            for name, channel in list(self._channels.items()):
                if channel.followers:
                    channel.used_at = now
                elif now - channel.used_at > UNUSED_SECONDS:
                    del self._channels[name]
                channel.is_read = True
            return {name: channel.position for name, channel in self._channels.items()}

    def _check(self, quiet: Iterable[str]) -> None:
        """Release the streams that must end, and send keep-alive comments to the others."""
        over = {name for name in quiet if self._channels[name].is_over()}
        with self._lock:
            for name, channel in self._channels.items():
                if name in over:
                    channel.release_all()
                for follower in channel.followers:
                    if not self._may_send(follower.connection):
                        follower.release()
                    elif ping := follower.pings(self._ping_seconds):
                        follower.deliver(ping)
                channel.forget_released()
