"""Each image with Python has every module that its scripts of `services/` import, in the right folder."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.programs.processes import ROOT

COPY = re.compile(r"^COPY (?!--)(.+) /opt/glassbox/app/(\S*)$", re.MULTILINE)
PACKAGES = ("api", "services", "shared", "worker")


def files_in(image: str) -> dict[str, str]:
    """Return the files below /opt/glassbox/app of an image, each with the file of the checkout that is copied to it."""
    files = {}
    for sources, folder in COPY.findall((ROOT / "services" / image / "Dockerfile").read_text()):
        for source in (path for pattern in sources.split() for path in ROOT.glob(pattern)):
            for path in source.rglob("*.py") if source.is_dir() else [source]:
                place = path.relative_to(source) if source.is_dir() else path.name
                files[f"{folder.rstrip('/')}/{place}"] = str(path.relative_to(ROOT))
    return files


def imports_of(path: str) -> Iterator[str]:
    """Yield the paths of Glassbox's modules that a file imports."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for stem in (name.replace(".", "/") for name in names if name.split(".")[0] in PACKAGES):
            yield from (file for file in (f"{stem}.py", f"{stem}/__init__.py") if (ROOT / file).exists())


@pytest.mark.parametrize("image", ["api", "certificates", "worker"])
def test_a_script_finds_its_modules_in_its_image(image: str) -> None:
    files = files_in(image)
    pending = [file for file in files if file.startswith("services/") and file.endswith(".py")]
    assert pending

    missing, seen = set(), set(pending)
    while pending:
        file = pending.pop()
        for needed in imports_of(files[file]):
            if needed not in files:
                missing.add((file, needed))
            elif needed not in seen:
                seen.add(needed)
                pending.append(needed)
    assert missing == set()
