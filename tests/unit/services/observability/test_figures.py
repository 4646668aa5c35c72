"""Rules, alerts and the dashboard use metrics that exist, and the same names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from shared.runtime.settings import Settings
from tests.support.programs.processes import ROOT

PROMETHEUS = ROOT / "services" / "prometheus"
GRAFANA = ROOT / "services" / "grafana"
NAMES = re.compile(r"\bglassbox[a-z0-9_:]+")

Json = dict[str, Any]


def read(path: Path) -> Json:
    document: Json = yaml.safe_load(path.read_text())
    return document


@pytest.fixture
def figures(settings: Settings) -> set[str]:
    """The names of the metrics in /metrics."""
    client = create_app(settings).test_client()
    client.get("/healthz")
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {sample.name for family in families for sample in family.samples} | {"up", "ALERTS"}


def rules() -> list[Json]:
    return [rule for group in read(PROMETHEUS / "rules.yml")["groups"] for rule in group["rules"]]


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def dashboard() -> Json:
    document: Json = json.loads((GRAFANA / "dashboards" / "glassbox.json").read_text())
    return document


def queries() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("expression", [rule["expr"] for rule in rules()])
def test_a_rule_uses_existing_metrics(figures: set[str], expression: str) -> None:
    used = set(NAMES.findall(expression))
    assert used <= figures | recorded() | {"glassbox"}


@pytest.mark.parametrize("expression", queries())
def test_a_panel_shows_existing_metrics(figures: set[str], expression: str) -> None:
    assert set(NAMES.findall(expression)) <= figures | recorded() | {"glassbox"}


def test_every_recorded_series_is_used_by_a_panel_or_an_alert() -> None:
    used = {name for text in [*queries(), *(rule["expr"] for rule in rules())] for name in NAMES.findall(text)}
    assert recorded() <= used


def test_every_alert_has_a_summary_and_an_action() -> None:
    for rule in (rule for rule in rules() if "alert" in rule):
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "action"}


def test_every_alert_has_a_test() -> None:
    tests = read(PROMETHEUS / "rules.test.yml")["tests"]
    tested = {alert["alertname"] for test in tests for alert in test.get("alert_rule_test", [])}
    assert {rule["alert"] for rule in rules() if "alert" in rule} == tested


def test_panels_do_not_overlap_and_have_unique_ids() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24  # the width of Grafana's grid


def test_panels_query_the_provisioned_data_source() -> None:
    [source] = read(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    assert {(panel["datasource"]["type"], panel["datasource"]["uid"]) for panel in dashboard()["panels"]} == {
        (source["type"], source["uid"])
    }


def test_compose_mounts_every_file_at_its_path() -> None:
    services = read(ROOT / "docker-compose.yml")["services"]
    [source] = read(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in services
    [provider] = read(GRAFANA / "provisioning" / "dashboards" / "glassbox.yml")["providers"]
    assert f"./services/grafana/dashboards:{provider['options']['path']}:ro,z" in services["grafana"]["volumes"]
    mounts = dict(volume.removesuffix(":ro,z").rsplit(":", 1) for volume in services["prometheus"]["volumes"])
    targets = {target: source for source, target in mounts.items()}
    assert targets["/etc/prometheus"] == "./services/prometheus"
    scrape = read(PROMETHEUS / "prometheus.yml")
    assert all((PROMETHEUS / name).is_file() for name in scrape["rule_files"])
    [job] = scrape["scrape_configs"]
    assert "no-key" in targets[job["authorization"]["credentials_file"]]
    assert (PROMETHEUS / "no-key").is_file()
