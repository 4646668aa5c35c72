"""`upgrade.sh` and `rollback.sh` with a kubectl that records its commands: what they apply, the order, the end."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.unit.services.kubernetes.manifests import ALL, COMPONENT, FOLDER, KUSTOMIZATION, Manifest, name_of

KUBECTL = """#!/bin/sh
printf '%s\\n' "$*" >>"$RECORD"
case "$*" in
  kustomize*) cat "$MANIFESTS" ;;
  *$FAILS*) echo "error: it did not work" >&2; exit 1 ;;
esac
"""
WORKERS = ("courier", "classifier", "trainer")
NEVER = "never"


@dataclass
class Cluster:
    """A kubectl that records its commands."""

    folder: Path

    def run(self, script: str, *arguments: str, fails: str = NEVER, without: str = NEVER) -> int:
        """Run a script; the command that contains `fails` fails, and the kustomization lacks `without`."""
        binary = self.folder / "kubectl"
        binary.write_text(KUBECTL)
        binary.chmod(0o755)
        rendered = [as_applied(each) for each in ALL if name_of(each) != f"Deployment/{without}"]
        (self.folder / "manifests").write_text(yaml.safe_dump_all(rendered))
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "RECORD": str(self.folder / "record"),
            "MANIFESTS": str(self.folder / "manifests"),
            "FAILS": fails,
        }
        done = subprocess.run(
            [FOLDER / script, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        self.messages = done.stderr
        return done.returncode

    def steps(self) -> list[str]:
        """Return the commands that changed the cluster or waited for it, as "apply SELECTOR" and "wait SELECTOR"."""
        lines = (self.folder / "record").read_text().splitlines()
        found = [(line.partition(" ")[0], re.search(r" --selector (.*?)(?: --|$)", line)) for line in lines]
        return [f"{'apply' if verb == 'apply' else 'wait'} {selector.group(1)}" for verb, selector in found if selector]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def as_applied(manifest: Manifest) -> Manifest:
    """Return a manifest with the namespace and the labels that kustomize adds."""
    [labels] = KUSTOMIZATION["labels"]
    metadata = manifest["metadata"]
    metadata = {**metadata, "namespace": "glassbox", "labels": {**metadata.get("labels", {}), **labels["pairs"]}}
    return {**manifest, "metadata": metadata}


def selects(selector: str, manifest: Manifest) -> bool:
    """Return whether a selector of a step selects a manifest."""
    key, operator, values = selector.split(" ", 2)
    assert key == COMPONENT
    listed = manifest["metadata"].get("labels", {}).get(key) in values.strip("()").split(",")
    return listed if operator == "in" else not listed


def test_an_upgrade_replaces_the_workers_and_then_the_api(cluster: Cluster) -> None:
    assert cluster.run("upgrade.sh") == 0

    assert cluster.steps() == [
        f"apply {COMPONENT} notin (courier,classifier,trainer,api)",
        f"apply {COMPONENT} in (courier,classifier,trainer)",
        *(f"wait {COMPONENT}={worker}" for worker in WORKERS),
        f"apply {COMPONENT} in (api)",
        f"wait {COMPONENT}=api",
    ]


def test_a_rollback_replaces_the_api_and_then_the_workers(cluster: Cluster) -> None:
    assert cluster.run("rollback.sh") == 0

    assert cluster.steps() == [
        f"apply {COMPONENT} notin (api,courier,classifier,trainer)",
        f"apply {COMPONENT} in (api)",
        f"wait {COMPONENT}=api",
        f"apply {COMPONENT} in (courier,classifier,trainer)",
        *(f"wait {COMPONENT}={worker}" for worker in WORKERS),
    ]


def test_every_manifest_is_applied_by_exactly_one_step(cluster: Cluster) -> None:
    cluster.run("upgrade.sh")
    selectors = [step.removeprefix("apply ") for step in cluster.steps() if step.startswith("apply ")]

    for manifest in ALL:
        assert [selects(selector, manifest) for selector in selectors].count(True) == 1, name_of(manifest)
    of_the_last = {name_of(manifest) for manifest in ALL if selects(selectors[-1], manifest)}
    assert of_the_last == {"Deployment/api", "Service/api"}


def test_the_api_is_unchanged_if_workers_do_not_become_ready(cluster: Cluster) -> None:
    assert cluster.run("upgrade.sh", fails="rollout status") == 1

    assert cluster.steps()[-1] == f"wait {COMPONENT}={WORKERS[0]}"
    assert "courier is not ready" in cluster.messages
    assert f"kubectl --namespace glassbox describe pods --selector {COMPONENT}=courier" in cluster.messages
    assert "rollback.sh" in cluster.messages


def test_a_rejected_manifest_changes_nothing(cluster: Cluster) -> None:
    assert cluster.run("upgrade.sh", fails="--dry-run") == 1

    assert cluster.steps() == []
    assert "it did not work" in cluster.messages


def test_the_argument_selects_the_kustomization(cluster: Cluster) -> None:
    assert cluster.run("upgrade.sh", "overlays/ours") == 0

    assert (cluster.folder / "record").read_text().splitlines()[0] == "kustomize overlays/ours"


def test_a_component_missing_in_the_kustomization_is_skipped(cluster: Cluster) -> None:
    assert cluster.run("upgrade.sh", without="courier") == 0

    assert f"wait {COMPONENT}=courier" not in cluster.steps()
    assert f"wait {COMPONENT}=trainer" in cluster.steps()
