"""The list of container images, services/images/list.txt."""

from __future__ import annotations

from tests.support.programs.processes import ROOT

LIST = ROOT / "services" / "images" / "list.txt"


def base_image(name: str) -> str:
    """Return the only reference in the list whose repository is `name`, such as `nginx:1.30-trixie` for `nginx`."""
    lines = [line.split() for line in LIST.read_text(encoding="utf-8").splitlines()]
    [reference] = [words[0] for words in lines if words and words[0].startswith(f"{name}:")]
    return reference
