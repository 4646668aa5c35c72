"""The interpreter of the environment that has the stock clients, and an API with two versions of `toy`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.servers.api import api_with_two_versions


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--clients", required=True, help="Python of an environment with requirements/clients.in")


@pytest.fixture(scope="session")
def interpreter(request: pytest.FixtureRequest) -> Path:
    """The clients' Python."""
    return Path(str(request.config.getoption("--clients"))).absolute()


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API of one process."""
    with api_with_two_versions(tmp_path_factory.mktemp("api"), processes=1) as http:
        yield http
