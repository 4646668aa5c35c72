"""One running service for all integration tests; each test has its own names of models and data sets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack, running_stack

DATABASE = 1


@pytest.fixture(scope="session")
def stack(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service: gunicorn, a worker on each queue, Redis."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "exports").mkdir()
    exports = str(folder / "exports")
    with running_stack(folder, redis_server.url(DATABASE), GLASSBOX_EXPORT_FOLDERS=exports) as running:
        yield running


@pytest.fixture
def stack_redis(redis_server: RedisServer) -> Iterator[Redis]:
    """The service's own database."""
    with redis_server.client(DATABASE) as client:
        yield client
