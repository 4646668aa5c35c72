"""The body of a webhook message: `{"type": "job.succeeded", "timestamp": …, "data": {…the job…}}`, under 20 kB."""

from __future__ import annotations

import json
from collections.abc import Mapping

from shared.jobs.view import job_document
from shared.runtime.clock import rfc3339
from shared.webhooks.outbox import Delivery

MOST_BYTES = 20_000  # what Standard Webhooks advises for a payload
LEFT_OUT = ("request", "metrics", "result", "error")  # omitted in this order if the job is too large


def message(delivery: Delivery) -> bytes:
    """Return the body of a delivery. If the job is too large, some fields are null, and `left_out` names them."""
    job = delivery.job
    assert job.finished_at is not None
    data: dict[str, object] = {**job_document(job)}
    body = {"type": f"job.{job.state}", "timestamp": rfc3339(job.finished_at), "data": data}
    left_out: list[str] = []
    while len(encoded := _encode(body)) >= MOST_BYTES and len(left_out) < len(LEFT_OUT):
        left_out.append(LEFT_OUT[len(left_out)])
        data |= {left_out[-1]: None, "left_out": left_out}
    return encoded


def _encode(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
