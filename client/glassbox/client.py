"""The synchronous client: each method is one request, but for `wait`, which asks until a job is over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from glassbox.errors import JobFailed, NotReachable, Refused

Json = dict[str, Any]

SUCCESS = frozenset({"succeeded", "completed_with_errors"})
OVER = SUCCESS | {"failed", "cancelled"}


class Client:
    """A connection to one Glassbox server. Raises `NotReachable`, `Refused` and, in `wait`, `JobFailed`."""

    def __init__(self, url: str = "http://127.0.0.1:8000", timeout: float = 60.0, api_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=self.url, timeout=timeout, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ready(self) -> Json:
        """What `/readyz` says: whether Redis and the volume answer, and how many workers are online."""
        return self._json("GET", "/readyz")

    def upload_dataset(self, path: Path, name: str) -> Json:
        """Upload an `.npz`; returns the data set. The file is streamed."""
        return self._upload("/v1/datasets", path, {"name": name})

    def train(self, **request: Any) -> Json:
        """Submit a training: `model`, `dataset`, and what should differ from the preset. Returns the job."""
        return self._json("POST", "/v1/training-jobs", json=request)

    def classify(self, archive: Path, model: str, **options: Any) -> Json:
        """Submit a zip of images to `name`, `name@alias` or `name@3`. Returns the job."""
        return self._upload("/v1/batch-jobs", archive, {"model": model, **options})

    def job(self, job_id: str) -> Json:
        """The job as it stands."""
        return self._json("GET", f"/v1/jobs/{job_id}")

    def wait(self, job_id: str, on_change: Callable[[Json], None] | None = None, every: float = 0.1) -> Json:
        """Ask every so many seconds until the job is over; `on_change` sees each answer that is new."""
        last: Json = {}
        while True:
            job = self.job(job_id)
            if on_change and job != last:
                on_change(job)
            if job["state"] in SUCCESS:
                return job
            if job["state"] in OVER:
                raise JobFailed(job)
            last = job
            time.sleep(every)

    def delete(self, job_id: str) -> None:
        """Remove a job that is over, its record and its files."""
        self._request("DELETE", f"/v1/jobs/{job_id}")

    def rows(self, job_id: str) -> Iterator[Json]:
        """A batch's rows, in the archive's order: `path`, `label`, `confidence`, `top`."""
        return self._lines(f"/v1/jobs/{job_id}/results")

    def errors(self, job_id: str) -> Iterator[Json]:
        """The files of a batch that could not be classified: `path`, `code`, `detail`."""
        return self._lines(f"/v1/jobs/{job_id}/errors")

    def _upload(self, route: str, path: Path, options: Json) -> Json:
        with path.open("rb") as file:
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
            return self._json("POST", route, params=options, content=file, headers=headers)

    def _json(self, method: str, route: str, **request: Any) -> Json:
        content: Json = self._request(method, route, **request).json()
        return content

    def _request(self, method: str, route: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, route, **request)
        except httpx.TransportError as error:
            raise NotReachable(f"{self.url} does not answer: {error}") from error
        if answer.is_error and "code" in answer.json():
            raise Refused(answer.json())
        return answer

    def _lines(self, route: str) -> Iterator[Json]:
        try:
            with self._http.stream("GET", route) as answer:
                if answer.is_error:
                    answer.read()
                    raise Refused(answer.json())
                yield from map(json.loads, answer.iter_lines())
        except httpx.TransportError as error:
            raise NotReachable(f"{self.url} stopped answering: {error}") from error
