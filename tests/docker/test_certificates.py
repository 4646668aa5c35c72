"""The certificate of a domain, from a certificate authority in the deployment (Pebble)."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.network import free_port
from tests.support.programs.processes import ROOT
from tests.support.servers.deployment import UP_SECONDS, Deployment, Json, Response
from tests.support.waiting import eventually

ACME = ROOT / "tests" / "docker" / "acme"
DOMAIN = "glassbox.example.org"
SERVICES = ("certificates", "gateway", "api", "redis", "preflight", "secrets", "pebble")


class Domain(Deployment):
    """The deployment with a domain, and with Pebble as the authority. It runs no jobs, so it has no workers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(files=("docker-compose.yml", "tests/docker/acme/pebble.yml"))
        self.http_port, self.authority_port = free_port(), free_port()
        self.trusted: ssl.SSLContext | None = None
        authority_certificate(folder)
        self.environment |= {
            "GLASSBOX_DOMAIN": DOMAIN,
            "GLASSBOX_PUBLISHED_ON": "127.0.0.1",
            "GLASSBOX_HTTP_PORT": str(self.http_port),
            "GLASSBOX_ACME_EMAIL": "operator@example.org",
            "GLASSBOX_ACME_DIRECTORY": "https://pebble:14000/dir",
            "GLASSBOX_ACME_CA": str(folder / "tls.crt"),
            "GLASSBOX_TEST_PEBBLE": str(ACME),
            "GLASSBOX_TEST_PEBBLE_PORT": str(self.authority_port),
            "GLASSBOX_TEST_PEBBLE_TLS": str(folder),
        }

    def start(self) -> None:
        """Create a key, then start, as documented."""
        self.compose("build", "--quiet", *SERVICES)
        made = self.run_new("api", "python", "-m", "api.auth.admin", "keys", "create", "test", "--scopes", "manage")
        assert made.returncode == 0, made.stderr
        self.up(*SERVICES)
        self.trusted = ssl.create_default_context(cadata=self.root())
        eventually(self.serial)  # a busy host reloads with a delay

    def root(self) -> str:
        """Return the authority's root certificate, in PEM; Pebble generates a new one at each start."""
        untrusted = ssl.create_default_context()
        untrusted.check_hostname, untrusted.verify_mode = False, ssl.CERT_NONE
        url = f"https://127.0.0.1:{self.authority_port}/roots/0"
        with urllib.request.urlopen(url, context=untrusted) as response:
            root: str = response.read().decode()
            return root

    @contextmanager
    def tls(self) -> Iterator[ssl.SSLSocket]:
        """Connect to the HTTPS port by the domain's name, and verify the certificate."""
        assert self.trusted is not None
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=30) as plain,
            self.trusted.wrap_socket(plain, server_hostname=DOMAIN) as encrypted,
        ):
            yield encrypted

    def serial(self) -> str:
        """Return the serial number of the certificate that a new connection gets."""
        with self.tls() as connection:
            certificate = connection.getpeercert()
            assert certificate is not None
            return str(certificate["serialNumber"])

    def serial_on_the_volume(self) -> str:
        """Return the serial number of the certificate in the file that the gateway reads."""
        program = (
            "from cryptography import x509; from pathlib import Path;"
            "pem = Path('/srv/certificates/tls.pem').read_bytes();"
            "print(f'{x509.load_pem_x509_certificates(pem)[0].serial_number:X}')"
        )
        printed = self.python_in("certificates", program)
        return printed.zfill(len(printed) + len(printed) % 2)  # whole bytes, as the ssl module writes it

    def status(self, path: str) -> int:
        """Send one HTTPS request on a new connection; return the status."""
        with self.tls() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            response.read()
            return response.status

    def send_plain(self, method: str, path: str) -> Response:
        """Send one request to the port for plain HTTP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
        try:
            connection.request(method, path, headers={"Host": f"{DOMAIN}:{self.http_port}"})
            return Response(connection.getresponse())
        finally:
            connection.close()

    def messages(self) -> list[Json]:
        """Return the log of the certificates service."""
        return self.logs("certificates")


def authority_certificate(folder: Path) -> None:
    """Write Pebble's own certificate, which its clients trust by GLASSBOX_ACME_CA."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=pebble", "-addext", "subjectAltName=DNS:pebble"),
            *("-keyout", folder / "tls.key", "-out", folder / "tls.crt"),
        ],
        capture_output=True,
        check=True,
    )
    folder.chmod(0o755)
    (folder / "tls.key").chmod(0o444)  # for the container's user


@pytest.fixture(scope="module")
def domain(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    deployment = Domain(tmp_path_factory.mktemp("authority"))
    try:
        deployment.start()
        yield deployment
    except BaseException:
        deployment.print_logs()
        raise
    finally:
        deployment.down()


def test_a_certificate_needs_only_a_domain(domain: Domain) -> None:
    assert domain.status("/readyz") == 200
    [message] = [line["message"] for line in domain.messages() if line["level"] == "info"]
    assert message.startswith(f"the gateway gets a new certificate for {DOMAIN}, valid until")
    assert domain.inspect("certificates")["State"]["Health"]["Status"] == "healthy"


def test_api_of_a_domain_requires_a_key_even_on_loopback(domain: Domain) -> None:
    assert domain.status("/v1/models") == 401


def test_plain_http_is_redirected_to_https(domain: Domain) -> None:
    response = domain.send_plain("POST", "/v1/training-jobs?a=b")
    assert response.status == 308
    assert response.headers["Location"] == f"https://{DOMAIN}:{domain.port}/v1/training-jobs?a=b"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/.well-known/acme-challenge/absent", 404),
        ("/.well-known/acme-challenge/../../tls.pem", 308),
        ("/.well-known/acme-challenge/..%2f..%2f..%2ftls.pem", 400),
    ],
)
def test_without_tls_only_challenges_are_served(domain: Domain, path: str, status: int) -> None:
    assert domain.send_plain("GET", path).status == status


def test_keys_are_readable_for_one_user_and_the_account_for_one_container(domain: Domain) -> None:
    listed = domain.run_in("gateway", "stat", "--format", "%a %u", "/etc/glassbox/certificates/tls.pem").stdout
    assert listed.split() == ["400", "10001"]
    assert domain.run_in("gateway", "touch", "/etc/glassbox/certificates/new").returncode != 0
    volumes = {
        service: {mount.get("Name", "").rpartition("_")[2] for mount in domain.inspect(service)["Mounts"]}
        for service in SERVICES
        if service not in {"preflight", "secrets"}
    }
    assert [service for service in volumes if "acme" in volumes[service]] == ["certificates"]
    assert [service for service in volumes if "certificates" in volumes[service]] == ["certificates", "gateway"]


def test_service_of_the_certificates_reaches_no_other_service(domain: Domain) -> None:
    found = "import socket; print([h for h in ('redis', 'api', 'gateway') if not _fails(h)])"
    program = f"""
import socket
def _fails(host):
    try:
        socket.getaddrinfo(host, 1)
    except OSError:
        return True
{found}"""
    assert domain.python_in("certificates", program) == "[]"


def test_renewal_fails_no_request_and_breaks_no_connection(domain: Domain) -> None:
    before = domain.serial()
    stop = threading.Event()
    statuses: list[int | str] = []

    def poll() -> None:
        while not stop.is_set():
            try:
                statuses.append(domain.status("/healthz"))
            except OSError as error:
                statuses.append(repr(error))

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        with domain.tls() as connection:
            # The headers and half of the body before the renewal, the rest after it.
            head = (
                f"POST /v1/training-jobs HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
            )
            connection.sendall(head.encode() + b"{}")
            domain.compose("kill", "--signal", "USR1", "certificates")
            eventually(lambda: domain.serial() != before, within=60)
            connection.sendall(b"  ")
            response = http.client.HTTPResponse(connection)
            response.begin()
            assert response.status == 401
    finally:
        stop.set()
        poller.join()

    assert set(statuses) == {200}
    assert len(statuses) > 10


def test_certificate_survives_new_containers_without_a_new_request(domain: Domain) -> None:
    before = domain.serial_on_the_volume()

    domain.up("--force-recreate", "--no-deps", "gateway", "certificates")

    assert domain.serial_on_the_volume() == before
    assert domain.serial() == before


class TestFailures:
    @pytest.fixture
    def wrong_name(self, domain: Domain) -> Iterator[Domain]:
        """The deployment with a second name that no DNS record exists for."""
        names = f"{DOMAIN},absent.example.org"
        domain.compose("up", "--detach", "--no-deps", "certificates", check=True, GLASSBOX_DOMAIN=names)
        yield domain
        domain.up("--no-deps", "certificates")

    def test_name_without_dns_is_logged_with_the_remedy_and_leaves_the_api_as_it_was(self, wrong_name: Domain) -> None:
        before = wrong_name.serial()

        def logged() -> str:
            return "".join(line["message"] for line in wrong_name.messages() if line["level"] == "error")

        message = eventually(logged, within=60)

        assert "absent.example.org: " in message
        assert "DNS records (A, AAAA) lead to this host" in message
        assert f"The gateway's certificate for {DOMAIN} is valid until" in message
        assert "docker compose kill --signal HUP certificates" in message
        assert wrong_name.status("/readyz") == 200
        assert wrong_name.serial() == before
        assert wrong_name.inspect("gateway")["State"]["Health"]["Status"] == "healthy"

    def test_invalid_domain_name_is_refused_before_a_request(self, domain: Domain) -> None:
        done = domain.run_new("certificates", GLASSBOX_DOMAIN="https://glassbox.example.org")
        assert done.returncode == 1
        assert "GLASSBOX_DOMAIN has 'https://glassbox.example.org', which is not a public domain name" in done.stderr

    def test_domain_together_with_the_operators_own_certificate_is_refused(self, domain: Domain) -> None:
        done = domain.run_new("gateway", GLASSBOX_TLS="/somewhere")
        assert done.returncode != 0
        assert "GLASSBOX_TLS and GLASSBOX_DOMAIN are both set" in done.stderr


def test_gateway_without_the_authority_serves_a_temporary_certificate(engine: None, tmp_path: Path) -> None:
    """At the first start without the authority, the gateway is encrypted and reachable, and `up --wait` reports it."""
    deployment = Domain(tmp_path)
    services = [service for service in SERVICES if service != "pebble"]
    try:
        deployment.compose("build", "--quiet", *services)
        deployment.run_new("api", "python", "-m", "api.auth.admin", "keys", "create", "test", "--scopes", "manage")
        started = deployment._run(
            [
                *("docker", "compose", "--project-name", deployment.project),
                *("up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), *services),
            ]
        )

        assert started.returncode != 0
        assert "certificates-1 is unhealthy" in started.stderr
        pem = ssl.get_server_certificate(("127.0.0.1", deployment.port))
        deployment.trusted = ssl.create_default_context(cadata=pem)
        assert deployment.status("/readyz") == 200
        message = deployment.messages()[0]["message"]
        assert "reaches the certificate authority" in message
        assert "serves a temporary certificate" in message
    finally:
        deployment.down()


def test_without_a_domain_there_is_no_certificates_service_and_one_port_on_loopback(engine: None) -> None:
    deployment = Deployment()
    described = json.loads(deployment.compose("config", "--format", "json", GLASSBOX_PORT=""))

    assert "certificates" not in described["services"]
    [port] = described["services"]["gateway"]["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "8000", 8000)


def test_with_a_domain_the_ports_are_those_of_the_web_on_all_addresses(engine: None) -> None:
    deployment = Deployment()
    described = json.loads(deployment.compose("config", "--format", "json", GLASSBOX_PORT="", GLASSBOX_DOMAIN=DOMAIN))

    ports = described["services"]["gateway"]["ports"]
    assert {port["host_ip"] for port in ports} == {"0.0.0.0"}  # noqa: S104 - the address that Compose publishes on
    assert [(port["published"], port["target"]) for port in ports] == [("443", 8000), ("80", 8080)]
    assert described["services"]["api"]["environment"]["GLASSBOX_API_KEYS_FILE"] == "/etc/glassbox/keys"
