"""Who kills: at seeded random moments, a pool process, a worker, or Redis; a supervisor starts again what was whole."""

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
    """What the monkey needs of a stack."""

    def children(self, part: str) -> list[int]: ...

    def kill(self, part: str) -> None: ...

    def start(self, part: str) -> object: ...


@dataclass
class Monkey:
    """Kills `kills` times within `seconds`. `doomed` is told each process before it dies."""

    stack: Killable
    workers: Sequence[str]
    seed: int
    kills: int
    seconds: float
    doomed: Callable[[list[int]], None] = lambda _: None
    killed: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Kill from now on, to the end. In the main thread: what a thread has started dies with that thread."""
        chance = random.Random(self.seed)
        moments = sorted(chance.uniform(0, self.seconds) for _ in range(self.kills))
        kinds = chance.choices(list(SHARES), list(SHARES.values()), k=self.kills)  # whoever the victims are
        began = time.monotonic()
        for moment, kind in zip(moments, kinds, strict=True):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            self._kill(kind, chance)

    def _kill(self, kind: str, chance: random.Random) -> None:
        worker = chance.choice(self.workers)
        children = self.stack.children(worker)
        if kind == "pool process" and children:
            child = chance.choice(children)
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
