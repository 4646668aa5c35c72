"""The Redis keys: the only module that defines them."""

from __future__ import annotations

from shared.jobs.record import Kind
from shared.jobs.states import State

PREFIX = "glassbox:"
QUEUES = {
    Kind.TRAINING: "training",
    Kind.BATCH: "inference",
    Kind.REPRODUCTION: "training",
    Kind.EVALUATION: "inference",
}
JOBS = f"{PREFIX}jobs"  # sorted set: all jobs' ids, in the order of the ids, which is the order of creation
BY_MODEL = f"{PREFIX}jobs-by-model"  # sorted set: all jobs' ids, each after its model: `<model>:<id>`
BY_LABEL = f"{PREFIX}jobs-by-label"  # sorted set: the same after digests of their labels, an entry for each label
LEASES = f"{PREFIX}leases"  # sorted set: the ids of claimed jobs, by the end of their lease in ms
DUE = f"{PREFIX}due"  # sorted set: the ids of queued jobs, by the time in ms at which to send their message (again)
SENDS = f"{PREFIX}sends"  # hash: how often each queued job's message was sent again, by the job's id
ENDED = f"{PREFIX}ended"  # sorted set: the ids of jobs whose end is not on the volume yet, by the time in ms of the end
WAITING = f"{PREFIX}waiting"  # sorted set: the queued jobs that need a classifier, by the time since when
DELIVERIES = f"{PREFIX}notices"  # hash: the unsettled webhook deliveries, by id: the job as it ended, the failed tries
DELIVERIES_DUE = f"{PREFIX}notices-due"  # sorted set: the ids of the deliveries, by the time in ms of the next try
ALL_EVENTS = f"{PREFIX}all-events"  # stream: the newest events of all jobs (`feed/`)
COUNTERS = f"{PREFIX}tally"  # hash: the counters of all jobs, changed with each transition (`capacity/counters.py`)
REBUILT = f"{PREFIX}rebuilt"  # exists while the records are complete: missing if Redis lost its data
PROBE = f"{PREFIX}probe"  # never exists: a write to it that changes nothing shows whether Redis accepts changes
BLOCKED = f"{PREFIX}blocked"  # sorted set: the ids of queued jobs that need space on the volume, by its free bytes then
HASTENED = f"{PREFIX}hastened"  # a lock: the jobs with lost messages were made due within the last minute
CLEANUP = f"{PREFIX}cleanup"  # a lock that expires: one host has begun to remove leftovers from the volume
INDEXING = f"{PREFIX}indexing"  # a lock that expires: one host adds the jobs of older versions to the indexes
ARCHIVE_BYTES = f"{PREFIX}archive-bytes"  # hash: the bytes of the archives of each API key's jobs
RECOUNTED = f"{PREFIX}recounted"  # a lock that expires: those bytes were counted again from the records
HANDOVER = f"{PREFIX}handover"  # a lock that expires: a process has just left a batch for a job that waits
REBUILDING = f"{PREFIX}rebuilding"  # a lock: one host rebuilds the records


def job(job_id: str) -> str:
    """Return the key of a hash: the job's record."""
    return f"{PREFIX}job:{job_id}"


def events(job_id: str) -> str:
    """Return the key of a stream: the job's log of events."""
    return f"{PREFIX}events:{job_id}"  # not a suffix of the record's key: an id in a request may contain a colon


def shard_queue(job_id: str) -> str:
    """Return the key of a hash: the token of the attempt that owns the shards, and its helpers' counts of images."""
    return f"{PREFIX}ledger:{job_id}"


def open_shards(job_id: str) -> str:
    """Return the key of a list: the numbers of the shards that no process has taken yet, the next one first."""
    return f"{PREFIX}shards-open:{job_id}"


def taken_shards(job_id: str) -> str:
    """Return the key of a sorted set: the helpers' shards, `<number>@<helper>`, by the end of their lease in ms."""
    return f"{PREFIX}shards-taken:{job_id}"


def helper_requests(job_id: str) -> str:
    """Return the key of a sorted set: the unanswered requests for helpers, by the time in ms at which each is lost."""
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
        "all_events": ALL_EVENTS,
        "jobs": JOBS,
        "of_kind": {kind: of_kind(kind) for kind in Kind},
        "by_model": BY_MODEL,
        "by_label": BY_LABEL,
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
        "archive_bytes": ARCHIVE_BYTES,
        **shard_keys(job_id),
        **sharing_keys(),
    }


def line(queue: str) -> str:
    """Return the key of a sorted set: the queued jobs that may start, `<rank> <API key> <ms used> <id>`."""
    return f"{PREFIX}line:{queue}"


def shares(queue: str) -> str:
    """Return the key of a hash: how many ms of this queue's processes the jobs of each API key have used."""
    return f"{PREFIX}shares:{queue}"


def sharing_keys() -> dict[str, str | dict[str, str]]:
    """Return the keys that decide which job is next, by their names in `capacity/sharing/shares.lua`."""
    return {
        "lines": {kind: line(queue) for kind, queue in QUEUES.items()},
        "shares": {kind: shares(queue) for kind, queue in QUEUES.items()},
        "all_queued": in_state(State.QUEUED),
        "all_running": in_state(State.RUNNING),
    }


def held(url_digest: str) -> str:
    """Return the key of a mark that expires: this webhook's receiver has asked to wait, by 429 or 503."""
    return f"{PREFIX}held:{url_digest}"


def gone(url_digest: str) -> str:
    """Return the key of a mark that expires: this webhook's receiver has answered 410 Gone."""
    return f"{PREFIX}gone:{url_digest}"


def in_state(state: State) -> str:
    """Return the key of a sorted set: the ids of the jobs in this state, in the order of the ids."""
    return f"{PREFIX}jobs:{state}"


def of_kind(kind: Kind) -> str:
    """Return the key of a sorted set: the ids of the jobs of this kind, in the order of the ids."""
    return f"{PREFIX}jobs-of:{kind}"


def queued(kind: str) -> str:
    """Return the key of a sorted set: the ids of this kind's queued jobs, by the time in ms since when they wait."""
    return f"{PREFIX}queued:{kind}"


def workers(queue: str) -> str:
    """Return the key of a sorted set: workers, `<worker> <processes>`, by the time in seconds until they are online."""
    return f"{PREFIX}workers:{queue}"


def idempotency(digest: str) -> str:
    """Return the key of a hash: the request that holds an Idempotency-Key, or its response.

    digest: that of the owner and the Idempotency-Key.
    """
    return f"{PREFIX}idempotency:{digest}"


def rate_bucket(limit: str, holder: str) -> str:
    """Return the key of a hash, one client's token bucket: the requests that are left, and the time of its update."""
    return f"{PREFIX}rate:{limit}:{holder}"
