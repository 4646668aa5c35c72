"""Interrupted bodies end, whichever error the WSGI server raises, and are not read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, cast

import pytest
from flask.testing import FlaskClient

from api.requests.bodies.body import Incoming
from tests.support.problems import assert_problem


class Interrupted:
    """A body that returns some pieces and then raises on each read."""

    def __init__(self, error: Exception, *pieces: bytes) -> None:
        self.error = error
        self.pieces = list(pieces)
        self.raised = 0

    def read(self, _size: int = -1) -> bytes:
        if self.pieces:
            return self.pieces.pop(0)
        self.raised += 1
        raise self.error


def test_complete_body_is_returned() -> None:
    body = Incoming(cast("IO[bytes]", Interrupted(OSError(), b"all of it")))

    assert (body.read(), body.error) == (b"all of it", None)


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), ValueError("a chunk of size zz")])
def test_interrupted_body_ends_and_is_not_read_again(error: Exception) -> None:
    stream = Interrupted(error, b"half")
    body = Incoming(cast("IO[bytes]", stream))

    assert [body.read(), body.read(), body.read()] == [b"half", b"", b""]

    assert body.error is error
    assert stream.raised == 1


SENDERS: dict[str, Callable[[FlaskClient, Interrupted], object]] = {
    path: lambda client, body, path=path, method=method, kind=kind: client.open(  # type: ignore[misc]
        path,
        method=method,
        headers={"Content-Type": kind, "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input": body, "wsgi.input_terminated": True},
    )
    for method, path, kind in [
        ("POST", "/v1/training-jobs", "application/json"),
        ("PUT", "/v1/models/toy/aliases/best", "application/json"),
        ("POST", "/v1/models/toy/versions/1/predict", "application/json"),
        ("POST", "/v1/models/toy/versions/1/predict?", "image/png"),
        ("POST", "/v2/models/toy/infer", "application/json"),
        ("POST", "/v2/repository/index", "application/json"),
    ]
}


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("send", SENDERS.values(), ids=SENDERS)
def test_invalid_chunks_are_reported_as_a_truncated_body(
    client: FlaskClient, send: Callable[[FlaskClient, Interrupted], object]
) -> None:
    response = send(client, Interrupted(ValueError("a chunk of size zz")))

    assert_problem(response, 400, "body_cut_short")  # type: ignore[arg-type]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("path", ["/v1/training-jobs", "/v1/models/toy/aliases/best"])
def test_complete_json_in_a_truncated_body_is_rejected(client: FlaskClient, path: str) -> None:
    content = b'{"model": "toy", "dataset": "digits"}' if "training" in path else b'{"version": 1}'

    response = client.open(
        path,
        method="POST" if "training" in path else "PUT",
        data=content,
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(len(content) + 1)},
    )

    assert_problem(response, 400, "body_cut_short")


def test_compressed_json_is_decompressed(client: FlaskClient) -> None:
    response = client.post(
        "/v1/training-jobs",
        data=b"\x1f\x8b damaged",
        content_type="application/json",
        headers={"Content-Encoding": "gzip"},
    )

    assert_problem(response, 400, "body_damaged")
