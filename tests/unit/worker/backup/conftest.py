"""Two deployments: one to back up, and an empty one to restore into."""

from __future__ import annotations

import io
from collections.abc import Iterator
from shutil import rmtree

import pytest

from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.objects.bench import WorkBench
from tests.support.servers.redis_server import RedisServer
from worker.backup.restoring import Restoration, Restored
from worker.backup.saving import save

OTHER_DATABASE = 9  # no other test uses it


class Deployment(WorkBench):
    """A Redis and a volume to save and restore."""

    def save(self) -> bytes:
        stream = io.BytesIO()
        save(self.redis, self.volume, stream)
        return stream.getvalue()

    def restore(self, backup: bytes, *, force: bool = False) -> Restored:
        return Restoration(self.redis, self.task_queue, self.volume).restore(io.BytesIO(backup), force=force)

    def clear(self) -> None:
        self.redis.flushdb()
        rmtree(self.volume.root)

    def close(self) -> None:
        self.redis.flushdb()
        self.redis.close()


@pytest.fixture
def here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """The deployment to save."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # as a worker sets it for itself
    deployment = Deployment(settings)
    yield deployment
    deployment.close()


@pytest.fixture
def there(settings: Settings, redis_server: RedisServer, volume: Volume) -> Iterator[Deployment]:
    """An empty deployment, with its own Redis and volume."""
    url, root = redis_server.url(OTHER_DATABASE), volume.root.with_name("other-volume")
    deployment = Deployment(settings.model_copy(update={"redis_url": url, "volume": root}))
    yield deployment
    deployment.close()
