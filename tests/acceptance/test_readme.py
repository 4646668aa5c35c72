"""The README's first job, run in bash on a separate stack; the main job on real MNIST."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from glassbox import BatchResult, Client, TrainingResult

from services.embedded.running import running_stack

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TEST_DATA = Path(os.environ.get("GLASSBOX_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(folder / "volume", folder / "stack.log", GLASSBOX_DATASETS=str(TEST_DATA)) as client:
        yield client


def test_the_readmes_first_job_works_by_copy_and_paste(stack: Client, tmp_path: Path) -> None:
    script = re.search(r"## The first job.*?```bash\n(.*?)```", README, re.DOTALL)
    assert script is not None
    commands = script[1].replace("var/digits", f"{tmp_path}/digits")
    sample = f'make() {{ command make --no-print-directory SAMPLE={tmp_path}/digits.zip "$@"; }}\n'
    installed = f'glassbox() {{ "{sys.executable}" -m glassbox "$@"; }}\n'
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", sample + installed + commands],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ".:client", "GLASSBOX_URL": stack.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    rows = [line.split(",") for line in (tmp_path / "digits.csv").read_text().splitlines()]
    with zipfile.ZipFile(tmp_path / "digits.zip") as archive:
        assert [path for path, _, _ in rows[1:]] == archive.namelist()
    assert rows[0] == ["path", "label", "confidence"]
    right = [path.endswith(f"-{label}.png") for path, label, _ in rows[1:]]
    assert np.mean(right) > 0.9
    with np.load(tmp_path / "digits.npz") as weights:
        assert weights["layer1.weights"].shape[0] == 64


@pytest.mark.skipif(
    not (TEST_DATA / "mnist.npz").exists(), reason="mnist.npz is missing: set GLASSBOX_TEST_DATA to its folder"
)
def test_the_main_job_on_real_mnist(stack: Client) -> None:
    job = stack.train("mnist", model="mnist-digits", preset="fast", promote="champion").wait()
    assert isinstance(job.result, TrainingResult)
    assert job.result.test_accuracy >= 0.97

    batch = stack.classify(TEST_DATA / "mnist-test-png.zip", model="mnist-digits@champion").wait()
    assert isinstance(batch.result, BatchResult)
    assert batch.result.succeeded == 10_000
    rows = list(batch.rows())
    assert [row.path for row in rows] == [f"mnist-test/{number:05d}.png" for number in range(10_000)]
    with np.load(TEST_DATA / "mnist.npz") as arrays:
        right = np.mean([row.label == str(label) for row, label in zip(rows, arrays["y_test"], strict=True)])
    assert right == pytest.approx(job.result.test_accuracy, abs=1e-9)
