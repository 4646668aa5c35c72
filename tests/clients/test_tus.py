"""Resumable uploads, tested with the stock clients of tus: tuspy and tus-js-client."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

PROGRAMS = Path(__file__).parent / "programs"
CONTENT = random.Random(2).randbytes(1_234_567)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.zip"
    path.write_bytes(CONTENT)
    return path


def output_of(command: list[Path | str], **environment: str) -> Any:
    """Return the JSON in the last line that a program prints."""
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def url_of(api: httpx.Client) -> str:
    return str(api.base_url.join("/v1/uploads"))


def content_of(api_folder: Path, url: str) -> bytes:
    return (api_folder / "volume" / "uploads" / "_" / url.rsplit("/", 1)[1] / "data").read_bytes()


def test_tuspy_uploads_with_checksums_and_continues(
    api: httpx.Client, api_folder: Path, interpreter: Path, file: Path
) -> None:
    got = output_of([interpreter, PROGRAMS / "tus_requests.py", url_of(api), file])

    assert (got["continued_at"], got["offset"]) == (300_000, len(CONTENT))
    assert content_of(api_folder, got["url"]) == CONTENT


@pytest.mark.node
def test_tus_js_client_uploads_in_every_mode(
    api: httpx.Client, api_folder: Path, node_modules: Path, file: Path
) -> None:
    node = shutil.which("node")
    assert node is not None, "node runs tus-js-client"
    got = output_of([node, PROGRAMS / "tus_requests.cjs", url_of(api), file], NODE_PATH=str(node_modules))

    assert set(got) == {"whole", "chunks", "paused", "parallel", "deferred", "overridden", "created"}
    for url in got.values():
        assert content_of(api_folder, url) == CONTENT
