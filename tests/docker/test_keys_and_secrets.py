"""Access: API keys, and Redis's passwords, which are only in their files."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.servers.deployment import OURS, SERVICES, WORKERS, Deployment, inspect

REACH_REDIS = "exec 3<>/dev/tcp/{address}/6379"


def test_the_api_does_not_start_if_other_hosts_could_reach_it_without_a_key(deployment: Deployment) -> None:
    done = deployment.run_new("api", GLASSBOX_PUBLISHED_ON="0.0.0.0")  # noqa: S104

    assert done.returncode != 0
    assert "GLASSBOX_API_KEYS_FILE" in done.stderr


def test_a_key_created_in_one_container_is_required_in_the_next(deployment: Deployment) -> None:
    keys = {"GLASSBOX_API_KEYS_FILE": "/etc/glassbox/keys"}

    made = deployment.run_new("api", "python", "-m", "api.auth.admin", "keys", "create", "me", **keys)
    listed = deployment.run_new("api", "python", "-m", "api.auth.admin", "keys", "list", **keys)

    assert made.stdout.startswith("glassbox_"), made.stderr
    assert listed.stdout == "me\tsubmit\n"


def test_a_service_without_its_password_does_not_start_and_reports_the_reason(deployment: Deployment) -> None:
    for service in ("api", "trainer", "courier"):
        done = deployment.run_new(service, GLASSBOX_REDIS_PASSWORD_FILE="/run/glassbox/none")
        assert done.returncode != 0
        assert done.stderr.strip().splitlines()[-1].startswith("glassbox: /run/glassbox/none cannot be read")


def test_the_service_that_creates_the_secrets_has_ended(deployment: Deployment) -> None:
    state = deployment.inspect("secrets")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)


def test_passwords_are_kept_when_the_deployment_restarts(deployment: Deployment) -> None:
    before = deployment.python_in("api", "print(open('/run/glassbox/redis-password').read())")
    deployment.compose("start", "secrets")
    assert deployment.python_in("api", "print(open('/run/glassbox/redis-password').read())") == before


@pytest.mark.parametrize("service", [*SERVICES, "secrets"])
def test_the_engine_shows_no_secret(deployment: Deployment, service: str) -> None:
    client = deployment.python_in("api", "print(open('/run/glassbox/redis-password').read())")
    operator = deployment.run_in("redis", "cat", "/run/glassbox/operator-password").stdout.strip()
    assert len(client) > 40
    assert len(operator) > 40

    shown = json.dumps(deployment.inspect(service)) + json.dumps(inspect(deployment.inspect(service)["Image"]))

    assert client not in shown
    assert operator not in shown


@pytest.mark.parametrize("service", OURS)
def test_a_service_can_read_its_secret_and_not_change_it(deployment: Deployment, service: str) -> None:
    done = deployment.run_in(service, "sh", "-c", "cat /run/glassbox/redis-password && echo x >/run/glassbox/x")
    assert done.stdout
    assert "Read-only file system" in done.stderr


def test_redis_requires_a_password(deployment: Deployment) -> None:
    for command in (["ping"], ["get", "x"], ["config", "get", "dir"]):
        assert deployment.run_in("redis", "redis-cli", *command).stdout.startswith("NOAUTH")


def test_redis_keeps_what_it_acknowledged(deployment: Deployment) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "maxmemory": "1073741824"}
    for setting, value in wanted.items():
        assert deployment.redis("config", "get", setting).split() == [setting, value]


def test_redis_is_only_on_an_internal_network(deployment: Deployment) -> None:
    networks = deployment.inspect("redis")["NetworkSettings"]["Networks"]
    assert list(networks) == [f"{deployment.project}_backend"]
    assert inspect(f"{deployment.project}_backend")["Internal"] is True


def test_redis_is_reachable_only_from_its_network(deployment: Deployment) -> None:
    [network] = deployment.inspect("redis")["NetworkSettings"]["Networks"].values()
    image = deployment.inspect("gateway")["Image"]
    reach = REACH_REDIS.format(address=network["IPAddress"])

    def reaches(name: str) -> bool:
        command = [
            "docker",
            "run",
            "--rm",
            "--network",
            name,
            "--entrypoint",
            "timeout",
            image,
            "2",
            "bash",
            "-c",
            reach,
        ]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert reaches(f"{deployment.project}_backend")
    assert not reaches(f"{deployment.project}_frontend")
    assert not reaches("bridge")


@pytest.mark.parametrize("service", [name for name in WORKERS if name != "courier"])
def test_a_worker_that_reads_uploaded_files_cannot_connect_to_other_hosts(deployment: Deployment, service: str) -> None:
    assert list(deployment.inspect(service)["NetworkSettings"]["Networks"]) == [f"{deployment.project}_backend"]


WEBHOOK_SECRETS = "/etc/glassbox/webhooks/secrets"
OLDER = "/var/lib/glassbox/webhook-secret"


def test_only_the_courier_can_read_the_webhooks_secrets(deployment: Deployment) -> None:
    secret = deployment.run_in("courier", "python", "-m", "worker.webhooks.secrets", "show").stdout.strip()
    assert secret.startswith("whsec_")

    for service in SERVICES:
        found = deployment.run_in(
            service, "sh", "-c", f"grep -rsl '{secret}' /etc /run /var/lib /srv /data /tmp"
        ).stdout
        assert found.split() == ([WEBHOOK_SECRETS] if service == "courier" else [])


def test_the_secret_of_an_older_version_moves_from_the_shared_volume_to_the_courier(deployment: Deployment) -> None:
    show = ("python", "-m", "worker.webhooks.secrets", "show")
    secret = deployment.run_in("courier", *show).stdout
    deployment.run_in("courier", "mv", WEBHOOK_SECRETS, OLDER)

    deployment.compose("restart", "courier")
    deployment.up()

    assert deployment.run_in("courier", *show).stdout == secret
    assert deployment.run_in("classifier", "cat", OLDER).returncode != 0


def test_webhook_secrets_are_set_from_a_file_of_the_host(deployment: Deployment) -> None:
    show = ("python", "-m", "worker.webhooks.secrets", "show")
    before = deployment.run_in("courier", *show).stdout
    new = "whsec_" + "bmV3IHNl" * 4 + "\n"
    try:
        done = deployment.run_new("courier", "python", "-m", "worker.webhooks.secrets", "set", stdin=new + before)
        assert done.returncode == 0, done.stderr
        assert deployment.run_in("courier", *show).stdout == new + before
    finally:
        deployment.run_new("courier", "python", "-m", "worker.webhooks.secrets", "set", stdin=before)


def test_a_keys_file_of_another_owner_is_reported_and_a_copy_restores_it(deployment: Deployment) -> None:
    keys = {"GLASSBOX_API_KEYS_FILE": "/etc/glassbox/keys"}
    admin = ("python", "-m", "api.auth.admin", "keys")
    deployment.run_new("api", *admin, "create", "kept", **keys)
    copy = deployment.run_in("api", "cat", "/etc/glassbox/keys").stdout
    image = deployment.inspect("api")["Image"]
    chown = ["chown", "0:0", "/keys/keys"]
    volume = f"{deployment.project}_keys:/keys"
    subprocess.run(["docker", "run", "--rm", "--user", "root", "--volume", volume, image, *chown], check=True)

    refused = deployment.run_new("api", **keys)
    restored = deployment.run_new("api", *admin, "restore", stdin=copy, **keys)

    assert refused.returncode != 0
    assert "cannot be read by uid 10001: it belongs to uid 0 with mode 0600" in refused.stderr
    assert (
        "docker compose run --rm --no-deps --no-TTY api python -m api.auth.admin keys restore < keys" in refused.stderr
    )
    assert restored.returncode == 0, restored.stderr
    assert deployment.run_in("api", "cat", "/etc/glassbox/keys").stdout == copy
    assert deployment.run_in("api", "stat", "-c", "%u:%g %a", "/etc/glassbox/keys").stdout == "10001:10001 600\n"
