"""Jobs: their states, their records in Redis, and the atomic steps between them.

The record is the truth about a job; Celery only carries its id. Read `states.py`, then `record.py`, then `store.py`.
How several processes share one batch is in `shard_queue.py`, what webhooks are owed when a job ends in
`shared/webhooks/outbox.py`.
"""

from shared.jobs.record import Job, Kind, Progress
from shared.jobs.shard_queue import Finished, ShardQueue, ShardQueueState
from shared.jobs.states import State
from shared.jobs.store import Blocked, Claim, Event, JobStore, Pulse

__all__ = [
    "Blocked",
    "Claim",
    "Event",
    "Finished",
    "Job",
    "JobStore",
    "Kind",
    "Progress",
    "Pulse",
    "ShardQueue",
    "ShardQueueState",
    "State",
]
