"""HTTP on a real server: truncated bodies, chunked bodies and malformed requests."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from shared.storage.volume import Volume
from tests.support.data.archives import zip_of_images
from tests.support.data.files import files_below
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.servers.stack import Stack
from tests.support.waiting import eventually

UPLOAD = npz(easy_arrays(seed=13))
FORM = (
    b'--boundary\r\nContent-Disposition: form-data; name="file"; filename="a.npz"\r\n\r\n'
    + UPLOAD
    + b"\r\n--boundary--\r\n"
)


def request(path: str, length: int, content_type: str = "application/octet-stream") -> bytes:
    """The head of a POST whose Content-Length is `length`."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    return head.encode()


@pytest.fixture
def connection(stack: Stack) -> Iterator[socket.socket]:
    """A raw connection to the API."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=30) as opened:
        yield opened


def response_to(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Return the status and the body of the response; the server must then close the connection."""
    response = b""
    while block := connection.recv(65536):
        response += block
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    return int(head.split()[1]), json.loads(body)


def contents(volume: Volume) -> list[str]:
    """Return the files of uploads and data sets, and the folders of jobs, in which other jobs may still write."""
    return files_below(volume.incoming, volume.datasets) + sorted(folder.name for folder in volume.jobs.glob("*"))


class TestTruncatedBodies:
    @pytest.mark.parametrize("sent", [0, 1, 1000, len(UPLOAD) - 1])
    def test_a_truncated_raw_body_is_rejected_and_leaves_no_file(
        self, stack: Stack, connection: socket.socket, sent: int
    ) -> None:
        before = contents(stack.volume)

        connection.sendall(request("/v1/datasets?name=short", len(UPLOAD)) + UPLOAD[:sent])
        connection.shutdown(socket.SHUT_WR)
        status, problem = response_to(connection)

        assert (status, problem["code"]) == (400, "body_cut_short")
        assert contents(stack.volume) == before

    def test_a_truncated_form_is_rejected_and_leaves_no_file(self, stack: Stack, connection: socket.socket) -> None:
        before = contents(stack.volume)
        head = request("/v1/datasets?name=short", len(FORM), "multipart/form-data; boundary=boundary")

        connection.sendall(head + FORM[:-100])
        connection.shutdown(socket.SHUT_WR)
        status, problem = response_to(connection)

        assert (status, problem["code"]) == (400, "body_cut_short")
        assert contents(stack.volume) == before

    def test_a_truncated_json_body_is_rejected(self, connection: socket.socket) -> None:
        connection.sendall(request("/v1/training-jobs", 100, "application/json") + b'{"model": "toy", ')
        connection.shutdown(socket.SHUT_WR)
        status, problem = response_to(connection)

        assert status == 400
        assert problem["status"] == 400

    def test_a_truncated_archive_is_rejected_and_makes_no_job(self, stack: Stack, connection: socket.socket) -> None:
        before, jobs = contents(stack.volume), stack.get("/v1/jobs?kind=batch")
        archive = zip_of_images(easy_images(5)[0])

        connection.sendall(request("/v1/batch-jobs?model=any", len(archive)) + archive[:-1])
        connection.shutdown(socket.SHUT_WR)
        status, problem = response_to(connection)

        assert (status, problem["code"]) == (400, "body_cut_short")
        assert contents(stack.volume) == before
        assert stack.get("/v1/jobs?kind=batch") == jobs

    def test_a_client_that_dies_leaves_no_file(self, stack: Stack, connection: socket.socket) -> None:
        before = contents(stack.volume)

        connection.sendall(request("/v1/datasets?name=short", 10_000_000) + bytes(3_000_000))
        eventually(lambda: files_below(stack.volume.incoming))
        connection.close()

        eventually(lambda: contents(stack.volume) == before)


def test_a_form_in_small_pieces_is_read_whole(stack: Stack, connection: socket.socket) -> None:
    head = request("/v1/datasets?name=pieces", len(FORM), "multipart/form-data; boundary=boundary")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for start in range(0, len(head + FORM), 61):
        connection.sendall((head + FORM)[start : start + 61])

    assert connection.recv(65536).startswith(b"HTTP/1.1 20")
    assert stack.get("/v1/datasets/pieces")["splits"] == {"train": 60, "test": 30}


def test_a_chunked_upload_without_a_length_is_rejected(stack: Stack) -> None:
    response = stack.http.post("/v1/datasets?name=chunks", content=iter([UPLOAD]))

    assert (response.status_code, response.json()["code"]) == (411, "length_required")


def test_chunked_json_is_accepted_up_to_its_limit(stack: Stack) -> None:
    def post(content: bytes) -> tuple[int, str]:
        response = stack.http.post(
            "/v1/training-jobs", content=iter([content]), headers={"Content-Type": "application/json"}
        )
        return response.status_code, response.json()["code"]

    assert post(b'{"model": "toy", "dataset": "unknown"}') == (404, "dataset_not_found")
    assert post(b'{"model": "' + b"a" * 1024 * 1024 + b'"}') == (413, "body_too_large")


def test_a_request_after_a_rejected_one_has_its_own_response(stack: Stack) -> None:
    """The server does not read the rest of an unread body as the next request."""
    for _ in range(3):
        rejected = stack.http.post("/v1/datasets?name=Not+A+Name", content=UPLOAD)
        assert rejected.status_code == 422
        assert stack.http.post("/v1/batch-jobs?model=unknown", content=UPLOAD).status_code == 404
        assert stack.http.get("/healthz").status_code == 200


def test_an_unknown_route_is_a_problem(stack: Stack) -> None:
    response = stack.http.get("/v1/unknown", headers={"X-Request-Id": "mine-1"})

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-Id"] == "mine-1"
    assert response.json()["code"] == "not_found"


class TestMalformedRequests:
    @pytest.mark.parametrize(
        ("sent", "status", "code"),
        [
            (b"nonsense\r\n\r\n", 400, "malformed_request"),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n", 400, "malformed_request"),
            (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "request_uri_too_long"),
            (
                b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
                431,
                "request_header_fields_too_large",
            ),
            (b"GET / HTTP/1.1\r\nHost: localhost\n\n", 400, "malformed_request"),
            (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "not_implemented"),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: wonders\r\n\r\n", 417, "expectation_failed"),
        ],
    )
    def test_a_malformed_request_gets_a_problem(
        self, connection: socket.socket, sent: bytes, status: int, code: str
    ) -> None:
        connection.sendall(sent)

        received, problem = response_to(connection)

        assert (received, problem["code"]) == (status, code)

    @pytest.mark.parametrize("chunks", [b"zz\r\n{}\r\n0\r\n\r\n", b'5\r\n{"mod'], ids=["no number", "cut off"])
    def test_malformed_chunks_are_reported_as_such(self, connection: socket.socket, chunks: bytes) -> None:
        connection.sendall(
            b"POST /v1/training-jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + chunks
        )
        connection.shutdown(socket.SHUT_WR)

        status, problem = response_to(connection)

        assert (status, problem["code"]) == (400, "body_cut_short")


def test_options_of_the_server_lists_its_methods(connection: socket.socket) -> None:
    connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")

    head = connection.recv(65536)

    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nAllow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n" in head


@pytest.mark.parametrize(("length", "stays_open"), [(1000, True), (10_000_000, False)])
def test_the_response_announces_whether_the_connection_stays_open(
    connection: socket.socket, length: int, stays_open: bool
) -> None:
    """A small unread body is discarded; after a large one the server closes the connection and announces that."""
    connection.sendall(request("/v1/nowhere", length) + bytes(1000))

    head = connection.recv(65536).lower()

    assert head.startswith(b"http/1.1 404 ")
    assert (b"connection: keep-alive" in head) is stays_open
    assert (b"connection: close" in head) is not stays_open
