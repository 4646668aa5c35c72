"""`glassbox models show`, `report`, `download` and `verify` on a real service."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import safetensors.numpy

from tests.support.data.npz import easy_arrays, npz
from tests.support.programs.command import Command, Done
from tests.support.servers.stack import Stack

QUICK = {"hidden": [8], "epochs": 4, "batch_size": 10, "optimizer": {"name": "adam", "learning_rate": 0.02}}


@pytest.fixture(scope="module", autouse=True)
def trained(stack: Stack) -> None:
    """The version `to-export@1`, which is the champion."""
    stack.upload(npz(easy_arrays(train=300, test=60, seed=6)), name="to-export")
    stack.finished(stack.train(model="to-export", dataset="to-export", promote="champion", **QUICK)["id"])


@pytest.fixture
def glassbox(stack: Stack, tmp_path: Path) -> Command:
    """The command, in an empty folder."""
    return Command(f"http://127.0.0.1:{stack.port}", tmp_path, {})


def printed(done: Done) -> str:
    assert done.status == 0, done.err
    return done.out


class TestShow:
    def test_show_prints_facts_matrix_and_curves(self, glassbox: Command) -> None:
        out = printed(glassbox("models", "show", "to-export@champion"))

        assert "to-export@1" in out
        assert "Confusion matrix: 60 test images" in out
        assert "Training accuracy by epoch" in out
        assert "precision" in out

    def test_show_prints_json_with_the_evaluation(self, glassbox: Command) -> None:
        shown: Any = json.loads(printed(glassbox("models", "show", "to-export", "--json")))

        assert shown["version"] == 1
        assert sum(map(sum, shown["evaluation"]["confusion_matrix"])) == 60
        assert shown["environment"]["numpy"] == np.__version__


class TestReport:
    def test_report_writes_one_page(self, glassbox: Command, tmp_path: Path) -> None:
        assert printed(glassbox("models", "report", "to-export@champion", "-o", "r.html")).strip() == "r.html"

        page = (tmp_path / "r.html").read_text()
        assert page.startswith("<!doctype html>")
        assert page.count("<figcaption>unit ") == 8

    def test_report_has_a_default_file_name(self, glassbox: Command, tmp_path: Path) -> None:
        printed(glassbox("models", "report", "to-export"))

        assert [path.name for path in tmp_path.iterdir()] == ["to-export-1.html"]

    def test_report_writes_to_standard_output(self, glassbox: Command) -> None:
        assert printed(glassbox("models", "report", "to-export", "-o", "-")).rstrip().endswith("</html>")

    @pytest.mark.parametrize(
        ("arguments", "status", "message"),
        [(("nowhere",), 5, "no model 'nowhere'"), (("to-export", "-o", "no/such/r.html"), 8, "there is no folder")],
    )
    def test_report_prints_an_error_in_one_line_and_leaves_no_file(
        self, glassbox: Command, tmp_path: Path, arguments: tuple[str, ...], status: int, message: str
    ) -> None:
        ran = glassbox("models", "report", *arguments)

        assert ran.status == status
        assert message in ran.err
        assert len(ran.err.splitlines()) == 1
        assert list(tmp_path.iterdir()) == []


class TestDownload:
    @pytest.mark.parametrize("form", ["npz", "safetensors", "onnx"])
    def test_download_writes_each_format(self, glassbox: Command, stack: Stack, tmp_path: Path, form: str) -> None:
        assert printed(glassbox("models", "download", "to-export@1", "--format", form)).strip() == f"to-export-1.{form}"

        content = (tmp_path / f"to-export-1.{form}").read_bytes()
        response = stack.http.get(f"/v1/models/to-export/versions/1/weights?format={form}")
        assert response.headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'

    def test_download_uses_the_format_of_the_files_ending(self, glassbox: Command, tmp_path: Path) -> None:
        for name in ("a.safetensors", "b.onnx", "c.npz"):
            printed(glassbox("models", "download", "to-export", "-o", name))

        with np.load(tmp_path / "c.npz") as stored:
            tensors = safetensors.numpy.load_file(tmp_path / "a.safetensors")
            assert all(np.array_equal(tensors[key], stored[key]) for key in stored.files)
        assert onnxruntime.InferenceSession(tmp_path / "b.onnx").get_inputs()[0].shape == ["N", 36]

    def test_download_rejects_another_format_as_wrong_usage(self, glassbox: Command) -> None:
        assert glassbox("models", "download", "to-export", "--format", "pickle").status == 2


class TestVerify:
    def test_verify_of_a_reproduced_version_exits_with_0(self, glassbox: Command) -> None:
        ran = glassbox("models", "verify", "to-export@1")

        assert "to-export@1 is reproduced bit for bit" in printed(ran)
        assert "epoch 4/4" in ran.err

    def test_verify_of_a_changed_version_exits_with_1_and_prints_the_difference(
        self, glassbox: Command, stack: Stack
    ) -> None:
        stack.finished(stack.train(model="by-other-seed", dataset="to-export", **QUICK)["id"])
        manifest = stack.volume.version("by-other-seed", 1) / "manifest.json"
        content = json.loads(manifest.read_bytes())
        manifest.write_text(json.dumps(content | {"configuration": content["configuration"] | {"seed": 1}}))

        ran = glassbox("models", "verify", "by-other-seed")

        assert ran.status == 1
        assert "by-other-seed@1 is NOT reproduced" in ran.out
        assert "first difference: layer1.weights[0, 0]" in ran.out
        assert "Traceback" not in ran.err

    def test_verify_prints_the_job_as_json(self, glassbox: Command) -> None:
        job: Any = json.loads(printed(glassbox("models", "verify", "to-export", "--json")))

        assert job["kind"] == "reproduction"
        assert job["result"]["reproduced"] is True

    def test_verify_can_detach(self, glassbox: Command, stack: Stack) -> None:
        job_id = printed(glassbox("models", "verify", "to-export", "--detach")).strip()

        assert stack.finished(job_id)["result"]["reproduced"] is True

    def test_jobs_show_prints_a_reproduction(self, glassbox: Command, stack: Stack) -> None:
        job_id = printed(glassbox("models", "verify", "to-export", "--detach")).strip()
        stack.finished(job_id)

        assert "bit for bit" in printed(glassbox("jobs", "show", job_id))

    def test_verify_reports_an_unknown_version_in_one_line(self, glassbox: Command) -> None:
        ran = glassbox("models", "verify", "to-export@9")

        assert ran.status == 5
        assert len(ran.err.splitlines()) == 1
