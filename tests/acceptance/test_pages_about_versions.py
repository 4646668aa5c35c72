"""Every example in the pages about versions, run on a stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from glassbox import Client

from services.embedded.running import running_stack
from tests.support.programs.processes import ROOT
from tests.support.programs.snippets import run_snippets

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A stack with three versions of `digits`; the last one is the champion."""
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(folder / "volume", folder / "stack.log") as client:
        for seed in range(3):
            client.train("digits", model="digits", seed=seed, epochs=20, promote="champion").wait()
        yield client


def test_the_page_about_exporting_works(stack: Client, tmp_path: Path) -> None:
    *_, python = run_snippets(DOCS / "versions" / "exporting.md", tmp_path, stack.url)

    assert {path.name for path in tmp_path.glob("[a-z]*.*")} == {
        *("digits-3.npz", "digits-3.onnx", "network.safetensors", "champion.onnx"),
        *("digits.onnx", "digits.safetensors", "digits.npz"),
    }
    assert (tmp_path / "champion.onnx").read_bytes() == (tmp_path / "digits-3.onnx").read_bytes()
    assert python.startswith("['")


def test_the_page_about_reproducing_works(stack: Client, tmp_path: Path) -> None:
    command, http, python = run_snippets(DOCS / "versions" / "reproducing.md", tmp_path, stack.url)

    assert "digits@3 is reproduced bit for bit" in command
    assert '"kind":"reproduction"' in http.replace(" ", "")
    assert python == f"True {stack.models.version('digits@3').blas_threads}\n"


def test_the_page_about_predictions_works(stack: Client, tmp_path: Path) -> None:
    (python,) = run_snippets(DOCS / "versions" / "predictions.md", tmp_path, stack.url)

    counts = stack.models.compare("digits@2", "digits@1").counts
    assert f"{counts.only_this_right} {counts.only_other_right} " in python


def test_the_page_about_evaluating_works(stack: Client, tmp_path: Path) -> None:
    command, python = run_snippets(DOCS / "versions" / "evaluating.md", tmp_path, stack.url)

    assert "digits@3" in command
    assert "Confusion matrix" in command
    assert python.startswith(str(stack.models.evaluation("digits@3").accuracy))
    assert python.endswith("\n0 0 1.0\n")


def test_the_page_about_reports_works(stack: Client, tmp_path: Path) -> None:
    shown, path, python = run_snippets(DOCS / "versions" / "reports.md", tmp_path, stack.url)

    assert "Confusion matrix" in shown
    assert path == "report.html\n"
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert python.startswith("image ")
