"""The deployment's secrets: created once; and the permissions of Redis's users."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from services.secrets.make import CLIENT, OPERATOR, USERS, make
from shared.jobs import JobStore, Kind
from shared.jobs.task_queue import TaskQueue, celery_app, connect
from shared.runtime.settings import Settings
from tests.support.objects.jobs import a_training
from tests.support.servers.redis_server import RedisServer


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder with all secrets."""
    make(tmp_path)
    return tmp_path


@pytest.fixture
def password(secrets: Path) -> str:
    return (secrets / OPERATOR).read_text().strip()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for Redis's data and its socket, whose path must be short."""
    with TemporaryDirectory(prefix="glassbox-") as folder:
        yield Path(folder)


@pytest.fixture
def server(folder: Path, secrets: Path, password: str) -> Iterator[RedisServer]:
    """A Redis with these users; tests connect as the operator."""
    with RedisServer(folder, secrets / USERS, "operator", password) as server:
        yield server


@pytest.fixture
def service(settings: Settings, secrets: Path, server: RedisServer) -> Settings:
    """The settings of the API and the workers with this Redis."""
    url = f"unix://glassbox@{server.socket}?db=0"
    return settings.model_copy(update={"redis_url": url, "redis_password_file": secrets / CLIENT})


def refused(server: RedisServer) -> set[str]:
    """Return the commands that Redis has refused to a user without the permission."""
    with server.client() as operator:
        # Before version 7, Redis counts all of CLIENT as administration; redis-py uses it to set the client's name.
        return {entry["object"] for entry in operator.acl_log()} - {"client"}


class TestMaking:
    def test_existing_secrets_are_kept(self, secrets: Path) -> None:
        before = {name: (secrets / name).read_text() for name in (CLIENT, OPERATOR, USERS)}

        make(secrets)

        assert {name: (secrets / name).read_text() for name in (CLIENT, OPERATOR, USERS)} == before

    def test_missing_secrets_are_created(self, secrets: Path) -> None:
        client = (secrets / CLIENT).read_text()
        (secrets / OPERATOR).unlink()
        (secrets / USERS).unlink()

        make(secrets)

        assert (secrets / CLIENT).read_text() == client
        assert (secrets / OPERATOR).exists()
        assert (secrets / USERS).exists()

    def test_renew_replaces_all_secrets(self, secrets: Path) -> None:
        before = {(secrets / name).read_text() for name in (CLIENT, OPERATOR, USERS)}

        make(secrets, renew=True)

        assert before.isdisjoint((secrets / name).read_text() for name in (CLIENT, OPERATOR, USERS))

    @pytest.mark.parametrize("name", [CLIENT, OPERATOR, USERS])
    def test_owner_and_group_may_read_a_secret_and_no_user_may_write_it(self, secrets: Path, name: Path) -> None:
        assert stat.S_IMODE((secrets / name).stat().st_mode) == 0o440

    def test_the_file_of_users_has_no_password(self, secrets: Path) -> None:
        users = (secrets / USERS).read_text()
        assert (secrets / CLIENT).read_text().strip() not in users
        assert (secrets / OPERATOR).read_text().strip() not in users


class TestUsers:
    def test_a_client_without_a_password_can_do_nothing(self, server: RedisServer) -> None:
        with Redis(unix_socket_path=str(server.socket)) as client, pytest.raises(AuthenticationError):
            client.ping()

    def test_a_wrong_password_is_refused(self, server: RedisServer) -> None:
        url = f"unix://glassbox:guess@{server.socket}"
        with Redis.from_url(url) as client, pytest.raises(AuthenticationError):
            client.ping()

    def test_the_health_check_may_only_ping_redis(self, server: RedisServer) -> None:
        with Redis.from_url(f"unix://health:none@{server.socket}") as health:
            assert health.ping()
            with pytest.raises(NoPermissionError):
                health.keys()

    def test_the_service_uses_its_own_keys(self, service: Settings) -> None:
        with connect(service) as redis:
            assert redis.set("glassbox:x", 1)
            with pytest.raises(NoPermissionError):
                redis.set("other", 1)

    @pytest.mark.parametrize(
        "command", ["CONFIG GET dir", "FLUSHALL", "SHUTDOWN", "ACL LIST", "KEYS *", "DEBUG SLEEP 0"]
    )
    def test_the_service_cannot_use_a_command_of_the_server(self, service: Settings, command: str) -> None:
        with connect(service) as redis, pytest.raises(NoPermissionError):
            redis.execute_command(*command.split())

    def test_the_service_creates_jobs_and_sends_them(self, service: Settings, server: RedisServer) -> None:
        with connect(service) as redis:
            task_queue = TaskQueue(celery_app(service), redis)
            JobStore(redis, 30.0, 60.0, 3).create(a_training())
            task_queue.send(Kind.TRAINING, "job-1")
            assert task_queue.waiting(Kind.TRAINING) == 1

        assert refused(server) == set()

    def test_nothing_is_lost_when_redis_replays_the_services_commands(
        self, folder: Path, secrets: Path, password: str, service: Settings, server: RedisServer
    ) -> None:
        job = a_training()
        with connect(service) as redis:
            JobStore(redis, 30.0, 60.0, 3).create(job)  # a script: in the append-only file it is a transaction
        server.stop()

        with RedisServer(folder, secrets / USERS, "operator", password) as again, connect(service) as redis:
            assert JobStore(redis, 30.0, 60.0, 3).get(job.id).id == job.id
            assert refused(again) == set()
