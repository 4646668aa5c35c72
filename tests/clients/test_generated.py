"""A client that is generated from `/openapi.json`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.data.npz import easy_images
from tests.support.objects.models import tiny_network, tiny_parameters

SETTINGS = """
post_hooks: []
content_type_overrides:
  application/offset+octet-stream: application/octet-stream
"""  # the generator knows no media types of tus
IMAGES = easy_images(5, seed=1)[0]


@pytest.fixture(scope="module")
def generated(api: httpx.Client, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the generated package. Its generation had no warnings."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(api.get("/openapi.json").content)
    (folder / "settings.yml").write_text(SETTINGS)
    generate = ["generate", "--path", folder / "openapi.json", "--output-path", folder / "package"]
    command = [interpreter.with_name("openapi-python-client"), *generate, "--config", folder / "settings.yml"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower(), done.stdout + done.stderr
    return folder / "package"


def test_generated_client_reads_models_and_errors_and_predicts(
    api: httpx.Client, interpreter: Path, generated: Path
) -> None:
    program = Path(__file__).parent / "programs" / "generated_requests.py"
    pixels = json.dumps(IMAGES.reshape(5, -1).tolist())
    url = str(api.base_url).rstrip("/")

    done = subprocess.run(
        [interpreter, program, url, pixels],
        env=os.environ | {"PYTHONPATH": str(generated)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    expected = tiny_network().probabilities(tiny_parameters(), IMAGES).argmax(axis=1)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found == {
        "healthy": 200,
        "models": ["toy"],
        "version": 1,
        "aliases": ["champion"],
        "missing": [404, "model_not_found"],
        "labels": [str(label) for label in expected.tolist()],
    }
