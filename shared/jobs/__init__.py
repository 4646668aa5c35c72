"""Jobs: their states, their records in Redis, and the atomic steps between them.

The record is the truth about a job; Celery only carries its id. Read `states.py`, then `record.py`, then `store.py`.
What webhooks are owed when a job ends is in `notices.py`.
"""

from shared.jobs.record import Job, Kind, Progress
from shared.jobs.states import State
from shared.jobs.store import Claim, Event, JobStore, Pulse

__all__ = ["Claim", "Event", "Job", "JobStore", "Kind", "Progress", "Pulse", "State"]
