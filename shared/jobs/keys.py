"""The Redis keys: the only module that spells them."""

from __future__ import annotations

from shared.jobs.record import Kind
from shared.jobs.states import State

PREFIX = "glassbox:"
JOBS = f"{PREFIX}jobs"  # sorted set: all jobs' ids, in the order of the ids, which is the order of creation
LEASES = f"{PREFIX}leases"  # sorted set: the ids of claimed jobs, by the end of their lease in ms
DUE = f"{PREFIX}due"  # sorted set: the ids of queued jobs, by the time in ms at which to send their message (again)
SENDS = f"{PREFIX}sends"  # hash: how often each queued job's message was sent again, by the job's id
ENDED = f"{PREFIX}ended"  # sorted set: the ids of jobs whose end is not on the volume yet, by the time in ms of the end
WAITING = f"{PREFIX}waiting"  # sorted set: the ids of queued batches, by the time in ms since when they need a process
DELIVERIES = f"{PREFIX}notices"  # hash: the unsettled webhook deliveries, by id: the job as it ended, the failed tries
DELIVERIES_DUE = f"{PREFIX}notices-due"  # sorted set: the ids of the deliveries, by the time in ms of the next try
COUNTERS = f"{PREFIX}tally"  # hash: the counters of all jobs, changed with each transition (`counters.py`)
REBUILT = f"{PREFIX}rebuilt"  # exists unless Redis lost its data: the records are complete
PROBE = f"{PREFIX}probe"  # never exists: a write to it that changes nothing shows whether Redis accepts changes
BLOCKED = f"{PREFIX}blocked"  # sorted set: the ids of queued jobs that found the volume full, by its free bytes then
HASTENED = f"{PREFIX}hastened"  # a lock: all queued jobs were made due within the last minute
REBUILDING = f"{PREFIX}rebuilding"  # a lock: one host rebuilds the records


def job(job_id: str) -> str:
    """A hash: the job's record."""
    return f"{PREFIX}job:{job_id}"


def events(job_id: str) -> str:
    """A stream: the job's log of events."""
    return f"{PREFIX}events:{job_id}"  # not a suffix of the record's key: an id in a request may contain a colon


def shard_queue(job_id: str) -> str:
    """A hash: the token of the attempt that the shards belong to, and how many images its helpers have finished."""
    return f"{PREFIX}ledger:{job_id}"


def open_shards(job_id: str) -> str:
    """A list: the numbers of the shards that no process has taken yet, the next one first."""
    return f"{PREFIX}shards-open:{job_id}"


def taken_shards(job_id: str) -> str:
    """A sorted set: the shards that helpers work on, `<number>@<helper>`, by the end of their lease in ms."""
    return f"{PREFIX}shards-taken:{job_id}"


def helper_requests(job_id: str) -> str:
    """A sorted set: the requests that no helper has answered, by the time in ms at which they count as lost."""
    return f"{PREFIX}invitations:{job_id}"


def shard_keys(job_id: str) -> dict[str, str]:
    """Return all keys of a job's shard queue, by their names in the scripts; they are deleted together."""
    return {
        "shard_queue": shard_queue(job_id),
        "open_shards": open_shards(job_id),
        "taken_shards": taken_shards(job_id),
        "helper_requests": helper_requests(job_id),
    }


def job_keys(job_id: str) -> dict[str, str | dict[str, str]]:
    """Return all keys that a transition of the job may change, by their names in `scripts/common.lua`."""
    return {
        "record": job(job_id),
        "events": events(job_id),
        "jobs": JOBS,
        "leases": LEASES,
        "due": DUE,
        "sends": SENDS,
        "ended": ENDED,
        "waiting": WAITING,
        "blocked": BLOCKED,
        "queued": {kind: queued(kind) for kind in Kind},
        "in_state": {state: in_state(state) for state in State},
        "counters": COUNTERS,
        "deliveries": DELIVERIES,
        "deliveries_due": DELIVERIES_DUE,
        **shard_keys(job_id),
    }


def gone(url_digest: str) -> str:
    """A mark that expires: this webhook's receiver has answered 410 Gone."""
    return f"{PREFIX}gone:{url_digest}"


def in_state(state: State) -> str:
    """A sorted set: the ids of the jobs in this state, in the order of the ids."""
    return f"{PREFIX}jobs:{state}"


def queued(kind: str) -> str:
    """A sorted set: the ids of the queued jobs of this kind, by the time in ms since when they have waited."""
    return f"{PREFIX}queued:{kind}"


def workers(queue: str) -> str:
    """A sorted set: the queue's workers, `<worker> <processes>`, by the time in seconds until which each is online."""
    return f"{PREFIX}workers:{queue}"


def idempotency(digest: str) -> str:
    """A hash: the request that holds an Idempotency-Key, or its response; `digest` is that of the owner and the key."""
    return f"{PREFIX}idempotency:{digest}"


def rate_bucket(limit: str, holder: str) -> str:
    """A hash: the token bucket of one client under a limit: the requests that are left, and when it was updated."""
    return f"{PREFIX}rate:{limit}:{holder}"
