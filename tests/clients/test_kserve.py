"""The Open Inference Protocol, tested with KServe's client."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.data.npz import easy_images
from tests.support.objects.models import tiny_network, tiny_parameters

IMAGES = easy_images(5, seed=1)[0]


@pytest.fixture(scope="module")
def received(api: httpx.Client, interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the client received."""
    images = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(images, (IMAGES.reshape(5, -1) / 255).astype(np.float32))
    program = Path(__file__).parent / "programs" / "kserve_requests.py"
    url = str(api.base_url).rstrip("/")
    done = subprocess.run([interpreter, program, url, images], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_server_and_model_are_ready(received: dict[str, Any]) -> None:
    assert (received["live"], received["ready"], received["model ready"]) == (True, True, True)
    assert received["unknown model ready"] is False


@pytest.mark.parametrize("binary", [False, True])
def test_probabilities_are_those_of_the_network(received: dict[str, Any], binary: bool) -> None:
    found = np.array(received[f"probabilities, binary {binary}"])

    assert np.allclose(found, tiny_network().probabilities(tiny_parameters(), IMAGES), atol=1e-6)
    assert received[f"model, binary {binary}"] == "toy"


def test_body_with_the_name_of_another_model_is_rejected(received: dict[str, Any]) -> None:
    status, message = received["error of another model"]

    assert status == 422
    assert "model_name" in message
    assert "other" in message
