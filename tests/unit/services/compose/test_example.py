"""`.env.example`: every variable of the deployment, with the default that the code or the Compose files give it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.certificates.options import LETS_ENCRYPT
from shared.runtime.settings import Settings
from tests.support.programs.processes import ROOT

LINE = re.compile(r"#([A-Z][A-Z0-9_]*)=(\S*)(?: # (\S.*))?")
LINES = (ROOT / ".env.example").read_text().splitlines()
EXAMPLE = {match[1]: match[2] for line in LINES if (match := LINE.fullmatch(line))}
COMPOSE = [*ROOT.glob("docker-compose*.yml"), *ROOT.glob("services/compose/*.yml")]
SCRIPTS = [*ROOT.glob("services/compose/*.sh"), *ROOT.glob("services/gateway/*.sh")]
INTERPOLATION = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:(:[-?+])((?:[^{}]|\$\{[^}]*\})*))?\}")
PASSED_ON = re.compile(r"^ *((?:GLASSBOX|OTEL)_[A-Z0-9_]+):$", re.MULTILINE)
FIELDS = {name.removeprefix("GLASSBOX_").lower() for name in EXAMPLE} - {"published_on"}  # Compose has its own default
OF_THE_IMAGE = {"GLASSBOX_API", "GLASSBOX_HTTPS_PORT"}  # the gateway's, for running its image without Compose
WITH_DOMAIN = {  # other defaults if GLASSBOX_DOMAIN is set
    ("GLASSBOX_PORT", "443"),
    ("GLASSBOX_PUBLISHED_ON", "0.0.0.0"),  # noqa: S104 - a domain implies this address
    ("GLASSBOX_API_KEYS_FILE", "${GLASSBOX_DOMAIN:+/etc/glassbox/keys}"),
}


def interpolations(files: list[Path]) -> Iterator[tuple[str, str, str]]:
    for file in files:
        for name, operator, default in INTERPOLATION.findall(file.read_text()):
            if name.startswith("GLASSBOX_") and name not in OF_THE_IMAGE:
                yield name, operator, default


def of_the_compose_files() -> set[str]:
    passed_on = {name for file in COMPOSE for name in PASSED_ON.findall(file.read_text())}
    return passed_on | {name for name, _, _ in interpolations([*COMPOSE, *SCRIPTS])}


def test_each_line_of_the_example_is_empty_a_remark_or_one_variable_that_is_commented_out() -> None:
    others = [line for line in LINES if line and not line.startswith("# ") and not LINE.fullmatch(line)]
    assert others == []
    names = [match[1] for line in LINES if (match := LINE.fullmatch(line))]
    assert len(names) == len(set(names))


def test_the_example_has_the_variables_that_the_compose_files_and_scripts_read_and_no_others() -> None:
    assert set(EXAMPLE) == of_the_compose_files()


@pytest.mark.parametrize("field", sorted(FIELDS & set(Settings.model_fields)))
def test_a_default_is_that_of_the_code(monkeypatch: pytest.MonkeyPatch, limits: Settings, field: str) -> None:
    name = f"GLASSBOX_{field.upper()}"
    monkeypatch.setenv(name, EXAMPLE[name])

    assert getattr(Settings(), field) == getattr(limits, field)


def test_a_default_is_that_of_the_compose_files_and_scripts() -> None:
    placeholders = {"./services/compose/nothing", "./nothing", ""}  # for unset folders
    given = {(name, default) for name, operator, default in interpolations([*COMPOSE, *SCRIPTS]) if operator == ":-"}

    wrong = {(name, default) for name, default in given if EXAMPLE[name] != default and default not in placeholders}

    assert wrong == WITH_DOMAIN


def test_a_default_that_depends_on_the_domain_is_in_the_remark() -> None:
    remarks = {match[1]: match[3] or "" for line in LINES if (match := LINE.fullmatch(line))}
    for name, default in WITH_DOMAIN:
        value = default.removeprefix("${GLASSBOX_DOMAIN:+").removesuffix("}")
        assert "with GLASSBOX_DOMAIN the default" in remarks[name]
        assert value in remarks[name]


def test_default_authority_is_that_of_the_code() -> None:
    assert EXAMPLE["GLASSBOX_ACME_DIRECTORY"] == LETS_ENCRYPT
