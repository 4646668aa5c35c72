"""One version: each file that repeats it agrees with shared/runtime/version.py."""

from __future__ import annotations

import re
import tomllib

import glassbox
import pytest
import yaml

from shared.runtime.version import VERSION
from tests.support.programs.processes import ROOT

CERTIFICATES = "services/compose/certificates-with-domain.yml"
BUILDS = ("docker-compose.yml", "services/compose/further-host.yml", CERTIFICATES, "docker-bake.hcl")


def test_the_client_has_the_services_version() -> None:
    assert glassbox.__version__ == VERSION


def test_the_clients_distribution_has_the_clients_version() -> None:
    project = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())
    assert "version" in project["project"].get("dynamic", ()) or project["project"]["version"] == VERSION


@pytest.mark.parametrize("file", BUILDS)
def test_a_build_labels_the_images_with_the_version(file: str) -> None:
    named = re.findall(
        r"""(?:VERSION\w*:-|VERSION:\s+"|"GLASSBOX_VERSION"\s*\{\s*default\s*=\s*")([^"}]+)""",
        (ROOT / file).read_text(),
    )
    assert named
    assert set(named) == {VERSION}


def test_kubernetes_runs_the_images_of_the_version() -> None:
    kustomization = yaml.safe_load((ROOT / "services" / "kubernetes" / "kustomization.yaml").read_text())
    assert {image["newTag"] for image in kustomization["images"]} == {VERSION}
