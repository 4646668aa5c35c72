"""The pages of docs/ agree with the sources: links, settings and their defaults, alerts, metrics, quoted log lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from shared.runtime.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OPERATIONS = DOCS / "operations"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "day": 86_400, "days": 86_400}
FOLDERS = (
    ".github",
    "api",
    "benchmarks",
    "client",
    "docs",
    "examples",
    "requirements",
    "services",
    "shared",
    "tests",
    "worker",
)
BINARY = {".npz", ".png", ".svg", ".pyc", ".gz", ".zst"}
ONNX = "docs/IR.md"  # a page of ONNX, not of this repository
LONGEST = 120  # lines of a page about operations


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The fragments that lead to the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def sources(*folders: str) -> str:
    """The text of all Python files below these folders."""
    return "\n".join(path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py"))


def files_of_the_tree() -> Iterator[Path]:
    """The sources, configuration and pages, apart from what programs write beside them."""
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in BINARY:
                yield path


def rows(page: Path) -> Iterator[list[str]]:
    """The cells of each row of the page's tables."""
    for line in page.read_text().splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_of_a_page_lead_to_files_and_headings(page: Path) -> None:
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_pages_that_the_sources_mention_exist() -> None:
    mentions = {
        (name(file), page)
        for file in files_of_the_tree()
        if file.relative_to(ROOT).parts[0] != "tests"
        for page in re.findall(r"(?<![\w./-])docs/[\w/-]+\.md", file.read_bytes().decode(errors="replace"))
    }
    assert len(mentions) > 10
    assert sorted((file, page) for file, page in mentions if page != ONNX and not (ROOT / page).exists()) == []


def test_variables_in_the_docs_occur_in_the_sources() -> None:
    known = {f"GLASSBOX_{field.upper()}" for field in Settings.model_fields}
    for file in files_of_the_tree():
        if file.suffix != ".md":
            known |= set(re.findall(r"GLASSBOX_[A-Z0-9_]*[A-Z0-9]", file.read_bytes().decode(errors="replace")))
    pages = "\n".join(page.read_text() for page in PAGES)
    mentioned = set(re.findall(r"GLASSBOX_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_])", pages))
    assert mentioned - known == set()


def test_defaults_in_the_tables_of_operations_are_those_of_the_settings() -> None:
    compared = 0
    for page in sorted(set(OPERATIONS.glob("*.md")) - {OPERATIONS / "certificates.md"}):  # has a domain's ports
        for variables, default, *_ in (row for row in rows(page) if len(row) > 2):
            names = re.findall(r"`GLASSBOX_(\w+)`", variables)
            values = re.findall(r"[\d,.]*\d(?: (?:KiB|MiB|GiB|days?)\b)?", default)
            for field, text in zip(map(str.lower, names), values, strict=False):
                expected = Settings.model_fields[field].default if field in Settings.model_fields else None
                if isinstance(expected, int | float) and not isinstance(expected, bool):
                    number, _, unit = text.replace(",", "").partition(" ")
                    assert float(number) * UNITS.get(unit, 1) == expected, f"{name(page)}: {field} is {expected}"
                    compared += 1
    assert compared > 20


def test_each_alert_is_in_the_table_of_alerts() -> None:
    rules = yaml.safe_load((ROOT / "services/prometheus/rules.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    pages = "\n".join(page.read_text() for page in OPERATIONS.glob("*.md"))
    assert set(re.findall(r"`(Glassbox[A-Z]\w+)`", (OPERATIONS / "metrics.md").read_text())) == alerts
    assert set(re.findall(r"`(Glassbox[A-Z]\w+)`", pages)) <= alerts


def test_each_metric_is_in_the_table_of_metrics() -> None:
    defined = set(re.findall(r'"(glassbox_[a-z_]+)"', sources("api")))
    documented = set(re.findall(r"`(glassbox_[a-z_]+)", (OPERATIONS / "metrics.md").read_text()))
    assert {metric.removesuffix("_total") for metric in documented} == {
        metric.removesuffix("_total") for metric in defined
    }


def test_log_lines_that_the_failure_modes_quote_are_logged() -> None:
    text = sources("api", "worker", "shared", "services")
    quoted = []
    for row in rows(OPERATIONS / "failure-modes.md"):
        detection = re.sub(r"`[^`]*`", "", row[2]) if len(row) > 2 else ""
        quoted += [part.strip() for phrase in re.findall(r'"([^"]+)"', detection) for part in phrase.split("…")]
    assert len(quoted) >= 6
    assert [phrase for phrase in quoted if phrase not in text] == []


def test_pages_about_operations_are_short_and_in_the_table_of_contents() -> None:
    pages = {page.name for page in OPERATIONS.glob("*.md")} - {"README.md"}
    listed = re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", (OPERATIONS / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(pages)
    assert [page for page in pages if len((OPERATIONS / page).read_text().splitlines()) > LONGEST] == []


def test_paths_in_the_docs_exist() -> None:
    pages = "\n".join(page.read_text() for page in PAGES)
    paths = re.findall(r"`((?:api|benchmarks|client|docs|services|shared|tests|worker|\.github)/[\w./-]*)`", pages)
    assert len(paths) > 100
    assert sorted({path for path in paths if not (ROOT / path).exists()}) == []
