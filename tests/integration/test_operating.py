"""Operation of a running service: API keys, metrics of all processes, and logs with ids."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.auth.keys import KeysFile, new_key, parse_scopes
from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.programs.processes import ROOT
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack, running_stack
from tests.support.waiting import eventually

DATABASE = 2
QUICK = {"hidden": [], "epochs": 2, "batch_size": 10}
COUNT = "glassbox_http_request_duration_seconds_count"


@dataclass(frozen=True)
class Operated:
    """A service with two API processes that requires API keys, and the logs of its programs."""

    stack: Stack
    folder: Path
    keys: KeysFile
    key: str

    def metric(self, name: str, **labels: str) -> float:
        """A value of `/metrics`, 0 if it is missing."""
        text = self.stack.http.get("/metrics").text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return 0.0

    def lines(self, program: str) -> list[dict[str, Any]]:
        """The lines of a program's log, parsed as JSON."""
        return [json.loads(line) for line in (self.folder / f"{program}.log").read_text().splitlines()]

    def responds(self) -> bool:
        """Whether the API responds; a connection to a process that died does not."""
        try:
            return self.stack.http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def api_processes(self) -> set[int]:
        """The processes that have responded to a request."""
        return {line["process"] for line in self.lines("api") if line["logger"] == "glassbox.access"}


@pytest.fixture(scope="module")
def operated(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    folder = tmp_path_factory.mktemp("operated")
    keys = KeysFile(folder / "keys")
    key, line = new_key("operator", parse_scopes("manage"))
    keys.write([line])
    settings = {"GLASSBOX_API_PROCESSES": "2", "GLASSBOX_API_KEYS_FILE": str(keys.path)}
    with running_stack(folder, redis_server.url(DATABASE), **settings) as stack:
        stack.http.headers["Authorization"] = f"Bearer {key}"
        yield Operated(stack, folder, keys, key)


def reach_both_processes(operated: Operated, path: str) -> int:
    """Send requests on new connections, which stay open, until both processes have responded; return their number.

    The process with the fewest connections accepts a new connection.
    """
    before = len([line for line in operated.lines("api") if line["message"].startswith(f"GET {path} ")])
    seen: set[int] = set()
    with ExitStack() as connections:
        for count in range(1, 100):
            http = httpx.Client(base_url=operated.stack.http.base_url, headers=operated.stack.http.headers)
            connections.enter_context(http).get(path)

            def answered(expected: int = before + count) -> list[int]:
                processes = [
                    line["process"] for line in operated.lines("api") if line["message"].startswith(f"GET {path} ")
                ]
                return processes if len(processes) == expected else []

            seen = set(eventually(answered)[before:])
            if len(seen) == 2:
                return count
    raise AssertionError(f"only {seen} answered")


class TestMetrics:
    def test_each_process_reports_the_requests_of_all_processes(self, operated: Operated) -> None:
        labels = {"route": "/v1/jobs/<job_id>", "method": "GET", "code": "404"}
        before = operated.metric(COUNT, **labels)

        count = reach_both_processes(operated, "/v1/jobs/counted")

        assert {operated.metric(COUNT, **labels) for _ in range(10)} == {before + count}

    def test_the_counts_of_a_dead_process_are_kept_and_its_file_is_removed(self, operated: Operated) -> None:
        labels = {"route": "/v1/datasets/<reference>", "method": "GET", "code": "404"}
        count = reach_both_processes(operated, "/v1/datasets/counted")

        for process in list(operated.api_processes()):
            os.kill(process, signal.SIGKILL)
        before = operated.api_processes()
        eventually(operated.responds)
        count += reach_both_processes(operated, "/v1/datasets/counted")

        assert len(operated.api_processes()) == len(before) + 2
        assert operated.metric(COUNT, **labels) == count

    def test_jobs_and_images_are_counted_by_their_result(self, operated: Operated) -> None:
        stack = operated.stack
        dataset = stack.upload(npz(easy_arrays(seed=21)), name="metrics")["id"]
        before = operated.metric("glassbox_job_duration_seconds_count", kind="training")
        for _ in range(2):
            stack.finished(stack.train(model="metrics", dataset=dataset, **QUICK)["id"])
        images = {f"{number}.png": png(image) for number, image in enumerate(easy_images(5)[0])}
        job = stack.finished(stack.classify(zip_of({**images, "broken.png": b"text"}), "metrics")["id"])

        assert job["state"] == "completed_with_errors"
        assert operated.metric("glassbox_jobs_total", kind="training", state="succeeded") == 2
        assert operated.metric("glassbox_jobs_total", kind="batch", state="completed_with_errors") == 1
        assert operated.metric("glassbox_job_duration_seconds_count", kind="training") == before + 2
        assert operated.metric("glassbox_job_duration_seconds_count", kind="batch") == 1
        assert operated.metric("glassbox_images_total", outcome="succeeded") == len(images)
        assert operated.metric("glassbox_images_total", outcome="failed") == 1
        assert operated.metric("glassbox_queue_jobs", queue="training") == 0
        assert operated.metric("glassbox_workers_online", queue="inference") == 1


class TestLogs:
    def test_a_request_and_the_work_on_its_job_have_the_same_id_in_the_logs(self, operated: Operated) -> None:
        stack = operated.stack
        dataset = stack.upload(npz(easy_arrays(seed=22)), name="logs")["id"]
        request = {"model": "logs", "dataset": dataset, **QUICK}
        accepted = stack.http.post("/v1/training-jobs", json=request, headers={"X-Request-Id": "find-me-1"})
        job_id = accepted.json()["id"]
        stack.finished(job_id)

        def access() -> list[dict[str, Any]]:
            return [line for line in operated.lines("api") if line.get("request_id") == "find-me-1"]

        (line,) = eventually(access)
        assert line["message"] == "POST /v1/training-jobs 202"
        assert (line["status"], line["key"]) == (202, "operator")
        work = [line for line in operated.lines("training") if line.get("request_id") == "find-me-1"]
        assert work
        assert {(line["job_id"], line["key"]) for line in work} == {(job_id, "operator")}

    def test_a_successful_health_check_is_not_logged(self, operated: Operated) -> None:
        for path in ("/healthz", "/readyz"):
            assert operated.stack.http.get(path).status_code == 200
        operated.stack.http.get("/v1/jobs/after")

        eventually(lambda: [line for line in operated.lines("api") if "/v1/jobs/after" in line["message"]])

        messages = {line["message"] for line in operated.lines("api")}
        assert not messages & {"GET /healthz 200", "GET /readyz 200"}

    def test_no_log_has_a_key_or_a_query(self, operated: Operated) -> None:
        operated.stack.http.get("/v1/jobs/after?token=hidden")
        eventually(lambda: [line for line in operated.lines("api") if "/v1/jobs/after" in line["message"]])

        for program in ("api", "training", "inference"):
            text = (operated.folder / f"{program}.log").read_text()
            assert operated.key not in text
            assert "hidden" not in text


class TestKeys:
    def test_a_request_without_a_key_is_rejected(self, operated: Operated) -> None:
        response = httpx.get(f"{operated.stack.http.base_url}/v1/jobs")

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")

    def test_a_revoked_key_is_rejected_by_each_process(self, operated: Operated) -> None:
        key, line = new_key("short-lived", parse_scopes("read"))
        others = operated.keys.check()
        header = {"Authorization": f"Bearer {key}"}
        url = f"{operated.stack.http.base_url}/v1/jobs"

        operated.keys.write([*others, line])
        assert {httpx.get(url, headers=header).status_code for _ in range(20)} == {200}
        operated.keys.write(others)

        assert {httpx.get(url, headers=header).status_code for _ in range(20)} == {401}

    @pytest.mark.parametrize("bind", ["0.0.0.0", "::"])  # noqa: S104
    def test_the_api_does_not_start_on_a_public_address_without_keys(self, bind: str, tmp_path: Path) -> None:
        environment = {**os.environ, "GLASSBOX_BIND": bind, "GLASSBOX_VOLUME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        environment.pop("GLASSBOX_API_KEYS_FILE", None)
        command = [sys.executable, "-m", "gunicorn", "--config", "services/api/gunicorn.conf.py", "api:create_app()"]

        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

        assert done.returncode != 0
        assert "GLASSBOX_API_KEYS_FILE" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_response_does_not_name_the_server_software(self, operated: Operated) -> None:
        assert not any(character.isdigit() for character in operated.stack.http.get("/healthz").headers["Server"])
