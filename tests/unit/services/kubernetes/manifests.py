"""The manifests of services/kubernetes: those that are always applied, and those of the optional components."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.programs.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "services" / "kubernetes"
COMPONENT = "app.kubernetes.io/component"

Manifest = dict[str, Any]


def read(path: Path) -> list[Manifest]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def kustomization(folder: Path) -> Manifest:
    """Return the kustomization of a folder."""
    [document] = read(folder / "kustomization.yaml")
    return document


def resources(folder: Path) -> list[Manifest]:
    """Return the manifests that a folder's kustomization lists, without its components."""
    return [document for file in kustomization(folder).get("resources", []) for document in read(folder / file)]


KUSTOMIZATION = kustomization(FOLDER)
OPTIONAL: list[str] = re.findall(r"^#  - ([\w/-]+)", (FOLDER / "kustomization.yaml").read_text(), re.MULTILINE)
ALWAYS = resources(FOLDER)
COMPONENTS = {name: resources(FOLDER / name) for name in OPTIONAL}
GATEWAY = read(FOLDER / "gateway-api" / "gateway.yaml")
ALL = [*ALWAYS, *(manifest for manifests in COMPONENTS.values() for manifest in manifests)]

DEPLOYMENTS = [manifest for manifest in ALWAYS if manifest["kind"] == "Deployment"]
PODS: list[Manifest] = [deployment["spec"]["template"] for deployment in DEPLOYMENTS]


def of_kind(kind: str, manifests: list[Manifest] = ALL) -> list[Manifest]:
    """Return the manifests of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def name_of(manifest: Manifest) -> str:
    """Return the kind and the name, such as "Deployment/api"."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def container_of(pod: Manifest) -> Manifest:
    """Return the only container of a pod."""
    [container] = pod["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def component_of(pod: Manifest) -> str:
    """Return the component that a pod is one of, such as "api"."""
    return str(pod["metadata"]["labels"][COMPONENT])
