"""The interpreter of the environment that has the stock clients, and an API with two versions of `toy`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.servers.api import api_with_two_versions


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--clients", help="Python of an environment with requirements/clients.in")
    parser.addoption("--node-modules", help="folder node_modules with tus-js-client")
    parser.addoption("--ray", help="Python of an environment with requirements/ray.in")


@pytest.fixture(scope="session")
def interpreter(request: pytest.FixtureRequest) -> Path:
    """The clients' Python."""
    return Path(str(request.config.getoption("--clients"))).absolute()


@pytest.fixture(scope="session")
def node_modules(request: pytest.FixtureRequest) -> Path:
    """The folder of the packages for Node.js."""
    return Path(str(request.config.getoption("--node-modules"))).absolute()


@pytest.fixture(scope="session")
def api_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the API, in which its volume is."""
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="session")
def api(api_folder: Path) -> Iterator[httpx.Client]:
    """An API of one process."""
    with api_with_two_versions(api_folder, processes=1) as http:
        yield http
