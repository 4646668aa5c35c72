"""A deployment through its public surface: programs, volume, Redis and HTTP.

It imports no module of the service, so a recording can be made and read whatever the modules are called.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
from redis import Redis

from tests.compatibility import workload
from tests.support.network import free_port
from tests.support.programs.processes import Process
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import eventually

START_SECONDS = 60.0
JOB_SECONDS = 120.0
OPEN_STATES = frozenset({"queued", "running", "cancelling"})
SHORT_LIVED_MS = 120_000  # a key that expires sooner does not outlive an upgrade

PROGRAMS = {
    "api": ("-m", "gunicorn", "--config", "services/api/gunicorn.conf.py", "api:create_app()"),
    "training": ("-m", "worker", "training"),
    "inference": ("-m", "worker", "inference"),
    "webhooks": ("-m", "worker.webhooks"),
}


@dataclass(frozen=True)
class Deployment:
    """A Redis server and a folder with the volume, the file of API keys and the programs' logs."""

    folder: Path
    redis: RedisServer
    port: int
    lease_seconds: float

    @property
    def volume(self) -> Path:
        return self.folder / "volume"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of all programs: short intervals, and a retention longer than any recording is old."""
        return {
            "GLASSBOX_REDIS_URL": self.redis.url(),
            "GLASSBOX_VOLUME": str(self.volume),
            "GLASSBOX_API_KEYS_FILE": str(self.folder / "keys"),
            "GLASSBOX_PORT": str(self.port),
            "GLASSBOX_API_PROCESSES": "1",
            "GLASSBOX_WORKER_PROCESSES": "1",
            "GLASSBOX_BLAS_THREADS": "1",
            "GLASSBOX_CHECKPOINT_PAUSE_SECONDS": "0",
            "GLASSBOX_LEASE_SECONDS": str(self.lease_seconds),
            "GLASSBOX_UPKEEP_SECONDS": "0.5",
            "GLASSBOX_RESEND_SECONDS": "2",
            "GLASSBOX_SHARD_IMAGES": "4",
            "GLASSBOX_WEBHOOK_ALLOW_PRIVATE": "true",
            "GLASSBOX_WEBHOOK_RETRY_SECONDS": "0.5",
            "GLASSBOX_RETENTION_SECONDS": "1e10",
        }

    @contextmanager
    def running(self, *programs: str, **settings: str) -> Iterator[list[Process]]:
        """Run programs (`api`, or `api-2` for a second one) until the block ends, with more `settings`."""
        with ExitStack() as exits:
            processes = [
                exits.enter_context(
                    Process(
                        program,
                        [sys.executable, *PROGRAMS[program.split("-")[0]]],
                        self.folder,
                        self.environment | settings,
                    )
                )
                for program in programs
            ]
            yield processes
            for process in processes:  # all at once: each needs a moment to shut down
                process.terminate()

    @contextmanager
    def serving(self) -> Iterator[Client]:
        """Run the API until the block ends; yields a client that sends the API key."""
        key = (self.folder / "key").read_text().strip()
        with (
            self.running("api") as (api,),
            httpx.Client(
                base_url=f"http://127.0.0.1:{self.port}",
                headers={"Authorization": f"Bearer {key}"},
                timeout=30.0,
                trust_env=False,
            ) as http,
        ):

            def answers() -> bool:
                api.check_alive()
                try:
                    return http.get("/healthz").is_success
                except httpx.TransportError:
                    return False

            eventually(answers, within=START_SECONDS)
            yield Client(http)


@contextmanager
def deployment(folder: Path, lease_seconds: float = 30.0) -> Iterator[Deployment]:
    """A deployment in this folder, whose path must be short (a socket lies in it); only Redis runs."""
    redis_folder = folder / "redis"
    redis_folder.mkdir(parents=True)
    with RedisServer(redis_folder) as redis:
        yield Deployment(folder, redis, free_port(), lease_seconds)


@dataclass(frozen=True)
class Client:
    """Requests to the API; one that fails raises an AssertionError with the response's body."""

    http: httpx.Client

    def get(self, path: str, **query: Any) -> Any:
        """Return a resource's JSON, or a list with the JSON of each line."""
        response = self._checked(self.http.get(path, params=query))
        if response.headers["content-type"].startswith("application/json"):
            return response.json()
        return [json.loads(line) for line in response.text.splitlines()]

    def every(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return the items of all pages of a list."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            body = self.get(path, **query, **cursor)
            items += body["items"]
            if not body["next"]:
                return items
            cursor = {"after": body["next"]}

    def post(
        self, path: str, content: bytes | None = None, json: Any = None, key: str | None = None, **query: Any
    ) -> Any:
        """Send a request, with the Idempotency-Key `key` if there is one."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._checked(self.http.post(path, params=query, content=content, json=json, headers=headers)).json()

    def train(self, **request: Any) -> str:
        """Submit a training and return the job's id."""
        return str(self.post("/v1/training-jobs", json=request)["id"])

    def classify(self, archive: bytes, **options: Any) -> str:
        """Submit a batch and return the job's id."""
        return str(self.post("/v1/batch-jobs", content=archive, **options)["id"])

    def reproduce(self, model: str, version: int) -> str:
        """Submit a reproduction and return the job's id."""
        return str(self.post(f"/v1/models/{model}/versions/{version}/reproduce")["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job."""
        return cast("dict[str, Any]", self.get(f"/v1/jobs/{job_id}"))

    def ended(self, job_id: str) -> dict[str, Any]:
        """Wait until a job has ended and return it."""
        eventually(lambda: self.job(job_id)["state"] not in OPEN_STATES, within=JOB_SECONDS, interval=0.05)
        return self.job(job_id)

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """Return a job's events."""
        return self.every(f"/v1/jobs/{job_id}/events", limit=500)

    @staticmethod
    def _checked(response: httpx.Response) -> httpx.Response:
        assert response.is_success, response.text
        return response


def read_everything(client: Client) -> dict[str, Any]:
    """Return what the API answers about every resource."""
    jobs = client.every("/v1/jobs")
    models = client.every("/v1/models")
    versions = [
        version for model in models for version in client.every(f"/v1/models/{model['name']}/versions", limit=100)
    ]
    batches = [job["id"] for job in jobs if job["kind"] == "batch" and job["finished_at"]]
    question = {"instances": workload.instances()}
    return {
        "jobs": {job["id"]: job for job in jobs},
        "events": {job["id"]: client.events(job["id"]) for job in jobs},
        "datasets": client.every("/v1/datasets"),
        "models": models,
        "versions": versions,
        "evaluations": [client.get(version["links"]["evaluation"]) for version in versions],
        "predictions": [
            client.post(version["links"]["predict"], json=question, top_k=workload.CLASSES) for version in versions
        ],
        "aliases": client.every("/v1/models/fast/aliases"),
        "rows": {job: client.get(f"/v1/jobs/{job}/results") for job in batches},
        "errors": {job: client.get(f"/v1/jobs/{job}/errors") for job in batches},
        "counts": {
            name: float(count)
            for name, count in re.findall(
                r"^(glassbox_(?:jobs|images)_total\{.*\}) (\S+)$", client.http.get("/metrics").text, re.MULTILINE
            )
        },
    }


def dump(redis: Redis) -> dict[str, dict[str, Any]]:
    """Return every key of a Redis as JSON values, without those that expire during an upgrade."""
    readers: dict[str, Any] = {
        "hash": redis.hgetall,
        "zset": lambda name: redis.zrange(name, 0, -1, withscores=True),
        "stream": redis.xrange,
        "string": redis.get,
        "list": lambda name: redis.lrange(name, 0, -1),
        "set": lambda name: sorted(cast("set[str]", redis.smembers(name))),
    }
    keys: dict[str, dict[str, Any]] = {}
    for name in sorted(redis.scan_iter()):
        milliseconds = redis.pttl(name)
        if milliseconds < 0 or milliseconds > SHORT_LIVED_MS:
            kind = cast("str", redis.type(name))
            keys[name] = {"type": kind, "value": readers[kind](name), "milliseconds": milliseconds}
    return keys


def load(redis: Redis, keys: dict[str, dict[str, Any]]) -> None:
    """Write the keys that `dump` returned into an empty Redis."""
    for name, key in keys.items():
        value = key["value"]
        match key["type"]:
            case "hash":
                redis.hset(name, mapping=value)
            case "zset":
                redis.zadd(name, dict(value))
            case "stream":
                for event_id, fields in value:
                    redis.xadd(name, fields, id=event_id)
            case "string":
                redis.set(name, value)
            case "list":
                redis.rpush(name, *value)
            case "set":
                redis.sadd(name, *value)
        if key["milliseconds"] > 0:
            redis.pexpire(name, key["milliseconds"])


def pack(folder: Path, names: tuple[str, ...], target: Path) -> None:
    """Pack files and folders of `folder` into a tar, compressed with xz."""
    with tarfile.open(target, "w:xz", preset=9) as archive:
        for name in names:
            archive.add(folder / name, name, filter=_plain)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack such a tar into `folder`."""
    with tarfile.open(archive, "r:xz") as tar:
        tar.extractall(folder, filter="data")


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
