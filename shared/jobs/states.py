"""The states of a job and the legal transitions between them: the only module that defines them.

queued ──► running ──► succeeded | completed_with_errors | failed
  ▲  │      │  │
  │  │      │  └─────► cancelling ──► cancelled | succeeded | completed_with_errors | failed
  │  └──────┼────────────────────────► cancelled
  └─────────┘ its worker was lost
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """The state of a job."""

    QUEUED = "queued"  # stored, and not claimed by a worker
    RUNNING = "running"  # claimed: one worker holds its lease
    CANCELLING = "cancelling"  # a user cancelled it; its worker has not reached the next stopping point yet
    SUCCEEDED = "succeeded"  # its result exists
    COMPLETED_WITH_ERRORS = "completed_with_errors"  # a batch with images that could not be read
    FAILED = "failed"  # ended by an error, which is in the record
    CANCELLED = "cancelled"  # ended because a user cancelled it

    @property
    def is_terminal(self) -> bool:
        """Whether a job in this state has ended."""
        return not TRANSITIONS[self]


TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset(
        {State.SUCCEEDED, State.COMPLETED_WITH_ERRORS, State.FAILED, State.CANCELLING, State.QUEUED}
    ),
    State.CANCELLING: frozenset({State.CANCELLED, State.SUCCEEDED, State.COMPLETED_WITH_ERRORS, State.FAILED}),
    State.SUCCEEDED: frozenset(),
    State.COMPLETED_WITH_ERRORS: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


def sources_of(target: State) -> frozenset[State]:
    """Return the states from which a job may enter `target`."""
    return frozenset(source for source, targets in TRANSITIONS.items() if target in targets)
