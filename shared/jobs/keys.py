"""The names of all keys in Redis. No other module has them."""

from __future__ import annotations

from shared.jobs.record import Kind
from shared.jobs.states import State

PREFIX = "glassbox:"
JOBS = f"{PREFIX}jobs"  # sorted set: every job's id, in the order of the ids, which is that of their creation
LEASES = f"{PREFIX}leases"  # sorted set: the ids of claimed jobs, by the time in ms at which their lease ends
DUE = f"{PREFIX}due"  # sorted set: the ids of queued jobs, by the time in ms at which to send their message (again)
SENDS = f"{PREFIX}sends"  # hash: how often a queued job's message was sent again, by the job's id
ENDED = f"{PREFIX}ended"  # sorted set: the ids of jobs whose end is not on the volume yet, by the time in ms of the end
WAITING = (
    f"{PREFIX}waiting"  # sorted set: the ids of queued batches, by the time in ms from which they wait for a process
)
DELIVERIES = f"{PREFIX}notices"  # hash: the webhook deliveries that are not settled, by id
DELIVERIES_DUE = f"{PREFIX}notices-due"  # sorted set: the deliveries' ids, by the time in ms of the next try
COUNTERS = f"{PREFIX}tally"  # hash: the counters of all jobs, changed with each transition (`counters.py`)
REBUILT = f"{PREFIX}rebuilt"  # exists unless the data were lost: the records are complete
PROBE = f"{PREFIX}probe"  # never exists: a write of nothing to it shows whether Redis accepts changes
BLOCKED = (
    f"{PREFIX}blocked"  # sorted set: the ids of queued jobs that found the volume full, by the bytes that it had free
)
HASTENED = f"{PREFIX}hastened"  # a lock: all queued jobs were made due lately
REBUILDING = f"{PREFIX}rebuilding"  # a lock: one host rebuilds the records


def job(job_id: str) -> str:
    """A hash: the job's record."""
    return f"{PREFIX}job:{job_id}"


def events(job_id: str) -> str:
    """A stream: what happened to the job."""
    return f"{PREFIX}events:{job_id}"  # not below the record's key: an id may come with a colon in it


def shard_queue(job_id: str) -> str:
    """A hash: the token of the attempt that the shards belong to, and the images that its helpers have finished."""
    return f"{PREFIX}ledger:{job_id}"


def open_shards(job_id: str) -> str:
    """A list: the numbers of the shards that no process has taken, the next one first."""
    return f"{PREFIX}shards-open:{job_id}"


def taken_shards(job_id: str) -> str:
    """A sorted set: the shards that helpers work on, `<number>@<helper>`, by the time in ms when their lease ends."""
    return f"{PREFIX}shards-taken:{job_id}"


def helper_requests(job_id: str) -> str:
    """A sorted set: the requests for helpers that none has answered, by the time in ms at which they count as lost."""
    return f"{PREFIX}invitations:{job_id}"


def shard_keys(job_id: str) -> dict[str, str]:
    """All keys of a job's shard queue, by their names in the scripts; they are deleted together."""
    return {
        "shard_queue": shard_queue(job_id),
        "open_shards": open_shards(job_id),
        "taken_shards": taken_shards(job_id),
        "helper_requests": helper_requests(job_id),
    }


def job_keys(job_id: str) -> dict[str, str | dict[str, str]]:
    """All keys that a change of a job's state may touch, by their names in `scripts/common.lua`."""
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
    """A text that expires: the receiver at this URL has answered 410 Gone."""
    return f"{PREFIX}gone:{url_digest}"


def in_state(state: State) -> str:
    """A sorted set: the ids of the jobs in this state, in the order of the ids."""
    return f"{PREFIX}jobs:{state}"


def queued(kind: str) -> str:
    """A sorted set: the ids of the queued jobs of this kind, by the time in ms since when they wait."""
    return f"{PREFIX}queued:{kind}"


def workers(queue: str) -> str:
    """A sorted set: the queue's workers, `<worker> <processes>`, by the time until which they count as online."""
    return f"{PREFIX}workers:{queue}"


def idempotency(digest: str) -> str:
    """A hash: the request that holds an Idempotency-Key, or the response, by the digest of the owner and the key."""
    return f"{PREFIX}idempotency:{digest}"


def rate_bucket(limit: str, who: str) -> str:
    """A hash: a token bucket, the requests that a holder may still send under a limit, and when that was computed."""
    return f"{PREFIX}rate:{limit}:{who}"
