"""The states of a job and the legal transitions between them: the one place that knows them.

queued ──► running ──► succeeded | completed_with_errors | failed
  ▲  │      │  │
  │  │      │  └─────► cancelling ──► cancelled | succeeded | completed_with_errors | failed
  │  └──────┼────────────────────────► cancelled
  └─────────┘ its worker was lost
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What a job is doing."""

    QUEUED = "queued"  # written down, and not claimed by a worker
    RUNNING = "running"  # claimed: one worker holds its lease
    CANCELLING = "cancelling"  # asked to stop; its worker has not come to the next stopping point yet
    SUCCEEDED = "succeeded"  # its result is there
    COMPLETED_WITH_ERRORS = "completed_with_errors"  # a batch some of whose images could not be read
    FAILED = "failed"  # ended by an error, which the record tells
    CANCELLED = "cancelled"  # ended because somebody asked for it

    @property
    def is_terminal(self) -> bool:
        """Whether a job in this state is over for good."""
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
    """The states from which a job may go to `target`."""
    return frozenset(source for source, targets in TRANSITIONS.items() if target in targets)
