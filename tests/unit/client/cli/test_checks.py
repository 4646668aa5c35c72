"""The findings of `glassbox doctor` about a server that is not ready."""

from __future__ import annotations

from typing import Any

import glassbox
import pytest
from glassbox import Client
from glassbox.cli.checks import Check, examined

from tests.support.servers.scripted import Reply, content, document, problem, scripted

READY: dict[str, Any] = {
    "status": "not ready",
    "redis": "ok",
    "volume": "ok",
    "workers": {"training": 1, "inference": 1},
    "version": glassbox.__version__,
}


ACCESS = document({"key_required": False, "key": None, "scopes": ["read", "submit", "manage"]})


def checks(access: Reply = ACCESS, **readiness: Any) -> dict[str, Check]:
    """The checks by their subject."""
    answer = document({**READY, **readiness}, 503)
    openapi = document({"info": {"version": glassbox.__version__}})
    with scripted(content(b""), openapi, answer, answer, access) as server:
        client = Client(server.url)
        try:
            return {check.what: check for check in examined(client)}
        finally:
            client.close()


def not_ready(part: str, code: str, detail: str) -> dict[str, Check]:
    return checks(ACCESS, **{part: detail, "reasons": [{"code": code, "detail": detail}]})


def test_the_check_of_a_full_redis_names_the_commands_that_help() -> None:
    found = not_ready("redis", "redis_full", "Redis is full: 1.0 GiB of 1.0 GiB; raise its maxmemory")

    assert not found["Redis"].ok
    assert found["Redis"].finding.startswith("Redis is full: 1.0 GiB of 1.0 GiB")
    assert "GLASSBOX_REDIS_MAXMEMORY" in found["Redis"].remedy
    assert "docker compose up --wait redis" in found["Redis"].remedy
    assert "start Redis" not in found["Redis"].remedy
    assert found["volume"].ok


def test_the_check_of_a_full_volume_names_what_can_be_deleted() -> None:
    found = not_ready("volume", "volume_full", "the volume is full: 0 bytes of 2.0 MiB free")

    assert not found["volume"].ok
    assert found["volume"].finding.startswith("the volume is full")
    assert "glassbox models delete" in found["volume"].remedy
    assert found["Redis"].ok


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("redis_unavailable", "start Redis"),
        ("redis_loading", "wait until Redis has read its data"),
        ("redis_disk_error", "free space"),
        ("redis_login_refused", "GLASSBOX_REDIS_PASSWORD_FILE"),
        ("a_code_of_a_newer_server", "start Redis"),
    ],
)
def test_each_fault_of_redis_has_its_remedy(code: str, remedy: str) -> None:
    assert remedy in not_ready("redis", code, "it is so")["Redis"].remedy


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "redis_unavailable")])
def test_a_key_that_the_server_cannot_check_now_has_no_scopes(status: int, code: str) -> None:
    found = checks(problem(status, code))["key"]

    assert found.ok
    assert "cannot check it now" in found.finding


def test_the_check_of_an_older_server_without_reasons_has_a_general_remedy() -> None:
    assert "start Redis" in checks(redis="does not answer: Connection refused")["Redis"].remedy
