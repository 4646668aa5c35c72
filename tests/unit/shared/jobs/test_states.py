"""The states of a job and the legal transitions between them."""

from __future__ import annotations

from itertools import product

import pytest

from shared.jobs import State
from shared.jobs.states import TRANSITIONS, sources_of

LEGAL = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "succeeded"),
    ("running", "completed_with_errors"),
    ("running", "failed"),
    ("running", "cancelling"),
    ("running", "queued"),
    ("cancelling", "cancelled"),
    ("cancelling", "succeeded"),
    ("cancelling", "completed_with_errors"),
    ("cancelling", "failed"),
}


@pytest.mark.parametrize(("source", "target"), list(product(State, State)))
def test_a_transition_is_legal_if_the_contract_names_it(source: State, target: State) -> None:
    assert (target in TRANSITIONS[source]) == ((source, target) in LEGAL)


@pytest.mark.parametrize("target", list(State))
def test_sources_of_a_state_are_those_that_may_enter_it(target: State) -> None:
    assert sources_of(target) == {source for source, reached in LEGAL if reached == target}


def test_four_states_are_terminal() -> None:
    terminal = {state for state in State if state.is_terminal}

    assert terminal == {State.SUCCEEDED, State.COMPLETED_WITH_ERRORS, State.FAILED, State.CANCELLED}
