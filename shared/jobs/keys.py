"""The names of everything that Glassbox keeps in Redis: the one module that knows them."""

from __future__ import annotations

from shared.jobs.states import State

PREFIX = "glassbox:"
JOBS = f"{PREFIX}jobs"  # sorted set: every job's id, in the order of the ids, which is that of their creation
LEASES = f"{PREFIX}leases"  # sorted set: the ids of claimed jobs, by the time in ms at which their lease ends
DUE = f"{PREFIX}due"  # sorted set: the ids of queued jobs, by the time in ms at which to send their message (again)
SENDS = f"{PREFIX}sends"  # hash: how often a queued job's message was sent again, by the job's id
ENDED = f"{PREFIX}ended"  # sorted set: the ids of jobs whose end is not on the volume yet, by the time in ms of the end
NOTICES = f"{PREFIX}notices"  # hash: what webhooks are owed, by the notice's id: the job as it ended, the tries so far
NOTICES_DUE = f"{PREFIX}notices-due"  # sorted set: the notices' ids, by the time in ms at which to try to deliver them
TALLY = f"{PREFIX}tally"  # hash: what has become of all jobs so far, counted with each transition (`tally.py`)
REBUILT = f"{PREFIX}rebuilt"  # there unless the data were lost: says that the records are complete
REBUILDING = f"{PREFIX}rebuilding"  # a lock: one host rebuilds the records


def job(job_id: str) -> str:
    """A hash: the job's record."""
    return f"{PREFIX}job:{job_id}"


def events(job_id: str) -> str:
    """A stream: what happened to the job."""
    return f"{PREFIX}events:{job_id}"  # not below the record's key: an id may come with a colon in it


def gone(url_digest: str) -> str:
    """A mark, for a time: this webhook's receiver has said that it wants nothing more."""
    return f"{PREFIX}gone:{url_digest}"


def in_state(state: State) -> str:
    """A sorted set: the ids of the jobs in this state, in the order of the ids."""
    return f"{PREFIX}jobs:{state}"


def workers(queue: str) -> str:
    """A sorted set: the workers that listen to the queue, by the time until which they are taken to be online."""
    return f"{PREFIX}workers:{queue}"


def idempotency(digest: str) -> str:
    """A hash: which request holds an Idempotency-Key, or its answer, by the digest of the owner and the key."""
    return f"{PREFIX}idempotency:{digest}"


def rate_bucket(limit: str, who: str) -> str:
    """A hash: how many requests somebody may still send under a limit, and since when it is so."""
    return f"{PREFIX}rate:{limit}:{who}"
