"""The body of a webhook message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.jobs import State
from shared.jobs.view import job_document
from shared.runtime.clock import rfc3339
from shared.webhooks.outbox import Delivery
from tests.support.objects.jobs import a_batch, a_training
from worker.webhooks.message import MOST_BYTES, message


def delivery(**fields: Any) -> Delivery:
    ended = {"state": State.SUCCEEDED, "created_at": 1, "finished_at": 1_700_000_000_123}
    return Delivery("msg_1", a_training(**ended | fields), tries=0)


def content_of(about: Delivery) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(message(about))
    return content


@pytest.mark.parametrize("state", [state for state in State if state.is_terminal])
def test_the_type_names_the_state(state: State) -> None:
    assert content_of(delivery(state=state))["type"] == f"job.{state}"


def test_the_timestamp_is_that_of_the_end_and_the_data_are_the_job() -> None:
    about = delivery(result={"model": "toy", "version": 3}, request={"labels": {"who": "ü"}})

    content = content_of(about)

    assert content["timestamp"] == rfc3339(1_700_000_000_123)
    assert content["data"] == json.loads(json.dumps(job_document(about.job)))
    assert content["data"]["links"]["version"] == "/v1/models/toy/versions/3"


def test_the_message_of_a_training_has_the_warnings_of_its_diagnosis() -> None:
    finding = {"code": "overfits", "message": "The network classifies 100.0% of its training images correctly."}
    about = delivery(result={"model": "toy", "version": 3, "diagnosis": [finding]})

    data = content_of(about)["data"]

    assert data["warnings"] == [finding["message"]]
    assert data["result"]["diagnosis"] == [finding]


def test_the_message_of_a_batch_links_to_its_rows() -> None:
    batch = Delivery("msg_1", a_batch(state=State.SUCCEEDED, finished_at=1), tries=0)

    assert content_of(batch)["data"]["links"]["results"].endswith("/results")


@pytest.mark.parametrize(
    ("large", "left_out"),
    [
        (["request"], ["request"]),
        (["metrics"], ["request", "metrics"]),
        (["error"], ["request", "metrics", "result", "error"]),
        (["request", "metrics", "result", "error"], ["request", "metrics", "result", "error"]),
    ],
)
def test_fields_of_a_job_that_is_too_large_are_left_out(large: list[str], left_out: list[str]) -> None:
    fields = {name: {"model": "toy", "version": 1, "detail": "ü" * MOST_BYTES} for name in large}

    content = content_of(about := delivery(**fields))

    assert len(message(about)) < MOST_BYTES
    assert content["data"]["left_out"] == left_out
    assert all(content["data"][name] is None for name in left_out)
    assert content["data"]["id"] == about.job.id
