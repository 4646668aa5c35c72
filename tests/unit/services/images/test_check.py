"""`python -m services.images.check`: each image that is named must be listed, with a date, and used."""

# images: ignore file

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from services.images.check import problems
from services.images.listed import LIST
from tests.support.programs.processes import ROOT

DIGEST = "sha256:" + "0123456789abcdef" * 4
GOOD = "redis:8.8-trixie - 2026-08-21 the records\n"
COMPOSE = "services:\n  redis:\n    image: redis:8.8-trixie${REDIS_DIGEST:-}\n"


class Tree:
    """A repository with a list and one file that names the listed images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "init", "--quiet", folder], check=True)
        self.write(str(LIST), GOOD)
        self.write("docker-compose.yml", COMPOSE)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def problems(self) -> list[str]:
        return list(problems(self.folder))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_these_sources_have_no_problem() -> None:
    assert list(problems(ROOT)) == []


def test_a_listed_image_that_is_used_is_not_a_problem(tree: Tree) -> None:
    assert tree.problems() == []


@pytest.mark.parametrize(
    ("name", "line", "image"),
    [
        ("docker-compose.dev.yml", "    image: busybox:1.36", "busybox:1.36"),
        ("docker-compose.dev.yml", "    image: 'acme/thing:v2'", "acme/thing:v2"),
        ("docker-compose.dev.yml", "    image: ${THING:-acme/thing:2.1-slim}", "acme/thing:2.1-slim"),
        ("docker-compose.dev.yml", "  one: { image: redis:7, init: true }", "redis:7"),
        ("services/kubernetes/a.yaml", "      - image: quay.io/acme/thing:edge", "quay.io/acme/thing:edge"),
        ("services/kubernetes/a.yaml", "        image: registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
        (".github/workflows/a.yml", "    container: node:22", "node:22"),
        (".github/workflows/a.yml", "      - uses: docker://alpine:3.20", "alpine:3.20"),
        ("services/api/Dockerfile", "FROM python:3.12-slim AS build", "python:3.12-slim"),
        ("services/api/Dockerfile", "FROM --platform=linux/amd64 acme/thing:1", "acme/thing:1"),
        ("services/api/Dockerfile", "COPY --from=acme/tool:1.2 /a /b", "acme/tool:1.2"),
        ("services/api/Dockerfile", "RUN --mount=type=bind,from=acme/tool:9,target=/x true", "acme/tool:9"),
        ("services/api/Dockerfile", "# syntax=docker/dockerfile:1", "docker/dockerfile:1"),
        (".ci/run", "bases=(redis:8.0-trixie)", "redis:8.0-trixie"),
        ("scripts/try.sh", 'docker run --rm "nginx:1.27-alpine" nginx -v', "nginx:1.27-alpine"),
        ("scripts/try.sh", "docker pull --quiet acme/thing", None),
        ("scripts/try.sh", "docker run --rm -it alpine sh", None),
        ("scripts/try.sh", "kubectl run web --image=nginx:alpine", "nginx:alpine"),
        ("docker-compose.dev.yml", "    image: redis", None),
        ("services/api/Dockerfile", "FROM debian", None),
        ("values.json", '  "image": "memcached:1.6",', "memcached:1.6"),
        ("overlay.yaml", "  - { name: a, newName: acme/thing, newTag: v3 }", "acme/thing:v3"),
        ("docs/a.md", "Start `docker.io/library/nginx:1.27` beside it.", "nginx:1.27"),
        ("docs/a.md", "    docker run prom/alertmanager:v0.27.0", "prom/alertmanager:v0.27.0"),
        ("tests/test_a.py", 'IMAGE = "postgres:16"', "postgres:16"),
    ],
)
def test_an_image_that_is_not_listed_is_named_with_its_place(
    tree: Tree, name: str, line: str, image: str | None
) -> None:
    tree.write(name, f"# the first line\n{line}\n")

    [problem] = tree.problems()

    assert problem.startswith(f"{name}:2: ")
    assert str(LIST) in problem
    assert f"the image {image} is not in" in problem if image else "has no tag" in problem


def test_a_name_and_a_tag_may_be_in_two_lines(tree: Tree) -> None:
    tree.write("values.yaml", "image:\n  repository: acme/thing\n  tag: 'v3'\nother:\n  tag: v4\n")
    [problem] = tree.problems()
    assert problem.startswith("values.yaml:3: the image acme/thing:v3 is not in")


def test_an_argument_of_a_dockerfile_is_resolved(tree: Tree) -> None:
    tree.write(
        "services/redis/Dockerfile", "ARG BASE=redis:8.8-trixie\nARG DIGEST=\nFROM ${BASE}${DIGEST} AS one\nFROM one\n"
    )
    assert tree.problems() == []
    tree.write("services/redis/Dockerfile", "ARG BASE=acme/thing\nFROM $BASE\n")
    assert tree.problems() == [
        f"services/redis/Dockerfile:2: the image acme/thing has no tag; name a release that is listed in {LIST}"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "GLASSBOX_REDIS_URL: redis://glassbox@redis:6379/0",
        "curl http://api:8000/readyz; curl 127.0.0.1:8000",
        "    image: ${GLASSBOX_IMAGES:-localhost/${PROJECT:-glassbox}}/glassbox-api:${VERSION:-0.1.0}",
        "    image: registry.example/glassbox-worker:0.1.0",
        "    image: ${IMAGE}",
        "see docs/operations/settings.md:12 and shared/runtime/version.py:3.14",
        "proxy_pass http://nginx:8080;",
        'import test from "node:test"; import "node:fs/promises"',
        "docker compose run --rm redis redis-cli",
        "docker run --rm glassbox-api:0.1.0 python -c pass",
        'docker run --rm "$IMAGE" python -c pass',
        "volumes: [./a/b:/etc/c.d:ro]",
    ],
)
def test_text_that_is_not_an_image_or_an_image_built_here_is_not_a_problem(tree: Tree, line: str) -> None:
    tree.write("other.yml", line + "\n")
    assert tree.problems() == []


def test_an_entry_that_nothing_uses_is_named(tree: Tree) -> None:
    tree.write(str(LIST), GOOD + "acme/thing:1 - 2026-08-21 nothing\n")
    tree.write("docs/a.md", "acme/thing:1.0 and acme/thing:1 are read about, and not used\n".replace(":1.0", ""))

    assert tree.problems() == [f"{LIST}:2: nothing uses acme/thing:1; remove the line"]


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("redis:8.8-trixie - - the records", "has no date"),
        ("redis:8.8-trixie - 21.8.2026 the records", "has no date"),
        ("redis:8.8-trixie - 2026-02-30 the records", "has no date"),
        ("redis:8.8-trixie - 9999-01-01 the records", "in the future"),
        ("redis:8.8-trixie - 2026-08-21", "expected reference, digest or -, date and purpose"),
        ("redis:8.8-trixie sha256:12 2026-08-21 the records", "64 hexadecimal digits"),
        ("redis - 2026-08-21 the records", "not an image with a tag"),
        ("redis:latest - 2026-08-21 the records", "names no version"),
    ],
)
def test_a_malformed_entry_is_named_with_its_line(tree: Tree, entry: str, complaint: str) -> None:
    tree.write(str(LIST), f"# the list\n{entry}\n")

    assert any(problem.startswith(f"{LIST}:2: ") and complaint in problem for problem in tree.problems())


def test_an_image_is_listed_once(tree: Tree) -> None:
    tree.write(str(LIST), GOOD + GOOD)
    assert tree.problems() == [f"{LIST}:2: redis:8.8-trixie is listed twice; remove one of the lines"]


def test_a_digest_must_be_the_listed_one(tree: Tree) -> None:
    tree.write("docker-compose.yml", COMPOSE.replace("${REDIS_DIGEST:-}", f"@{DIGEST}"))
    assert tree.problems() == [f"docker-compose.yml:3: redis:8.8-trixie has the digest {DIGEST}, {LIST}:1 has none"]
    tree.write(str(LIST), GOOD.replace(" - ", f" {DIGEST} "))
    assert tree.problems() == []


def test_a_new_file_counts_before_it_is_tracked_and_an_ignored_one_never(tree: Tree) -> None:
    tree.write("new.yml", "image: acme/thing:1\n")
    assert len(tree.problems()) == 1
    tree.write(".gitignore", "new.yml\n")
    assert tree.problems() == []
