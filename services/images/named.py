"""The container images that a text names: in YAML, Dockerfiles, commands and prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

# Repositories that are recognised anywhere if they have a tag. Others are recognised by their context or their form.
OFFICIAL = """
    alpine amazonlinux buildpack-deps busybox caddy centos debian docker fedora gcc golang haproxy httpd
    mariadb memcached mongo mysql nginx node openjdk postgres pypy python rabbitmq redis registry rockylinux
    ruby rust traefik ubuntu valkey
"""
PART = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
HOST = r"(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?/"
TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
DIGEST = r"@sha256:[0-9a-f]+"
NAME = rf"(?:{HOST})?{PART}(?:/{PART})*"
IMAGE = re.compile(rf"{NAME}(?::{TAG})?(?:{DIGEST})?")
# A tag of an official repository. Anything else after such a name is a port (redis:6379) or a module (node:fs).
RELEASE = (
    r"(?:v?(?!\d{4,5}\b)\d[A-Za-z0-9._-]*|(?:latest|stable|mainline|edge|nightly|lts|current|alpine|slim|trixie|bookworm"
    r"|bullseye|sid|unstable|testing|noble|jammy|focal)\b[A-Za-z0-9._-]*)"
)

KEY = re.compile(r"""^[\s-]*["']?(?:image|container|containerImage)["']?\s*:\s*(?:&\w+\s+)?["']?([^\s"'#,}]+)""")
INLINE_KEY = re.compile(r"""[{,]\s*["']?(?:image|container)["']?\s*:\s*["']?([^\s"'#,}]+)""")
ACTION = re.compile(r"\bdocker://([^\s\"'`)]+)")
FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
ARGUMENT = re.compile(r"^\s*ARG\s+(\w+)=(\S*)", re.IGNORECASE)
COPIED = re.compile(r"^\s*(?:COPY|ADD)\s.*?--from=(\S+)|--mount=\S*\bfrom=([^\s,]+)", re.IGNORECASE)
SYNTAX = re.compile(r"^#\s*syntax\s*=\s*(\S+)")
# Kustomize and Helm write a name and a tag in two lines.
NAME_KEY = re.compile(r"""\b(?:newName|repository)["']?\s*:\s*["']?([^\s"'#,}]+)""")
TAG_KEY = re.compile(r"""\b(?:newTag|tag)["']?\s*:\s*["']?([^\s"'#,}]+)""")
RUN = re.compile(r"\bdocker\s+(?:container\s+)?(?:run|create)\s+(.*)")
COMMAND = re.compile(r"\bdocker\s+(?:image\s+)?(?:pull|push|save|history)\s+((?:-\S+\s+)*)([^\s\"'`;|&)]+)")
# In any text: a well-known repository or one on a registry's host with any tag; a path with a tag that is a version.
ANYWHERE = re.compile(
    rf"(?<![\w./:@$-])(?:(?:docker\.io/)?(?:library/)?(?:{'|'.join(OFFICIAL.split())}):{RELEASE}"
    rf"|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?/{PART}(?:/{PART})*:{TAG}"
    rf"|{PART}(?:/{PART})+:v?\d+\.[A-Za-z0-9._-]*\w)(?:{DIGEST})?(?![\w/(])"
)
VARIABLE = re.compile(r"\$\{(\w+)(?::?-((?:[^{}]|\$\{[^{}]*\})*))?\}|\$(\w+)")
FILES = re.compile(r"\.(?:py|js|ts|md|ya?ml|json|txt|sh|css|html|toml|conf|cfg|hcl|svg)(?::|$)")
IGNORED_LINE = "images: ignore"
IGNORED_FILE = "images: ignore file"


@dataclass(frozen=True)
class Named:
    """An image reference in a text, and the number of its line."""

    line: int
    reference: str


def named(path: PurePath, text: str) -> Iterator[Named]:
    """Yield the images that a file names. Lines with the remark `images: ignore` are skipped.

    A file with `images: ignore file` in its first five lines is skipped as a whole.
    """
    lines = text.splitlines()
    if any(IGNORED_FILE in line for line in lines[:5]):
        return
    dockerfile = "Dockerfile" in path.name or path.suffix == ".dockerfile"
    yaml = path.suffix in {".yml", ".yaml", ".json"}
    arguments: dict[str, str] = {}
    stages: set[str] = {"scratch"}
    name = ""
    for number, line in enumerate(lines, 1):
        if IGNORED_LINE in line:
            continue
        found = list(_anywhere(line))
        if dockerfile:
            found += _in_dockerfile(line, arguments, stages)
        if yaml:
            found += [match[1] for match in KEY.finditer(line)] + [match[1] for match in INLINE_KEY.finditer(line)]
            if match := NAME_KEY.search(line):
                name = match[1]
            if name and (match := TAG_KEY.search(line)):
                found.append(f"{name}:{match[1]}")
                name = ""
        for reference in dict.fromkeys(filter(None, (_plain(each, arguments) for each in found))):
            yield Named(number, reference)


def _anywhere(line: str) -> Iterator[str]:
    line = VARIABLE.sub(lambda match: (match[2] or "") if match[2] is not None else match[0], line)
    for match in ANYWHERE.finditer(line):
        if not FILES.search(match[0].partition("@")[0]):
            yield match[0]
    for match in COMMAND.finditer(line):
        yield match[2]
    for match in RUN.finditer(line):
        for word in match[1].split():
            if word in OFFICIAL.split():
                yield word
            if word in OFFICIAL.split() or ":" in word or word.lstrip("\"'").startswith("$"):
                break  # the image; a command in the container follows
    for match in ACTION.finditer(line):
        yield match[1]


def _in_dockerfile(line: str, arguments: dict[str, str], stages: set[str]) -> Iterator[str]:
    if match := SYNTAX.match(line):
        yield match[1]
    if match := ARGUMENT.match(line):
        arguments[match[1]] = match[2]
    if match := FROM.match(line):
        if match[1].lower() not in stages:
            yield match[1]
        if match[2]:
            stages.add(match[2].lower())
    for match in COPIED.finditer(line):
        source = match[1] or match[2]
        if source.lower() not in stages and not source.isdecimal():
            yield source


def _plain(reference: str, arguments: dict[str, str]) -> str | None:
    """Return the reference with the defaults of its variables; None if it is not an image, or only a variable."""
    for _ in range(3):
        reference = VARIABLE.sub(lambda match: _value(match, arguments), reference)
    reference = reference.strip("\"'").removeprefix("docker.io/").removeprefix("library/")
    return reference if IMAGE.fullmatch(reference) else None


def _value(match: re.Match[str], arguments: dict[str, str]) -> str:
    name = match[1] or match[3]
    return match[2] if match[2] is not None else arguments.get(name, "")
