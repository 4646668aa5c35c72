"""A running service with its own Redis for the journeys of each module, so that the first finds no jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import Page

from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack, running_stack


@pytest.fixture(scope="module")
def redis_of_stack() -> Iterator[RedisServer]:
    """The service's Redis, which a test may stop."""
    with TemporaryDirectory(prefix="glassbox-") as folder, RedisServer(Path(folder)) as server:
        yield server


@pytest.fixture(scope="module")
def stack(redis_of_stack: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service: gunicorn, a worker on each queue, Redis."""
    with running_stack(tmp_path_factory.mktemp("stack"), redis_of_stack.url()) as running:
        yield running


@pytest.fixture
def visit(page: Page, stack: Stack) -> Page:
    """A browser on the service's address, as a person begins."""
    page.goto(f"http://127.0.0.1:{stack.port}/")
    return page
