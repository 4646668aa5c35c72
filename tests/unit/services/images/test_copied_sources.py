"""The Dockerfiles of the API and the workers: an image has the modules that its scripts of `services/` import."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.programs.processes import ROOT

COPY = re.compile(r"^COPY (?!--)(.+) /opt/glassbox/app/\S*$", re.MULTILINE)


def copied_to(image: str) -> list[str]:
    """The sources that the Dockerfile of an image copies."""
    return [
        source
        for line in COPY.findall((ROOT / "services" / image / "Dockerfile").read_text())
        for source in line.split()
    ]


@pytest.mark.parametrize("image", ["api", "worker"])
def test_a_script_finds_its_modules_in_its_image(image: str) -> None:
    copied = copied_to(image)
    scripts = [source for source in copied if source.startswith("services/") and source.endswith(".py")]
    folders = {source for source in copied if "." not in source}
    assert scripts
    assert "shared" in folders

    missing = []
    for script in scripts:
        for node in ast.walk(ast.parse((ROOT / script).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                files = [name.replace(".", "/") + ".py" for name in names if (ROOT / name.split(".")[0]).is_dir()]
                if files and names[0].split(".")[0] not in folders and not any(file in copied for file in files):
                    missing.append((script, node.module))
    assert missing == []
