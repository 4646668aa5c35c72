"""`services/gateway/follow_api.pl`: nginx's list of the API's addresses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.support.waiting import eventually

SCRIPT = ROOT / "services" / "gateway" / "follow_api.pl"


def follow_once(api: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, api, folder, "once"], capture_output=True, text=True, check=False)


@contextmanager
def following(api: str, folder: Path) -> Iterator[None]:
    script = subprocess.Popen([SCRIPT, api, folder])
    try:
        yield
        assert script.poll() is None
    finally:
        script.kill()
        script.wait()


@contextmanager
def nginx(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in nginx's place: a reload, SIGHUP, ends it."""
    process = subprocess.Popen(["sleep", "120"])
    (folder / "nginx.pid").write_text(f"{process.pid}\n")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("api", "server"),
    [("127.0.0.7:8000", "127.0.0.7:8000"), ("[::1]:80", "[::1]:80"), ("no-such-name.invalid:8000", "127.0.0.1:8000")],
)
def test_it_writes_an_upstream_for_nginx(tmp_path: Path, api: str, server: str) -> None:
    done = follow_once(api, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "upstream.conf").read_text() == (
        f"upstream api {{\n  server {server} max_fails=2 fail_timeout=2s;\n"
        "  keepalive 64;\n  keepalive_timeout 20s;\n}\n"
    )


@pytest.mark.parametrize("api", ["api", "api:http", ""])
def test_an_address_without_a_port_is_refused_by_name(tmp_path: Path, api: str) -> None:
    done = follow_once(api, tmp_path)

    assert done.returncode != 0
    assert done.stderr == f"glassbox: GLASSBOX_API is '{api}', which is not NAME:PORT\n"


def test_nginx_does_not_reload_while_the_addresses_stay(tmp_path: Path) -> None:
    with nginx(tmp_path) as process, following("127.0.0.7:8000", tmp_path):
        eventually((tmp_path / "upstream.conf").exists)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2.5)
