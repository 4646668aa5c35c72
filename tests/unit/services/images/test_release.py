"""The release workflow: its pinned actions, the condition of publishing, and its shell steps."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.runtime.version import VERSION
from tests.support.programs.processes import ROOT

WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["images"]["steps"]
DIGESTS = {name: f"sha256:{number}" for number, name in enumerate(("api", "worker", "gateway", "certificates"))}


def script(name: str) -> str:
    [found] = [step["run"] for step in STEPS if step.get("name", "").startswith(name)]
    return str(found)


def run(folder: Path, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "GITHUB_ENV": str(folder / "env"), **variables}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(name)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_each_action_is_pinned_to_a_commit_with_its_version_in_a_comment() -> None:
    lines = [line for line in (ROOT / ".github/workflows/release.yml").read_text().splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []


def test_only_a_tag_is_published_and_signed() -> None:
    for step in STEPS:
        if any(word in step.get("uses", "") + step.get("run", "") for word in ("login-action", "cosign")):
            assert step["if"] == "github.ref_type == 'tag'", step
    [bake] = [step for step in STEPS if "bake-action" in step.get("uses", "")]
    assert bake["with"]["push"] == "${{ github.ref_type == 'tag' }}"
    assert bake["with"]["files"] == "docker-bake.hcl"


@pytest.mark.parametrize(
    ("kind", "name", "passes"), [("tag", f"v{VERSION}", True), ("tag", "v9.9.9", False), ("branch", "main", True)]
)
def test_a_tag_is_the_version_of_the_sources(tmp_path: Path, kind: str, name: str, passes: bool) -> None:
    done = run(tmp_path, "Read the version", GITHUB_REF_TYPE=kind, GITHUB_REF_NAME=name)

    assert (done.returncode == 0) is passes
    if passes:
        assert (tmp_path / "env").read_text() == f"GLASSBOX_VERSION={VERSION}\n"
    else:
        assert done.stdout == f"::error::the tag is {name}, and shared/runtime/version.py says {VERSION}\n"


def test_each_image_is_signed_by_its_digest(tmp_path: Path) -> None:
    cosign = tmp_path / "cosign"
    cosign.write_text('#!/bin/sh\necho "$@"\n')
    cosign.chmod(0o755)
    built = {name: {"containerimage.digest": digest} for name, digest in DIGESTS.items()}
    metadata = json.dumps({**built, "buildx.build.warnings": []})

    done = run(tmp_path, "Sign", METADATA=metadata, GLASSBOX_IMAGES="registry.example/team")

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"sign --yes registry.example/team/glassbox-{name}@{digest}" for name, digest in DIGESTS.items()
    ]


def test_nothing_is_signed_if_the_build_has_no_digest(tmp_path: Path) -> None:
    done = run(tmp_path, "Sign", METADATA='{"api": {}}', GLASSBOX_IMAGES="registry.example/team")
    assert done.returncode != 0
