"""Jobs: their states, their records in Redis, and the atomic transitions between states.

The record is the authoritative state of a job; Celery only carries its id. Read `states.py`, then `record.py`, then
`store.py`. `shard_queue/` shares one batch among processes; `shared/webhooks/outbox.py` stores the webhook
deliveries of ended jobs.
"""

from shared.jobs.record import Job, Kind, Priority, Progress
from shared.jobs.shard_queue import Finished, ShardQueue, ShardQueueState
from shared.jobs.states import State
from shared.jobs.store import Blocked, Claim, Event, JobStore, OverQuota, Pulse, Quota

__all__ = [
    "Blocked",
    "Claim",
    "Event",
    "Finished",
    "Job",
    "JobStore",
    "Kind",
    "OverQuota",
    "Priority",
    "Progress",
    "Pulse",
    "Quota",
    "ShardQueue",
    "ShardQueueState",
    "State",
]
