"""The images in docker-compose.yml: where their names and builds come from."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml

from tests.support.programs.processes import ROOT

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if "/glassbox-" in service["image"]}


def test_each_image_of_glassbox_is_built_by_exactly_one_service() -> None:
    """Two builds of one name differ in their timestamps; then the next `up` would recreate containers."""
    assert {name for name, service in SERVICES.items() if "build" in service} <= set(OURS)
    builds = Counter(service["image"] for service in OURS.values() if "build" in service)
    assert builds == Counter({service["image"]: 1 for service in OURS.values()})


def test_a_service_without_a_build_depends_on_the_one_that_builds_its_image() -> None:
    builders = {service["image"]: name for name, service in OURS.items() if "build" in service}
    started = {name: service for name, service in OURS.items() if name != "check"}  # its scripts build the images first
    for name, service in started.items():
        assert "build" in service or builders[service["image"]] in service["depends_on"], name


def test_images_of_glassbox_are_not_pulled_by_default() -> None:
    assert OURS
    for service in OURS.values():
        assert service["pull_policy"] == "${GLASSBOX_PULL:-never}"
        assert service["image"].startswith("${GLASSBOX_IMAGES:-localhost/")
