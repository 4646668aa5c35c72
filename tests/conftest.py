"""What every test may ask for: a real Redis, a volume, the settings, and the stores on them."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings as hypothesis_settings
from redis import Redis

from shared.runtime.settings import Settings, limit_blas_threads

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime would report to its makers: tests ask nobody
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells start programs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else the programs of tests ignore Ctrl-C, too
limit_blas_threads(1)  # before anything imports NumPy: tests run beside real workers, on few cores
pytest.register_assert_rewrite("tests.support")
hypothesis_settings.register_profile("glassbox", deadline=None, derandomize=True)  # the same examples each time
hypothesis_settings.load_profile("glassbox")

from shared.datasets import DatasetStore  # noqa: E402
from shared.jobs import JobStore  # noqa: E402
from shared.registry import Registry  # noqa: E402
from shared.storage.volume import Volume  # noqa: E402
from tests.support.programs.processes import Process  # noqa: E402
from tests.support.servers.object_store import ObjectStore, running_store  # noqa: E402
from tests.support.servers.redis_server import RedisServer  # noqa: E402


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the running programs printed beside a test that failed."""
    report = yield
    if report.failed:
        report.sections += [(f"log of {process.name}", process.log()) for process in Process.running]
    return report


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's."""
    with TemporaryDirectory(prefix="glassbox-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def redis_server(short_folder: Path) -> Iterator[RedisServer]:
    """The test run's Redis server: database 0 is for unit tests, 1 for the stack."""
    with RedisServer(short_folder) as server:
        yield server


@pytest.fixture
def own_redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server of the test's own, to stop and to kill."""
    with TemporaryDirectory(prefix="glassbox-") as folder, RedisServer(Path(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """The test run's S3-compatible store; each test uses a bucket of its own."""
    with running_store(tmp_path_factory.mktemp("objects")) as store:
        yield store


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """An empty database of a real Redis."""
    with redis_server.client() as client:
        client.flushdb()
        yield client


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """An empty volume."""
    return Volume(tmp_path / "volume")


@pytest.fixture
def settings(redis_server: RedisServer, redis: Redis, volume: Volume, clean_environment: None) -> Settings:
    """The defaults, on the test's own Redis and volume."""
    return Settings(redis_url=redis_server.url(), volume=volume.root, checkpoint_pause_seconds=0.0)


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the environment of the tests."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"GLASSBOX_{field.upper()}", raising=False)


@pytest.fixture
def limits(clean_environment: None) -> Settings:
    """The limits as they are by default."""
    return Settings()


@pytest.fixture
def jobs(redis: Redis, settings: Settings) -> JobStore:
    """The job records."""
    return JobStore(redis, settings.lease_seconds)


@pytest.fixture
def datasets(volume: Volume) -> DatasetStore:
    """The data sets on the volume."""
    return DatasetStore(volume)


@pytest.fixture
def registry(volume: Volume) -> Registry:
    """The models on the volume."""
    return Registry(volume)
