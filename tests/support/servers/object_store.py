"""A real S3-compatible object store (SeaweedFS), and a proxy before it that injects faults."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from shared.storage.objects.bucket import Bucket, StoreAccess
from shared.storage.objects.faults import StoreError
from tests.support.network import free_ports
from tests.support.programs.processes import Process
from tests.support.servers.http_server import QuietHandler, running_server
from tests.support.waiting import eventually

KEY, SECRET = "tests-key", "tests-secret-of-16"
PARTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port.grpc",
)


class ObjectStore(Process):
    """One store, with its data in `folder`; a bucket is created by the first object in it."""

    def __init__(self, folder: Path) -> None:
        names = ("s3.port", *PARTS)
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.port = ports["s3.port"]
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        configuration = folder / "s3.json"
        configuration.write_text(json.dumps({"identities": [identity]}))
        options = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-volume.max=200", "-metricsPort=0"]
        options += [
            "-master.volumeSizeLimitMB=64",
            "-s3",
            f"-s3.config={configuration}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        options += [f"-{name}={port}" for name, port in ports.items()]
        super().__init__("weed", [Path(sys.prefix) / "bin" / "weed", f"-logdir={folder}", "server", *options], folder)
        try:
            eventually(self._responds, within=60.0)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill it: it would wait for its connections, and its data are not kept."""
        self.kill()

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def _responds(self) -> bool:
        self.check_alive()
        try:
            return bool(Bucket("ready", access_to(self.url)).put("ready", b"x"))
        except StoreError:
            return False


@contextmanager
def running_store(folder: Path) -> Iterator[ObjectStore]:
    """Run a store, again if another program has taken one of its ports before it."""
    for tries in range(5):
        own = folder / str(tries)
        own.mkdir()
        try:
            store = ObjectStore(own)
        except RuntimeError:
            if tries == 4:
                raise
        else:
            with store:
                yield store
            return


def access_to(url: str, **others: Any) -> StoreAccess:
    """Return the access to a store at this endpoint."""
    return replace(StoreAccess(url, access_key_id=KEY, secret_access_key=SECRET), **others)


@dataclass
class Fault:
    """What the proxy does to a response: another status, the content cut after some bytes, or nothing for `wait`.

    before: is called before the request is sent on, such as to change the object. etag: replaces that of the response.
    status_of_ranges: replaces 206.
    """

    status: int | None = None
    cut_after: int | None = None
    wait: Callable[[], object] | None = None
    before: Callable[[], object] | None = None
    etag: str | None = None
    status_of_ranges: int = 206


@dataclass
class Proxy:
    """The faults of the next requests, in order; None for a request without one. After them all requests succeed."""

    port: int
    target: int
    faults: list[Fault | None] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range
    always: Fault | None = None

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def next_fault(self) -> Fault:
        """Remove and return the next fault."""
        return (self.faults.pop(0) if self.faults else self.always) or Fault()


def faster_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests be repeated without long pauses."""
    monkeypatch.setattr("shared.storage.objects.bucket.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("shared.storage.objects.bucket.LONGEST_PAUSE", 0.02)


@contextmanager
def proxy_before(target: int) -> Iterator[Proxy]:
    """Run a proxy before the store on this port."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            proxy.requests.append((self.command, self.path, self.headers.get("Range", "")))
            fault = proxy.next_fault()
            if fault.before:
                fault.before()
            if fault.wait:
                fault.wait()
                self.close_connection = True
                return
            if fault.status:
                error = b"<Error><Code>SlowDown</Code></Error>" if fault.status == 503 else b""
                self.send_response(fault.status)
                self.send_header("Content-Length", str(len(error)))
                self.end_headers()
                self.wfile.write(error)
                return
            connection = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=30)
            try:
                connection.request(self.command, self.path, body, dict(self.headers))
                response = connection.getresponse()
                content = response.read()
                self.send_response_only(fault.status_of_ranges if response.status == 206 else response.status)
                for name, value in response.getheaders():
                    if name.lower() not in {"transfer-encoding", "connection"}:
                        self.send_header(name, fault.etag if fault.etag and name.lower() == "etag" else value)
                self.end_headers()
                self.wfile.write(content if fault.cut_after is None else content[: fault.cut_after])
                self.close_connection = fault.cut_after is not None
            finally:
                connection.close()

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815 - the names in http.server

    with running_server(Handler) as port:
        proxy = Proxy(port, target)
        yield proxy
