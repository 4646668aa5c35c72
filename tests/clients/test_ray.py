"""The example for Ray, in local mode: its Parquet files have the rows of a batch of the same images."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.programs.processes import ROOT
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack, running_stack

DATABASE = 1
RUN = f"""import runpy, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "client")!r}]
runpy.run_module("examples.ray.classify", run_name="__main__")"""
"""Runs the example with a search path that Ray's processes do not inherit: they have only what Ray sends."""

FILES = {f"{number:03d}.png": png(image) for number, image in enumerate(easy_images(60, seed=4)[0])}
FILES |= {"broken.png": b"text"}


@pytest.fixture(scope="module")
def stack(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"GLASSBOX_SHARD_IMAGES": "4096"}
    with running_stack(tmp_path_factory.mktemp("stack"), redis_server.url(DATABASE), **settings) as stack:
        yield stack


@pytest.fixture
def interpreter(request: pytest.FixtureRequest) -> Path:
    return Path(str(request.config.getoption("--ray"))).absolute()


def classify_with_ray(interpreter: Path, stack: Stack, folder: Path, *arguments: str | Path) -> str:
    """Run the example; return what it printed."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "HOME": str(folder),  # Ray writes a token there
        "GLASSBOX_URL": str(stack.http.base_url),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [interpreter, "-c", RUN, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.ray
def test_rows_are_those_of_a_batch(stack: Stack, interpreter: Path, tmp_path: Path) -> None:
    dataset = stack.upload(npz(easy_arrays(seed=21)))["id"]
    stack.finished(stack.train(model="easy", dataset=dataset, hidden=[16], epochs=2, batch_size=10)["id"])
    job = stack.finished(stack.classify(zip_of(FILES), "easy")["id"])
    (tmp_path / "images").mkdir()
    for name, content in FILES.items():
        (tmp_path / "images" / name).write_bytes(content)

    classify_with_ray(interpreter, stack, tmp_path, "easy@latest", tmp_path / "images", tmp_path / "rows")

    rows = parquet.read_table(tmp_path / "rows").to_pylist()
    found = {Path(row["path"]).name: row for row in rows}
    assert len(rows) == len(found) == len(FILES)
    [error] = [row for row in rows if row["label"] is None]
    assert (Path(error["path"]).name, error["confidence"]) == ("broken.png", None)
    assert error["error"].startswith("not_an_image: ")
    expected = stack.http.get(f"/v1/jobs/{job['id']}/results").iter_lines()
    for row in map(json.loads, expected):
        assert found[row["path"]]["label"] == row["label"]
        assert found[row["path"]]["confidence"] == pytest.approx(row["confidence"], abs=1e-6)
