"""The deployment of all these tests: builds the images, runs `docker compose up`, and in the end `down`.

Needs a Docker Engine with Compose, and the folder that GLASSBOX_TEST_DATA names, with mnist.npz and mnist-test-png.zip.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers.deployment import DATA, Deployment, Json, why_no_engine

ORDER = ("test_main_job", "test_containers", "test_keys_and_secrets")  # first, on an undisturbed deployment


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of a fresh deployment before those that stop or kill a part of it."""
    items.sort(key=lambda item: ORDER.index(item.path.stem) if item.path.stem in ORDER else len(ORDER))


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker Engine that responds."""
    reason = why_no_engine()
    if reason:
        pytest.skip(f"no Docker Engine answers: {reason}")


@pytest.fixture(scope="session")
def deployment(engine: None) -> Iterator[Deployment]:
    """The running service. A test that changes it leaves it healthy."""
    for name in ("mnist.npz", "mnist-test-png.zip"):
        assert (DATA / name).is_file(), f"{DATA / name} is missing: let GLASSBOX_TEST_DATA name a folder that has it"
    deployment = Deployment()
    try:
        try:
            deployment.build_and_start()
        except BaseException:
            deployment.print_logs()
            raise
        yield deployment
    finally:
        deployment.down()


@pytest.fixture(autouse=True)
def logs_of_a_failure(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a failed test, print the containers' logs into its report."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed and "deployment" in request.fixturenames:
        request.getfixturevalue("deployment").print_logs()


@pytest.fixture(scope="session")
def training(deployment: Deployment) -> Json:
    """The first, succeeded training."""
    return deployment.train(epochs=2)
