"""A queued job's place in the line, and estimates of its start and end from the rates of the jobs that run now."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.jobs.record import Job, Kind

TURN_SECONDS = 2.0  # what a batch works before it leaves its process to an equal one
LEAST_SECONDS = 1.0  # of work that a rate is measured by
SHARD_IMAGES = 256  # the least images of a shard, with which one more process can help


@dataclass(frozen=True)
class Place:
    """The place in the line, 1 for the next job, and the seconds until the job's start and end; None if not known."""

    place: int | None = None
    starts_in_seconds: float | None = None
    ends_in_seconds: float | None = None


@dataclass(frozen=True)
class Queued:
    """A job of the line: `rank` orders the priorities, `owner` is its API key."""

    id: str
    rank: str
    owner: str
    served: int = 0

    @classmethod
    def parse(cls, entry: str) -> Queued:
        """Parse an entry of the line."""
        rank, owner, served, job_id = entry.split(" ")
        return cls(job_id, rank, owner, int(served))


def in_order(line: Sequence[Queued], used: Mapping[str, float], cost: Mapping[str, float]) -> list[Queued]:
    """Return the jobs in the order in which they start, if none comes and each start adds its `cost` to its key's use.

    line: in the order of the line. A job without a known cost has the mean of the others.
    """
    usual = sum(cost.values()) / len(cost) if cost else 1.0
    ordered: list[Queued] = []
    total = {owner: used.get(owner, 0.0) for owner in {job.owner for job in line}}
    for rank in sorted({job.rank for job in line}):
        waiting: dict[str, deque[Queued]] = defaultdict(deque)
        for job in line:
            if job.rank == rank:
                waiting[job.owner].append(job)
        heap = [(total[owner], jobs[0].id, owner) for owner, jobs in waiting.items()]
        heapq.heapify(heap)
        while heap:
            _, _, owner = heapq.heappop(heap)
            job = waiting[owner].popleft()
            ordered.append(job)
            total[owner] += cost.get(job.id, usual)
            if waiting[owner]:
                heapq.heappush(heap, (total[owner], waiting[owner][0].id, owner))
    return ordered


def images_per_second(running: Sequence[Job]) -> float | None:
    """Return how many images one process classifies in a second in the running batches; None if it is not known."""
    measured = [
        job
        for job in running
        if job.kind is Kind.BATCH and not job.retries and job.progress.done and job.served >= 1000 * LEAST_SECONDS
    ]
    seconds = sum(job.served for job in measured) / 1000
    return sum(job.progress.done for job in measured) / seconds if measured else None


def places(
    line: Sequence[Queued], used: Mapping[str, float], running: Sequence[Job], jobs: Mapping[str, Job], processes: int
) -> dict[str, Place]:
    """Return the place of each job in the line.

    used: the seconds that each API key's jobs have used. jobs: the records of the jobs in the line; without all of
    them, there are no estimates. processes: those that are online.
    """
    rate = images_per_second(running)
    known = rate is not None and all(job.id in jobs for job in line)
    seconds: dict[str, float] = {}  # of one process that each batch still needs
    if rate is not None and known:
        seconds = {job.id: _left(job) / rate for job in (*running, *jobs.values()) if job.progress.unit == "images"}
    ordered = in_order(line, used, seconds)
    rank_of_running = {job.id: "1" if job.priority == "interactive" else "2" for job in running}
    found = {}
    for place, job in enumerate(ordered, 1):
        record = jobs.get(job.id)
        start = end = None
        if record is not None and processes:
            if record.progress.unit != "images":
                start = _start_of_training(place, running, processes)
            elif known and all(other.progress.unit == "images" for other in running):
                others = [(rank_of_running[each.id], seconds[each.id]) for each in running]
                ahead = [(each.rank, seconds[each.id]) for each in ordered[: place - 1]]
                behind = [(each.rank, seconds[each.id]) for each in ordered[place:]]
                start = _shared([*others, *ahead], job.rank, TURN_SECONDS) / processes
                if record.kind is Kind.BATCH:
                    own = seconds[job.id]
                    alone = own / min(processes, max(1, _left(record) // SHARD_IMAGES))
                    end = max((own + _shared([*others, *ahead, *behind], job.rank, own)) / processes, start + alone)
        found[job.id] = Place(place, _rounded(start), _rounded(end))
    return found


def _left(job: Job) -> int:
    return max(0, job.progress.total - job.progress.done)


def _shared(others: Sequence[tuple[str, float]], rank: str, most: float) -> float:
    """Return the seconds that other jobs use before a job of this rank has used `most`: equal ones take turns."""
    return sum(seconds if other < rank else min(seconds, most) for other, seconds in others if other <= rank)


def _start_of_training(place: int, running: Sequence[Job], processes: int) -> float | None:
    """Return when the training can start: at the end of a running one, if its process is not for a job before it."""
    free = processes - len(running)
    if place <= free:
        return 0.0
    ends = sorted(job.progress.eta_seconds for job in running if job.progress.eta_seconds is not None)
    nth = place - max(0, free)
    return ends[nth - 1] if len(ends) == len(running) and nth <= len(ends) else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
