"""A checkout with `core.autocrlf=true`, Git's setting on Windows: what containers run and read keeps its line feeds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.programs.processes import ROOT

FILES = [
    ".dockerignore",
    ".env.example",
    "Makefile",
    "docker-compose.yml",
    "services/compose/up.sh",
    "services/gateway/start.sh",
    "services/gateway/nginx.conf",
    "services/redis/redis.conf",
    "services/worker/Dockerfile",
    "services/prometheus/prometheus.yml",
    "services/secrets/make.py",
    "shared/datasets/builtin/digits.npz",
    "requirements/worker.txt",
]


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def checkout_of(folder: Path, files: list[str]) -> Path:
    """A clone, as on Windows, of a repository with these files."""
    source, clone = folder / "source", folder / "clone"
    for file in files:
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, source / file)
    git(source, "init", "--quiet")
    git(source, "add", ".")
    git(source, "commit", "--quiet", "--message", "all")
    git(folder, "-c", "core.autocrlf=true", "clone", "--quiet", str(source), str(clone))
    return clone


def test_a_checkout_of_windows_has_the_same_bytes(tmp_path: Path) -> None:
    clone = checkout_of(tmp_path, [".gitattributes", *FILES])

    assert [file for file in FILES if (clone / file).read_bytes() != (ROOT / file).read_bytes()] == []


def test_without_the_attributes_it_would_not(tmp_path: Path) -> None:
    clone = checkout_of(tmp_path, FILES)

    assert b"\r\n" in (clone / "services/compose/up.sh").read_bytes()


@pytest.mark.parametrize("file", FILES)
def test_a_file_has_line_feeds_here(file: str) -> None:
    content = (ROOT / file).read_bytes()
    assert file.endswith(".npz") or b"\r" not in content
