"""The gateway: slow clients, event streams, limits, the client's address, TLS."""

from __future__ import annotations

import http.client
import json
import re
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

SLOW_CLIENTS = 200  # fewer than GLASSBOX_MAX_CONNECTIONS_PER_ADDRESS
PER_ADDRESS = 256
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


def test_one_address_cannot_take_all_connections(deployment: Deployment) -> None:
    with ExitStack() as clients:

        def connect(count: int) -> None:
            for _ in range(count):
                clients.enter_context(begun(deployment, "/v2/models/digits/infer"))

        def refused() -> bool:
            response = deployment.send("GET", "/v1/models")
            if response.status == 200:
                connect(5)  # the engine's proxy may have dropped some
            assert (response.status, response.json().get("code")) == (429, "too_many_connections"), response.content
            return True

        connect(PER_ADDRESS + 50)
        eventually(refused, within=25, interval=0.2)  # less than the gateway waits for a body
        assert deployment.send("GET", "/healthz").status == 200
        assert deployment.send("GET", "/v1/models").headers["Retry-After"] == "1"
    eventually(lambda: deployment.send("GET", "/v1/models").status == 200)


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


REFUSALS: list[tuple[str, dict[str, str], int]] = [
    ("/v1/datasets?name=x", {"Idempotency_Key": '"'}, 400),
    ("/v1/training-jobs", {"Host": "evil.example"}, 403),
    ("/v1/models/nosuch/versions/1/predict", {"Content_Type": "image/png"}, 404),
    ("/v1/healthz", {}, 404),
    ("/v1/training-jobs", {"Content_Type": "text/plain"}, 415),
    ("/v1/datasets", {}, 422),
]


@pytest.mark.parametrize(("path", "headers", "status"), REFUSALS)
@pytest.mark.parametrize("size", [300 << 10, MiB, 8 * MiB])
def test_an_early_refusal_of_a_large_body_arrives(
    deployment: Deployment, path: str, headers: dict[str, str], status: int, size: int
) -> None:
    assert [deployment.send("POST", path, bytes(size), **headers).status for _ in range(10)] == [status] * 10


@pytest.mark.parametrize("size", [2 * MiB, 32 * MiB])  # above the API's limit, and above the gateway's
def test_the_refusal_of_a_body_for_its_size_arrives(deployment: Deployment, size: int) -> None:
    for _ in range(10):
        response = deployment.send("POST", "/v1/training-jobs", bytes(size), Content_Type="application/json")
        assert (response.status, response.json()["code"]) == (413, "body_too_large")


def test_an_upload_without_a_length_is_refused(deployment: Deployment) -> None:
    connection = deployment.connection()
    connection.request(
        "POST", "/v1/datasets?name=x", iter([bytes(MiB)] * 8), encode_chunked=True
    )  # http.client chunks it
    assert connection.getresponse().status == 411
    connection.close()


ERRORS = {
    b"GET /v2/x HTTP/1.1\r\nHost: a b\r\n\r\n": 400,
    b"GET /v2/ x y HTTP/1.1\r\nHost: a\r\n\r\n": 400,
    b"\x01\x02\r\n\r\n": 400,
    b"TRACE /v2/x HTTP/1.1\r\nHost: a\r\n\r\n": 405,
    b"POST /v2/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n": 413,
    b"GET /v2/" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n": 414,
    b"GET /v2/x HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n": 431,
    b"POST /v2/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: unknown\r\n\r\n": 501,
    b"GET /v2/x HTTP/3.1\r\nHost: a\r\n\r\n": 505,
    b"GET /-/error HTTP/1.1\r\nHost: a\r\n\r\n": 404,
    b'GET /v1/"\\ HTTP/3.1\r\nHost: a\r\n\r\n': 505,  # characters that JSON escapes
}


@pytest.mark.parametrize(("request_bytes", "status"), ERRORS.items(), ids=[str(key[:20]) for key in ERRORS])
def test_an_error_of_the_gateway_is_a_problem(deployment: Deployment, request_bytes: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", deployment.port), timeout=30) as client:
        client.sendall(request_bytes)
        response = http.client.HTTPResponse(client)
        response.begin()
        problem = json.loads(response.read())

    assert (response.status, problem["status"]) == (status, status)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-Id"]
    assert problem["code"]
    assert ("error" in problem) == (b" /v2/" in request_bytes)
    assert (response.headers["Allow"] is not None) == (status == 405)


def test_a_large_upload_is_forwarded_completely(deployment: Deployment) -> None:
    response = deployment.send("POST", "/v1/datasets?name=zeros", bytes(200 * MiB))
    assert response.status == 415, response.content  # read to its end and validated: it is not a data set


def test_a_response_has_each_header_once(deployment: Deployment) -> None:
    for path in ("/v1/models", "/docs", "/ui/", "/no-such-page", "/readyz"):
        headers = deployment.send("GET", path, X_Request_Id="one-of-mine").headers
        names = [name.lower() for name in headers]
        assert len(names) == len(set(names)), names
        assert headers["X-Request-Id"] == "one-of-mine"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_dashboard_arrives_with_its_policy_and_its_modules(deployment: Deployment) -> None:
    document = deployment.send("GET", "/ui/models/digits")
    assert "require-trusted-types-for 'script'" in document.headers["Content-Security-Policy"]
    module = re.search(rb'src="(/ui/assets/[^"]+/main\.js)"', document.content)
    assert module is not None
    response = deployment.send("GET", module[1].decode())
    assert (response.status, response.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert "immutable" in response.headers["Cache-Control"]


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

        upstream = ("cat", "/tmp/gateway/upstream.conf")  # noqa: S108 - in the container
        eventually(lambda: " down;" in deployment.run_in("gateway", *upstream).stdout)  # the API's name is gone
        for path, body in (("/v1/models", None), ("/v1/models", bytes(MiB))):
            response = deployment.send("POST", path, body)
            assert (response.status, response.json()["code"]) == (502, "api_unavailable")
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


@pytest.fixture(scope="class")
def keyed(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with an API that requires keys."""
    keys = {"GLASSBOX_API_KEYS_FILE": "/etc/glassbox/keys"}
    for name, scopes in (("reader", "read"), ("writer", "submit")):
        command = ("python", "-m", "api.auth.admin", "keys", "create", name, "--scopes", scopes)
        made = deployment.run_new("api", *command, **keys)
        assert made.stdout.startswith("glassbox_"), made.stderr
        deployment.environment[name] = made.stdout.strip()
    deployment.up("--no-deps", "api", **keys)
    try:
        yield deployment
    finally:
        deployment.up("--no-deps", "api")


class TestKeys:
    @pytest.mark.parametrize("length", ["Content-Length: 8000000", "Transfer-Encoding: chunked"])
    def test_a_key_is_checked_before_the_body_is_received(self, keyed: Deployment, length: str) -> None:
        with socket.create_connection(("127.0.0.1", keyed.port), timeout=30) as client:
            head = f"POST /v1/models/x/versions/1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n\r\n"
            client.sendall(head.encode())  # and nothing of the body
            response = http.client.HTTPResponse(client)
            response.begin()

            assert (response.status, json.loads(response.read())["code"]) == (401, "key_missing")
            assert response.headers["WWW-Authenticate"]

    def test_a_refusal_for_the_key_arrives_while_a_large_body_is_being_sent(self, keyed: Deployment) -> None:
        reader = f"Bearer {keyed.environment['reader']}"
        for size in (300 << 10, 8 * MiB):
            for path in ("/v1/models/x/versions/1/predict", "/v1/datasets?name=x", "/v2/models/x/infer"):
                assert keyed.send("POST", path, bytes(size)).status == 401
            refused = keyed.send("POST", "/v1/training-jobs", bytes(size), Authorization=reader)
            assert (refused.status, refused.json()["code"]) == (403, "scope_missing")

    def test_a_large_body_with_a_key_reaches_the_api(self, keyed: Deployment) -> None:
        writer = f"Bearer {keyed.environment['writer']}"
        response = keyed.send("POST", "/v1/models/x/versions/1/predict", bytes(MiB), Authorization=writer)
        assert (response.status, response.json()["code"]) == (404, "model_not_found")

    def test_a_large_body_is_refused_at_once_if_the_api_does_not_answer(self, keyed: Deployment) -> None:
        keyed.compose("stop", "api")
        try:
            response = keyed.send("POST", "/v2/models/x/infer", bytes(MiB))
            assert (response.status, response.json()["code"]) == (502, "api_unavailable")
            assert response.json()["error"]
        finally:
            keyed.compose("start", "api")
        eventually(lambda: keyed.send("GET", "/v1/models").status == 401)


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
