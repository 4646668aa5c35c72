"""The functions and links in docs/mathematics.md exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[4] / "docs"
PAGE = (DOCS / "mathematics.md").read_text()
REFERENCES = re.findall(r"\[`([\w.]+)`\]\(\.\./shared/network/([\w/]+)\.py\)", PAGE)


@pytest.mark.parametrize(("name", "module"), sorted(set(REFERENCES)))
def test_every_function_that_the_page_names_is_in_the_linked_file(name: str, module: str) -> None:
    place: object = importlib.import_module(f"shared.network.{module.replace('/', '.')}")
    for part in name.removeprefix(f"{module.rsplit('/', 1)[-1]}.").split("."):
        place = getattr(place, part)
    assert callable(place)


def test_every_step_forward_and_backward_is_on_the_page() -> None:
    named = {name for name, _ in REFERENCES}
    steps = {"dense.forward", "softmax", "cross_entropy", "logit_gradient", "dense.gradients", "dense.propagate"}
    assert steps <= named


def test_every_link_of_the_page_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(links) > len(REFERENCES) > 0
    assert [link for link in links if not (DOCS / link).is_file()] == []
