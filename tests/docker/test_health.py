"""Health checks: a dead, hanging or disconnected service is unhealthy within 30 s, and healthy again soon after."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.servers.deployment import SERVICES, WORKERS, Deployment
from tests.support.waiting import eventually

DETECTION_SECONDS = 30.0
RECOVERY_SECONDS = 30.0
CHECK = "healthcheck.sh"


def health(deployment: Deployment, service: str) -> str:
    status: str = deployment.inspect(service)["State"]["Health"]["Status"]
    return status


def last_output(deployment: Deployment, service: str) -> str:
    """Return the output of the last completed health check."""
    output: str = deployment.inspect(service)["State"]["Health"]["Log"][-1]["Output"]
    return output


def assert_detected(deployment: Deployment, service: str) -> str:
    """Wait until the service is unhealthy; return the reason."""
    eventually(lambda: health(deployment, service) == "unhealthy", DETECTION_SECONDS, interval=0.2)
    return last_output(deployment, service)


def assert_recovered(deployment: Deployment, service: str) -> None:
    eventually(lambda: health(deployment, service) == "healthy", RECOVERY_SECONDS, interval=0.2)


def processes(deployment: Deployment, service: str) -> list[int]:
    """Return the service's processes on this host, the main one first, without `docker-init` and the health check."""
    listed = subprocess.run(
        ["docker", "top", deployment.container(service), "-eo", "pid,args"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.splitlines()[1:]
    lines = [line.split(maxsplit=1) for line in listed]
    return [int(pid) for pid, args in lines if "docker-init" not in args and CHECK not in args]


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(autouse=True)
def every_service_is_healthy(deployment: Deployment) -> Iterator[None]:
    """Wait until every service is healthy before and after each of these tests."""
    for service in SERVICES:
        assert_recovered(deployment, service)
    yield
    for service in SERVICES:
        assert_recovered(deployment, service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_whose_processes_are_stopped_is_unhealthy_until_they_continue(
    deployment: Deployment, service: str
) -> None:
    with stopped(processes(deployment, service)):
        assert_detected(deployment, service)
    assert_recovered(deployment, service)


@pytest.mark.parametrize("service", ["trainer", "api", "gateway"])
def test_a_service_whose_main_process_is_stopped_is_unhealthy(deployment: Deployment, service: str) -> None:
    main, *others = processes(deployment, service)
    assert others
    with stopped([main]):
        assert " is stopped" in assert_detected(deployment, service)
    assert_recovered(deployment, service)


def test_workers_that_do_not_reach_redis_are_unhealthy_until_they_do(deployment: Deployment) -> None:
    network = f"{deployment.project}_backend"
    for service in WORKERS:
        subprocess.run(["docker", "network", "disconnect", network, deployment.container(service)], check=True)
    try:
        for service in WORKERS:
            assert "no longer reaches Redis" in assert_detected(deployment, service)
    finally:
        for service in WORKERS:
            command = ["docker", "network", "connect", "--alias", service, network, deployment.container(service)]
            subprocess.run(command, check=True)
    for service in WORKERS:
        assert_recovered(deployment, service)


def test_an_unresponsive_redis_makes_dependent_services_unhealthy(deployment: Deployment) -> None:
    with stopped(processes(deployment, "redis")):
        detected = {service: assert_detected(deployment, service) for service in ("redis", *WORKERS)}
    assert all(detected.values()), detected
    for service in ("api", "gateway"):  # they themselves respond
        assert health(deployment, service) == "healthy"


@pytest.mark.parametrize("service", ["trainer", "gateway"])
def test_a_dead_service_is_restarted(deployment: Deployment, service: str) -> None:
    started = deployment.inspect(service)["State"]["StartedAt"]
    main, *_ = processes(deployment, service)
    os.kill(main, signal.SIGKILL)
    eventually(lambda: deployment.inspect(service)["State"]["StartedAt"] != started, DETECTION_SECONDS)
    assert_recovered(deployment, service)
