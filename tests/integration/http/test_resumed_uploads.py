"""A resumable upload continues after the death of the API, and after a line that broke without a sign."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
from pathlib import Path

from tests.support.servers.api_server import ApiServer, running_api
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually

TUS = {"Tus-Resumable": "1.0.0"}
DATABASE = 4
CONTENT = random.Random(0).randbytes(3 << 20)
SENT = 2 << 20


def head_of(api: ApiServer, url: str) -> int:
    return int(api.http.head(url, headers=TUS).headers["Upload-Offset"])


def beginning(api: ApiServer, url: str, offset: int, upto: int) -> socket.socket:
    """Send the first bytes of a PATCH that has more, and keep the connection open."""
    request = (
        f"PATCH {url} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n"
        f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(CONTENT) - offset}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", api.port), timeout=60)
    connection.sendall(request.encode() + CONTENT[offset:upto])
    return connection


def rest(api: ApiServer, url: str) -> bool:
    """Send what is missing; return whether the upload accepted it."""
    offset = head_of(api, url)
    headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    return api.http.patch(url, content=CONTENT[offset:], headers=headers).status_code == 204


def test_upload_continues_after_the_api_was_killed(tmp_path: Path, redis_server: RedisServer) -> None:
    with running_api(tmp_path, redis_server.url(DATABASE)) as api:
        created = api.http.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(CONTENT))})
        url = created.headers["Location"]
        with beginning(api, url, 0, SENT):
            eventually(lambda: head_of(api, url) > 0, within=60.0)
            reported = head_of(api, url)
            for process in api.process_ids():
                os.kill(process, signal.SIGKILL)

            eventually(lambda: _answers(api), within=60.0)
            assert reported <= head_of(api, url) <= SENT
            eventually(lambda: rest(api, url), within=60.0)

    (data,) = (tmp_path / "volume" / "uploads").glob("*/*/data")
    assert hashlib.sha256(data.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()


def _answers(api: ApiServer) -> bool:
    try:
        return api.http.get("/healthz").is_success
    except Exception:
        return False
