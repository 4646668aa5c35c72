"""A job's encoding as a Redis hash."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.jobs import Job, Progress, State
from shared.jobs.record import encode_fields
from tests.support.objects.jobs import a_batch, a_training

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_record_survives_the_round_trip_through_redis(content: dict[str, Any]) -> None:
    job = a_training(request=content, result=content, metrics=content, started_at=3, owner="host:1")

    assert Job.from_hash(job.to_hash()) == job


def test_fields_without_a_value_are_not_written() -> None:
    fields = a_training().to_hash()

    assert not {"started_at", "finished_at", "owner", "result", "error"} & fields.keys()


def test_a_record_is_encoded_as_texts_only() -> None:
    fields = a_batch(state=State.RUNNING, attempt=2, progress=Progress(total=3, unit="images")).to_hash()

    assert all(isinstance(text, str) for text in fields.values())
    assert (fields["state"], fields["attempt"]) == ("running", "2")


def test_a_number_that_json_cannot_express_is_rejected() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_fields({"metrics": {"train_loss": float("nan")}})


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        a_training().state = State.FAILED  # type: ignore[misc]
