"""docker-bake.hcl: the images that `docker buildx bake` builds for a registry and for this host."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any
from uuid import uuid4

import pytest
import yaml

from shared.runtime.version import VERSION
from tests.support.programs.processes import ROOT
from tests.support.servers.deployment import inspect, remove_images

IMAGES = {"api", "worker", "gateway", "certificates"}
COMPOSE = ("docker-compose.yml", "services/compose/certificates-with-domain.yml")
pytestmark = pytest.mark.usefixtures("engine")


def bake(**variables: str) -> dict[str, Any]:
    """Return the targets that bake would build."""
    return dict(json.loads(run("--print", **variables))["target"])


def run(*options: str, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GLASSBOX_")}
    command = ["docker", "buildx", "bake", "--file", "docker-bake.hcl", *options]
    done = subprocess.run(command, cwd=ROOT, env={**kept, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_image_is_built_for_both_platforms() -> None:
    targets = bake()
    assert set(targets) == IMAGES
    assert {tuple(target["platforms"]) for target in targets.values()} == {("linux/amd64", "linux/arm64")}


def test_the_names_are_those_that_compose_pulls() -> None:
    services = [
        service for file in COMPOSE for service in yaml.safe_load((ROOT / file).read_text())["services"].values()
    ]
    composed = {service["image"].rpartition("/")[2].partition(":")[0] for service in services}

    targets = bake(GLASSBOX_IMAGES="registry.example/team")

    for name, target in targets.items():
        assert target["tags"] == [f"registry.example/team/glassbox-{name}:{VERSION}"]
        assert f"glassbox-{name}" in composed


def test_the_labels_and_the_digests_come_from_variables() -> None:
    digest = "@sha256:" + "0" * 64

    targets = bake(
        GLASSBOX_REVISION="0123abc",
        GLASSBOX_PYTHON_DIGEST=digest,
        GLASSBOX_NGINX_DIGEST=digest,
        SOURCE="https://example/glassbox",
    )

    for name, target in targets.items():
        base = "NGINX_DIGEST" if name == "gateway" else "PYTHON_DIGEST"
        assert target["args"] == {"VERSION": VERSION, "REVISION": "0123abc", base: digest}
        assert target["labels"] == {"org.opencontainers.image.source": "https://example/glassbox"}
        assert target["dockerfile"] == f"services/{name}/Dockerfile"


def test_the_images_are_built_for_this_host() -> None:
    project = f"glassbox-test-{uuid4().hex[:8]}"
    command = ["docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"]
    here = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    run("--load", GLASSBOX_IMAGES=f"localhost/{project}", GLASSBOX_REVISION="0123abc", PLATFORMS=here)
    try:
        for name in IMAGES:
            labels = inspect(f"localhost/{project}/glassbox-{name}:{VERSION}")["Config"]["Labels"]
            assert labels["org.opencontainers.image.title"] == f"glassbox-{name}"
            assert labels["org.opencontainers.image.version"] == VERSION
            assert labels["org.opencontainers.image.revision"] == "0123abc"
    finally:
        remove_images(project)
