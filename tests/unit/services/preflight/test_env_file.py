"""The check of `.env`: each problem is reported with its line, and correct lines are accepted."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from services.preflight.env_file import EXAMPLE, main, names_in, problems

NAMES = names_in(EXAMPLE.read_text())


def found(*lines: str) -> list[str]:
    return list(problems(lines, NAMES))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> None:
    """Restore the environment after the check."""
    for name in NAMES:
        monkeypatch.setenv(name, "")


def test_the_example_is_accepted_as_it_is_and_with_every_line_in_use() -> None:
    lines = EXAMPLE.read_text().splitlines()
    assert found(*lines) == []
    assert found(*(line.removeprefix("#") for line in lines if line.startswith(("#GLASSBOX_", "#OTEL_")))) == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "  # GLASSBOX_PROT=1",
        "GLASSBOX_PORT=9000",
        "export GLASSBOX_PORT = 9000",
        "GLASSBOX_PORT='9000' # ours",
        'GLASSBOX_LOG_LEVEL="debug"',
        "GLASSBOX_LOG_LEVEL=debug # while we look",
        "GLASSBOX_PORT=",
        "GLASSBOX_PORT=${OURS}",
        "GLASSBOX_CLASSIFIER_MEMORY_BYTES=none",
        "GLASSBOX_PUBLISHED_ON=::1",
        "GLASSBOX_OUTER_PROXIES=10.0.0.0/8, proxy.example",
        "GLASSBOX_DATA=./data",
        "GLASSBOX_TRAINER_MEMORY=1.5g",
        "GLASSBOX_REDIS_MAXMEMORY=512mb",
        "GLASSBOX_DOMAIN=glassbox.example.org, www.example.org",
        "GLASSBOX_IMAGES=registry.example:5000/team",
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
        "GLASSBOX_WEBHOOK_SECRETS=whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
        "GLASSBOX_METRICS_RETENTION=1w2d",
        "GLASSBOX_URL=http://127.0.0.1:9000",
        "COMPOSE_FILE=docker-compose.yml",
    ],
)
def test_a_correct_line_is_accepted(line: str) -> None:
    assert found(line) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("GLASSBOX_PROT=1", "line 2: there is no variable GLASSBOX_PROT. Did you mean GLASSBOX_PORT?"),
        ("glassbox_port=1", "line 2: there is no variable glassbox_port. Did you mean GLASSBOX_PORT?"),
        ("GLASSBOX_VOLUME=/x", "line 2: there is no variable GLASSBOX_VOLUME."),
        ("GLASSBOX_QQQQQQQQQQQQQQ=1", ".env.example lists all variables"),
        ("GLASSBOX_PORT", "line 2: 'GLASSBOX_PORT' is not of the form NAME=value"),
        ("GLASSBOX PORT=1", "not of the form NAME=value"),
        ("GLASSBOX_PORT=70000", "line 2: GLASSBOX_PORT is '70000'; it must be a port from 1 to 65535"),
        ("GLASSBOX_GRAFANA_PORT=0", "it must be a port from 1 to 65535"),
        ("GLASSBOX_PORT=http", "it must be a port"),
        ("GLASSBOX_TRAINERS=two", "it must be a number of containers from 1 to 64"),
        ("GLASSBOX_CLASSIFIERS=1000", "it must be a number of containers from 1 to 64"),
        ("GLASSBOX_MAX_UPLOADS=0", "it must be a whole number above 0"),
        ("GLASSBOX_MAX_CONNECTIONS_PER_ADDRESS=-1", "it must be a whole number; 0 for no limit"),
        ("GLASSBOX_API_MEMORY=4", "it must be a size such as 512m or 4g, 32m or more"),
        ("GLASSBOX_REDIS_MAXMEMORY=0", "it must be a size such as 512mb or 1gb"),
        (
            "GLASSBOX_REDIS_MAXMEMORY=4gb",
            "Redis may hold 4096 MiB (GLASSBOX_REDIS_MAXMEMORY), and its container has 2048",
        ),
        ("GLASSBOX_REDIS_MEMORY=512m", "GLASSBOX_REDIS_MAXMEMORY must be less, at best half"),
        ("GLASSBOX_HEARTBEAT_SECONDS=60", "a lease ends after 30 s (GLASSBOX_LEASE_SECONDS), before it is renewed"),
        ("GLASSBOX_LEASE_SECONDS=2", "a lease must be longer"),
        ("GLASSBOX_WEBHOOK_URL=receiver.example/hook", "the URL must begin with https:// or http://"),
        ("GLASSBOX_WEBHOOK_SECRETS=hunter2", "GLASSBOX_WEBHOOK_SECRETS is refused; it must be whsec_ and the base64"),
        ("GLASSBOX_WEBHOOK_ALLOW_PRIVATE=perhaps", "it must be true or false"),
        ("GLASSBOX_IMPORT_BUCKETS=s3://scans/", "it must be names of buckets, or prefixes such as scans/2026/"),
        ("GLASSBOX_EXPORT_BUCKETS=s3://results/", "it must be names of buckets, or prefixes such as scans/2026/"),
        ("GLASSBOX_S3_ENDPOINT=minio.example:9000", "it must be https:// or http:// and a host"),
        ("GLASSBOX_CORS_ORIGINS=app.example", "it must be * or origins such as https://app.example"),
        ("GLASSBOX_DOMAIN=https://glassbox.example", "it must be public names such as glassbox.example.org"),
        ("GLASSBOX_DOMAIN=*.glassbox.example", "it must be public names"),
        ("GLASSBOX_ACME_DIRECTORY=ca.example", "it must be a URL that starts with https://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318", "it must be a URL that starts with http:// or https://"),
        ("GLASSBOX_IMAGES=https://registry.example/team", "it must be a registry without https://"),
        ("GLASSBOX_PULL=sometimes", "it must be never, missing or always"),
        ("GLASSBOX_REDIS_DIGEST=sha256:abc", "it must be @sha256: and 64 hexadecimal digits"),
        ("GLASSBOX_LOG_FORMAT=\ufffd", "it must be 'auto', 'json' or 'text'"),
        ("GLASSBOX_API_MEMORY=lots", "it must be a size such as 512m or 4g"),
        ("GLASSBOX_REDIS_MAXMEMORY=1.5gb", "it must be a size such as 512mb or 1gb"),
        ("GLASSBOX_METRICS_RETENTION=long", "it must be a time such as 30d"),
        ("GLASSBOX_PUBLISHED_ON=everywhere", "it must be an IP address of this host"),
        ("GLASSBOX_OUTER_PROXIES=10.0.0.0/40", "it must be addresses"),
        ("GLASSBOX_DATA=data", 'it must be an absolute path, or a relative one that starts with "."'),
        ("GLASSBOX_API_KEYS_FILE=./keys", "it must be a path in /etc/glassbox"),
        ("GLASSBOX_LEASE_SECONDS=0", "line 2: GLASSBOX_LEASE_SECONDS is '0'; it must be greater than 0"),
        ("GLASSBOX_LOG_FORMAT=xml", "it must be 'auto', 'json' or 'text'"),
    ],
)
def test_a_wrong_line_is_named_with_its_number_and_what_it_must_be(line: str, problem: str) -> None:
    [only] = found("# ours", line, "GLASSBOX_LOG_LEVEL=debug")
    assert only.startswith(".env, line 2: ")
    assert problem in only


def test_each_wrong_line_is_named() -> None:
    assert [line.split(":")[0] for line in found("GLASSBOX_A=1", "x", "GLASSBOX_PORT=0")] == [
        ".env, line 1",
        ".env, line 2",
        ".env, line 3",
    ]


def test_a_file_is_checked_and_its_problems_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("GLASSBOX_PROT=1\n")

    assert main(str(tmp_path / ".env")) == 1
    assert capsys.readouterr().err.startswith("glassbox: .env, line 1: there is no variable GLASSBOX_PROT")


def test_the_standard_input_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"GLASSBOX_PORT=0\n")))
    assert main("-") == 1


def test_a_secret_is_not_printed() -> None:
    [only] = found("GLASSBOX_WEBHOOK_SECRETS=hunter2")
    assert "hunter2" not in only


def test_a_certificate_from_two_sources_is_named() -> None:
    [only] = found("GLASSBOX_DOMAIN=glassbox.example.org", "GLASSBOX_TLS=/etc/tls")
    assert only.startswith(".env, line 2: GLASSBOX_TLS and GLASSBOX_DOMAIN are both set")


def test_an_exported_variable_is_checked_and_overrides_the_file() -> None:
    exported = {"GLASSBOX_TRAINERS": "0", "GLASSBOX_LEASE_SECONDS": "20", "GLASSBOX_TEST_DATA": "x"}

    [only] = problems(["GLASSBOX_LEASE_SECONDS=5"], NAMES, exported)

    assert only.startswith("the shell exports a wrong value: GLASSBOX_TRAINERS is '0'; it must be")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfGLASSBOX_PORT=9000\r\n", b"# caf\xe9\nGLASSBOX_PORT=9000\n"])
def test_a_file_of_another_system_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)

    assert main(str(tmp_path / ".env")) == 0


def test_a_missing_file_is_accepted(tmp_path: Path) -> None:
    assert main(str(tmp_path / ".env")) == 0
