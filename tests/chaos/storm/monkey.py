"""The chaos monkey: kills a pool process, a worker or Redis at seeded random moments; a supervisor restarts parts."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

SHARES = {"pool process": 0.6, "worker": 0.25, "redis": 0.15}


class Killable(Protocol):
    """The methods of a stack that the monkey needs."""

    def children(self, part: str) -> list[int]: ...

    def kill(self, part: str) -> None: ...

    def start(self, part: str) -> object: ...


@dataclass
class Monkey:
    """Kills `kills` times within `seconds`. Before each kill, it calls `doomed` with the ids of the processes."""

    stack: Killable
    workers: Sequence[str]
    seed: int
    kills: int
    seconds: float
    doomed: Callable[[list[int]], None] = lambda _: None
    killed: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Kill until the end. Call this in the main thread: a process dies with the thread that started it."""
        rng = random.Random(self.seed)
        moments = sorted(rng.uniform(0, self.seconds) for _ in range(self.kills))
        kinds = rng.choices(list(SHARES), list(SHARES.values()), k=self.kills)  # independent of the victims
        began = time.monotonic()
        for moment, kind in zip(moments, kinds, strict=True):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            self._kill(kind, rng)

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
