"""The check of the checkout's files that Compose mounts: the containers' users must be able to read them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from services.preflight.mounted_files import MOUNTED, problems
from tests.support.programs.processes import ROOT


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A folder like `services`, created with the umask 022."""
    folder = tmp_path / "services"
    for name in ("redis/redis.conf", "prometheus/rules.yml", "grafana/dashboards/glassbox.json", "healthcheck.sh"):
        path = folder / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_text("")
        path.chmod(0o644)
    return folder


def test_files_that_all_users_can_read_are_accepted(services: Path) -> None:
    assert list(problems(services)) == []


@pytest.mark.parametrize(
    ("name", "mode"), [("redis/redis.conf", 0o600), ("healthcheck.sh", 0o640), ("grafana/dashboards", 0o700)]
)
def test_a_file_or_folder_that_only_its_owner_can_read_is_named_with_the_remedy(
    services: Path, name: str, mode: int
) -> None:
    (services / name).chmod(mode)

    [problem] = problems(services)

    assert problem.startswith(f"the containers' users cannot read services/{name} of this checkout.")
    assert "`chmod -R a+rX services`" in problem


def test_each_mounted_file_of_the_checkout_is_checked() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    sources = {str(volume).split(":")[0] for service in compose.values() for volume in service.get("volumes", [])}
    mounted = {source.removeprefix("./services/") for source in sources if source.startswith("./services/")}

    assert {name.split("/")[0] for name in mounted} == set(MOUNTED)
