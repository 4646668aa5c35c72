"""A deployment of its own for what operators do to one: it is saved, taken down, upgraded, and loses its hosts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deployment import Deployment
from tests.support.processes import ROOT

MAKE_SECONDS = 240


class Operated(Deployment):
    """A deployment with the commands that the documents give for it."""

    def make(self, target: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a make target on it, from this version of the sources or another one."""
        environment = {
            **self.environment,
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": str(folder / "docker-compose.yml"),
        }
        assignments = [f"{name}={value}" for name, value in variables.items()]
        return subprocess.run(
            ["make", "--no-print-directory", target, *assignments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=MAKE_SECONDS,
            check=False,
        )


@pytest.fixture(scope="package")
def operated(engine: None) -> Iterator[Operated]:
    """The running deployment. Every test leaves it running, with what jobs it likes."""
    deployment = Operated()
    try:
        deployment.build_and_start()
        yield deployment
    finally:
        deployment.down()
        for image in ("gateway", "api", "trainer", "classifier", "courier"):
            for tag in ("latest", "previous"):  # `down` knows nothing of the older ones, nor of those retagged
                name = f"{deployment.project}-{image}:{tag}"
                subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=False)


@pytest.fixture(autouse=True)
def logs_of_the_operated(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that failed, print the containers' logs into its report."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed and "operated" in request.fixturenames:
        request.getfixturevalue("operated").print_logs()
