"""Each error of Redis is mapped to its fault."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as TooLate

from shared.runtime.redis_faults import FAULTS, explained, fault_of
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually

ERRORS = [
    (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "redis_full"),
    (ResponseError("Error running script (call to f_1): @user_script:1: -OOM command not allowed"), "redis_full"),
    (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "redis_disk_error"),
    (ReadOnlyError("You can't write against a read only replica."), "redis_read_only"),
    (ResponseError("@user_script: 1: -READONLY You can't write against a read only replica."), "redis_read_only"),
    (ResponseError("NOREPLICAS Not enough good replicas to write."), "redis_replicas_missing"),
    (BusyLoadingError("Redis is loading the dataset in memory"), "redis_loading"),
    (AuthenticationError("Authentication required."), "redis_login_refused"),
    (AuthenticationError("invalid username-password pair or user is disabled."), "redis_login_refused"),
    (NoPermissionError("this user has no permissions to run the 'info' command"), "redis_permission_missing"),
    (NoConnection("max number of clients reached"), "redis_too_many_clients"),
    (ResponseError("BUSY Redis is busy running a script."), "redis_busy"),
    (ResponseError("MASTERDOWN Link with MASTER is down"), "redis_primary_missing"),
    (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), "redis_refused"),
    (NoConnection("Error 111 connecting to redis:6379. Connection refused."), "redis_unavailable"),
    (TooLate("Timeout reading from socket"), "redis_unavailable"),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=[f"{error!r}"[:60] for error, _ in ERRORS])
def test_an_error_has_the_code_of_its_fault(error: RedisError, code: str) -> None:
    assert fault_of(error).code == code


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=[f"{error!r}"[:60] for error, _ in ERRORS])
def test_an_error_wrapped_by_the_transport_has_the_same_code(error: RedisError, code: str) -> None:
    wrapped = OperationalError(str(error))
    wrapped.__cause__ = error

    assert fault_of(wrapped).code == code


def test_only_redis_unavailable_says_that_redis_does_not_answer() -> None:
    assert [fault.code for fault in FAULTS if "not answer" in fault.detail] == ["redis_unavailable"]


def test_an_explanation_has_the_fault_and_the_message_of_redis() -> None:
    text = explained(ResponseError("MISCONF Errors writing to the AOF file: No space left on device"))

    assert text.startswith("Redis cannot write to its disk")
    assert text.endswith("(MISCONF Errors writing to the AOF file: No space left on device)")


def test_codes_of_faults_differ() -> None:
    assert len({fault.code for fault in FAULTS}) == len(FAULTS)


class TestRealServers:
    def test_a_full_redis_gives_redis_full_for_commands_scripts_and_pipelines(
        self, own_redis_server: RedisServer
    ) -> None:
        with own_redis_server.client() as redis:
            redis.config_set("maxmemory", 1)

            assert code_of(lambda: redis.set("a", 1)) == "redis_full"
            assert code_of(lambda: redis.eval("return redis.call('SET', KEYS[1], 1)", 1, "a")) == "redis_full"
            assert code_of(lambda: redis.pipeline().set("a", 1).get("a").execute()) == "redis_full"

    def test_a_replica_gives_redis_read_only(self, own_redis_server: RedisServer) -> None:
        with own_redis_server.client() as redis:
            redis.replicaof("127.0.0.1", "1")

            assert code_of(lambda: redis.eval("return redis.call('SET', KEYS[1], 1)", 1, "a")) == "redis_read_only"

    def test_a_missing_or_wrong_password_gives_redis_login_refused(self, own_redis_server: RedisServer) -> None:
        with own_redis_server.client() as redis:
            redis.config_set("requirepass", "secret")
            wrong = Redis(unix_socket_path=str(own_redis_server.socket), password="guess")
            none = Redis(unix_socket_path=str(own_redis_server.socket))

            assert code_of(wrong.ping) == "redis_login_refused"
            assert code_of(none.ping) == "redis_login_refused"

    def test_too_many_clients_give_redis_too_many_clients(self, own_redis_server: RedisServer) -> None:
        with own_redis_server.client() as redis:
            redis.config_set("maxclients", 1)

            # Redis may close a connection that it refuses before the client has read why.
            with own_redis_server.client() as another:
                assert eventually(lambda: code_of(another.ping) == "redis_too_many_clients")


def code_of(command: object) -> str:
    with pytest.raises(RedisError) as caught:
        command()  # type: ignore[operator]
    return fault_of(caught.value).code
