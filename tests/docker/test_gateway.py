"""The gateway: slow clients, event streams, limits, the client's address, TLS."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.event_streams import read_events
from tests.support.servers.deployment import Deployment, inspect
from tests.support.waiting import eventually

SLOW_CLIENTS = 300
UPLOADS = 48
GiB = 1024**3
MiB = 1024**2
CONNECTIONS = (
    "print(sum(line.split()[1].endswith(':1F40') and line.split()[3] == '01' for line in open('/proc/net/tcp')))"
)


def begun(deployment: Deployment, path: str, length: int = 1000, body: bytes = b"{") -> socket.socket:
    """Send a request that announces `length` bytes and stops after the first."""
    client = socket.create_connection(("127.0.0.1", deployment.port), timeout=30)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    client.sendall(head.encode() + body)
    return client


def test_the_api_does_not_receive_incomplete_requests(deployment: Deployment) -> None:
    with ExitStack() as clients:
        for _ in range(SLOW_CLIENTS):
            clients.enter_context(begun(deployment, "/v1/training-jobs"))

        started = time.monotonic()
        deployment.request("GET", "/v1/models")
        assert time.monotonic() - started < 1
        assert int(deployment.python_in("api", CONNECTIONS)) < SLOW_CLIENTS // 10  # the idle kept-alive connections


def test_uploads_in_progress_do_not_block_other_requests(deployment: Deployment) -> None:
    with ExitStack() as clients:
        for _ in range(UPLOADS):
            clients.enter_context(begun(deployment, "/v1/datasets?name=slow"))
        eventually(lambda: int(deployment.python_in("api", CONNECTIONS)) >= UPLOADS)

        refused = deployment.send("POST", "/v1/datasets?name=more", b"{}")
        assert (refused.status, refused.json()["code"]) == (503, "too_many_uploads")
        assert refused.headers["Retry-After"] == "5"
        deployment.request("GET", "/v1/models")
    eventually(lambda: deployment.send("POST", "/v1/datasets?name=more", b"{}").status != 503)


def test_events_arrive_while_the_job_runs(deployment: Deployment) -> None:
    job = deployment.submit_training(model="streamed", epochs=8)
    connection = deployment.connection()
    try:
        connection.request("GET", f"/v1/jobs/{job['id']}/events", headers={"Accept": "text/event-stream"})
        response = connection.getresponse()
        events = read_events(line.decode().rstrip("\n") for line in response)
        first_epoch = next(event for event in events if event.type == "epoch")
        assert first_epoch.data["progress"]["done"] == 1
        assert deployment.get(f"/v1/jobs/{job['id']}")["state"] == "running"
        assert [event.data["state"] for event in events if event.type == "state"] == ["succeeded"]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "length"), [("/v1/datasets?name=big", 2 * GiB + 1), ("/v1/training-jobs", 20 * MiB + 1)]
)
def test_a_body_above_the_limit_is_refused_by_its_content_length(
    deployment: Deployment, path: str, length: int
) -> None:
    with begun(deployment, path, length) as client:
        response = client.recv(65536).decode()

    head, _, body = response.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 413 ")
    assert "content-type: application/problem+json" in head.lower()
    assert json.loads(body)["code"] == "body_too_large"


def test_the_rejection_of_an_upload_arrives_while_its_body_is_being_sent(deployment: Deployment) -> None:
    for _ in range(10):
        response = deployment.send("POST", "/v1/batch-jobs?model=no-such-model", bytes(32 * MiB))
        assert (response.status, response.json()["code"]) == (404, "model_not_found")


def test_a_large_upload_is_forwarded_completely(deployment: Deployment) -> None:
    response = deployment.send("POST", "/v1/datasets?name=zeros", bytes(200 * MiB))
    assert response.status == 415, response.content  # read to its end and validated: it is not a data set


def test_a_response_has_each_header_once(deployment: Deployment) -> None:
    for path in ("/v1/models", "/docs", "/no-such-page", "/readyz"):
        headers = deployment.send("GET", path, X_Request_Id="one-of-mine").headers
        names = [name.lower() for name in headers]
        assert len(names) == len(set(names)), names
        assert headers["X-Request-Id"] == "one-of-mine"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_both_logs_have_the_same_id_and_address_for_a_request(deployment: Deployment) -> None:
    name = deployment.send("GET", "/v1/models", X_Forwarded_For="6.6.6.6").headers["X-Request-Id"]

    def lines() -> list[str]:
        return [
            line["client"]
            for service in ("gateway", "api")
            for line in deployment.logs(service)
            if line.get("request_id") == name
        ]

    eventually(lambda: len(lines()) == 2)
    of_gateway, of_api = lines()
    own = {network["IPAddress"] for network in deployment.inspect("gateway")["NetworkSettings"]["Networks"].values()}
    assert of_gateway == of_api != "6.6.6.6"
    assert of_api not in own


def test_the_api_validates_the_host_that_the_client_sent(deployment: Deployment) -> None:
    response = deployment.send("GET", "/v1/models", Host="evil.example")
    assert (response.status, response.json()["code"]) == (403, "host_not_local")


def test_the_gateway_reports_an_unavailable_api_and_finds_it_again(deployment: Deployment) -> None:
    deployment.compose("stop", "api")
    try:
        response = deployment.send("GET", "/v1/models")
        assert response.status in {502, 504}  # refused, or no response
        assert response.json()["code"] == "api_unavailable"
        assert response.headers["Retry-After"] == "2"
        assert response.headers["X-Request-Id"]
    finally:
        deployment.up("--no-deps", "--force-recreate", "api")
    eventually(lambda: deployment.send("GET", "/v1/models").status == 200)


def test_the_gateway_finds_an_api_at_another_address(deployment: Deployment) -> None:
    network = f"{deployment.project}_frontend"
    api = deployment.container("api")

    def address() -> str:
        found: str = inspect(api)["NetworkSettings"]["Networks"][network]["IPAddress"]
        return found

    before = address()
    subprocess.run(["docker", "network", "disconnect", network, api], check=True)
    image = deployment.inspect("gateway")["Image"]
    command = ["docker", "run", "--rm", "--detach", "--network", network, "--entrypoint", "sleep", image, "300"]
    other = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()  # takes the address
    try:
        subprocess.run(["docker", "network", "connect", "--alias", "api", network, api], check=True)
        assert address() != before
        eventually(lambda: deployment.send("GET", "/v1/models").status == 200, 5)
    finally:
        subprocess.run(["docker", "rm", "--force", other], stdout=subprocess.PIPE, check=True)


@pytest.mark.parametrize("service", ["gateway", "api"])
def test_health_checks_are_not_in_the_access_logs(deployment: Deployment, service: str) -> None:
    checks = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
    for path in checks:
        assert deployment.send("GET", path).status == 200
    last = deployment.send("GET", "/v1/models").headers["X-Request-Id"]

    eventually(lambda: last in {line.get("request_id") for line in deployment.logs(service)})
    messages = [line["message"] for line in deployment.logs(service)]
    assert [message for message in messages if message.split()[1:2] and message.split()[1] in checks] == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with a certificate for 127.0.0.1, and its key."""
    folder = tmp_path / "tls"
    folder.mkdir()
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=glassbox", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", folder / "tls.key", "-out", folder / "tls.crt"),
        ],
        capture_output=True,
        check=True,
    )
    (folder / "tls.key").chmod(0o444)  # for the container's user; an operator changes the owner to the uid 10001
    return folder


class TestTls:
    @pytest.fixture
    def encrypted(self, deployment: Deployment, certificate: Path) -> Iterator[Deployment]:
        """The gateway with a certificate."""
        deployment.up("--no-deps", "gateway", GLASSBOX_TLS=str(certificate))
        try:
            yield deployment
        finally:
            deployment.up("--no-deps", "gateway")

    def test_tls_needs_only_a_certificate(self, encrypted: Deployment, certificate: Path) -> None:
        trusted = ssl.create_default_context(cafile=str(certificate / "tls.crt"))
        with urllib.request.urlopen(f"https://127.0.0.1:{encrypted.port}/readyz", context=trusted) as response:
            assert json.load(response)["status"] == "ready"

        plain = encrypted.send("POST", "/v1/training-jobs?a=b", b"{}")
        assert plain.status == 308
        assert plain.headers["Location"] == f"https://127.0.0.1:{encrypted.port}/v1/training-jobs?a=b"


def test_a_file_that_is_not_the_certificates_key_is_named_in_one_line(
    deployment: Deployment, certificate: Path
) -> None:
    shutil.copy(certificate / "tls.crt", certificate / "tls.key")
    environment = {**deployment.environment, "GLASSBOX_TLS": str(certificate)}
    command = ("docker", "compose", "--project-name", deployment.project, "run", "--rm", "--no-deps", "--no-TTY")

    done = subprocess.run([*command, "gateway"], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    [line] = [line for line in done.stderr.splitlines() if "tls.key" in line]
    assert line.startswith("glassbox: nginx cannot use the certificate that GLASSBOX_TLS names: ")
    assert "make deploy" in line


def test_the_gateway_does_not_start_if_the_configured_certificate_is_missing(deployment: Deployment) -> None:
    done = deployment.run_new("gateway", GLASSBOX_TLS="/nowhere")
    assert done.returncode != 0
    assert "cannot read /etc/glassbox/tls/tls.crt" in done.stderr
