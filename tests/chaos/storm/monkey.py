"""The chaos monkey: kills and stops processes and fills Redis at seeded random moments; a supervisor restarts parts."""

from __future__ import annotations

import heapq
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

SHARES = {"pool process": 0.6, "worker": 0.25, "redis": 0.15}


class Killable(Protocol):
    """The methods of a stack that the monkey needs."""

    def children(self, part: str) -> list[int]: ...

    def kill(self, part: str) -> None: ...

    def start(self, part: str) -> object: ...


class Interruptible(Killable, Protocol):
    """The methods of a stack that interruptions need besides."""

    def suspended(self) -> AbstractContextManager[None]: ...

    def full_redis(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Interruptions:
    """Interruptions besides the kills: how many of each kind, and the length of a lease, which they exceed.

    Each stopped process continues after 0.3 to 2 times the length of a lease; the kills go on meanwhile. During a
    suspension of all processes, and while Redis is full, no process is killed.
    """

    stack: Interruptible
    lease_seconds: float
    stopped_processes: int = 20
    suspensions: int = 3
    full_redis: int = 3

    def kinds(self) -> list[str]:
        """Return the kind of each interruption."""
        return [
            *["stopped process"] * self.stopped_processes,
            *["suspended machine"] * self.suspensions,
            *["full redis"] * self.full_redis,
        ]


@dataclass
class Monkey:
    """Kills `kills` times within `seconds`. Before each kill, it calls `doomed` with the ids of the processes."""

    stack: Killable
    workers: Sequence[str]
    seed: int
    kills: int
    seconds: float
    doomed: Callable[[list[int]], None] = lambda _: None
    interruptions: Interruptions | None = None
    killed: Counter[str] = field(default_factory=Counter)
    interrupted: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Kill until the end. Call this in the main thread: a process dies with the thread that started it."""
        rng = random.Random(self.seed)
        moments = sorted(rng.uniform(0, self.seconds) for _ in range(self.kills))
        kinds = rng.choices(list(SHARES), list(SHARES.values()), k=self.kills)  # independent of the victims
        order = count()  # of equal moments
        plan = [(moment, next(order), self._killer(kind, rng)) for moment, kind in zip(moments, kinds, strict=True)]
        if self.interruptions is not None:
            own = random.Random(self.seed)  # so that the kills do not depend on the interruptions
            plan += [
                (own.uniform(0, self.seconds), next(order), self._interrupter(kind, own))
                for kind in self.interruptions.kinds()
            ]
        heapq.heapify(plan)
        began = time.monotonic()
        while plan:
            moment, _, act = heapq.heappop(plan)
            time.sleep(max(0.0, began + moment - time.monotonic()))
            acted = time.monotonic()
            later = act()
            if later is None:
                began += time.monotonic() - acted  # the storm stands still during a kill or a suspension
            else:
                after, undo = later
                heapq.heappush(plan, (moment + after, next(order), undo))

    def _killer(self, kind: str, rng: random.Random) -> Action:
        return lambda: self._kill(kind, rng)

    def _interrupter(self, kind: str, rng: random.Random) -> Action:
        return lambda: self._interrupt(kind, rng)

    def _kill(self, kind: str, rng: random.Random) -> None:
        worker = rng.choice(self.workers)
        children = self.stack.children(worker)
        if kind == "pool process" and children:
            child = rng.choice(children)
            self.doomed([child])
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        else:
            kind, part = ("redis", "redis") if kind == "redis" else ("worker", worker)
            if kind == "worker":
                self.doomed(children)
            self.stack.kill(part)
            self.stack.start(part)
        self.killed[kind] += 1

    def _interrupt(self, kind: str, rng: random.Random) -> tuple[float, Action] | None:
        assert self.interruptions is not None
        stack, lease = self.interruptions.stack, self.interruptions.lease_seconds
        self.interrupted[kind] += 1
        if kind == "stopped process":
            pids = stack.children(rng.choice(self.workers))[:1]
            _signal(pids, signal.SIGSTOP)
            return rng.uniform(0.3, 2.0) * lease, lambda: _signal(pids, signal.SIGCONT)
        with stack.suspended() if kind == "suspended machine" else stack.full_redis():
            time.sleep(rng.uniform(0.5, 1.5) * lease)
        return None


Action = Callable[[], "tuple[float, Action] | None"]
"""Something the monkey does; it may return what to do later, and after how many seconds."""


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
