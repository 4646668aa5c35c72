"""The names of everything that Glassbox keeps in Redis: the one module that knows them."""

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
    f"{PREFIX}waiting"  # sorted set: the ids of queued batches, by the time in ms from which they wait for somebody
)
DELIVERIES = (
    f"{PREFIX}notices"  # hash: what webhooks are owed, by the notice's id: the job as it ended, the tries so far
)
DELIVERIES_DUE = (
    f"{PREFIX}notices-due"  # sorted set: the notices' ids, by the time in ms at which to try to deliver them
)
COUNTERS = f"{PREFIX}tally"  # hash: what has become of all jobs so far, counted with each transition (`counters.py`)
REBUILT = f"{PREFIX}rebuilt"  # there unless the data were lost: says that the records are complete
PROBE = f"{PREFIX}probe"  # never there: a change of it that changes nothing tells whether Redis accepts changes
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
    """A hash: the token of the attempt whose shards the ledger holds, and what its helpers have finished."""
    return f"{PREFIX}ledger:{job_id}"


def open_shards(job_id: str) -> str:
    """A list: the numbers of the shards that nobody has taken yet, the next one first."""
    return f"{PREFIX}shards-open:{job_id}"


def taken_shards(job_id: str) -> str:
    """A sorted set: the shards that helpers work on, `<number>@<helper>`, by the time in ms when their lease ends."""
    return f"{PREFIX}shards-taken:{job_id}"


def helper_requests(job_id: str) -> str:
    """A sorted set: the invitations that no helper has answered, by the time in ms at which they count as lost."""
    return f"{PREFIX}invitations:{job_id}"


def shard_keys(job_id: str) -> dict[str, str]:
    """All keys of a job's ledger, by the names that the scripts give them; they are deleted together."""
    return {
        "ledger": shard_queue(job_id),
        "open_shards": open_shards(job_id),
        "taken_shards": taken_shards(job_id),
        "invitations": helper_requests(job_id),
    }


def job_keys(job_id: str) -> dict[str, str | dict[str, str]]:
    """All keys that a change of a job's state may touch, by the names that `scripts/common.lua` gives them."""
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
        "tally": COUNTERS,
        "notices": DELIVERIES,
        "notices_due": DELIVERIES_DUE,
        **shard_keys(job_id),
    }


def gone(url_digest: str) -> str:
    """A mark, for a time: this webhook's receiver has said that it wants nothing more."""
    return f"{PREFIX}gone:{url_digest}"


def in_state(state: State) -> str:
    """A sorted set: the ids of the jobs in this state, in the order of the ids."""
    return f"{PREFIX}jobs:{state}"


def queued(kind: str) -> str:
    """A sorted set: the ids of the queued jobs of this kind, by the time in ms since when they wait."""
    return f"{PREFIX}queued:{kind}"


def workers(queue: str) -> str:
    """A sorted set: who listens to the queue, `<worker> <processes>`, by the time until which they count as online."""
    return f"{PREFIX}workers:{queue}"


def idempotency(digest: str) -> str:
    """A hash: which request holds an Idempotency-Key, or its answer, by the digest of the owner and the key."""
    return f"{PREFIX}idempotency:{digest}"


def rate_bucket(limit: str, who: str) -> str:
    """A hash: how many requests somebody may still send under a limit, and since when it is so."""
    return f"{PREFIX}rate:{limit}:{who}"
