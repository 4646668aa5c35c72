"""Event streams on a real server: following, resuming, many at once, and their end."""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from shared.jobs import JobStore, State
from tests.support.data.npz import easy_arrays, npz
from tests.support.event_streams import ACCEPT, ServerSentEvent, read_events, states
from tests.support.objects.jobs import running
from tests.support.servers.api_server import ApiServer, running_api
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.stack import Stack
from tests.support.waiting import eventually

DATABASE = 7  # of the API without workers; its jobs stay unfinished


@pytest.fixture
def api_redis(redis_server: RedisServer) -> Iterator[Redis]:
    with redis_server.client(DATABASE) as client:
        client.flushdb()
        yield client


@pytest.fixture
def api_jobs(api_redis: Redis) -> JobStore:
    return JobStore(api_redis)


@pytest.fixture
def api(redis_server: RedisServer, api_redis: Redis, tmp_path: Path) -> Iterator[ApiServer]:
    """An API of one process."""
    with running_api(tmp_path, redis_server.url(DATABASE)) as server:
        yield server


def path_of(job_id: str) -> str:
    return f"/v1/jobs/{job_id}/events"


def opened(exits: ExitStack, http: httpx.Client, job_id: str) -> httpx.Response:
    """A stream that is open until the exit stack closes."""
    return exits.enter_context(http.stream("GET", path_of(job_id), headers=ACCEPT))


def followed(http: httpx.Client, job_id: str, after: str | None = None) -> Generator[ServerSentEvent]:
    headers = ACCEPT if after is None else {**ACCEPT, "Last-Event-ID": after}
    with http.stream("GET", path_of(job_id), headers=headers) as response:
        assert response.status_code == 200
        yield from read_events(response.iter_lines())


def logged(http: httpx.Client, job_id: str) -> list[str]:
    """The ids of the events in the job's log."""
    page: Any = http.get(path_of(job_id), params={"limit": 500}).json()
    assert page["next"] is None
    return [item["id"] for item in page["items"]]


class TestFollowing:
    def test_a_training_is_followed_from_the_queue_to_its_end(self, stack: Stack) -> None:
        stack.upload(npz(easy_arrays(seed=21)), "followed")
        job = stack.train(model="followed", dataset="followed", epochs=5)

        events = list(followed(stack.http, job["id"]))

        assert states(events) == ["queued", "running", "succeeded"]
        assert [event.data["metrics"]["epoch"] for event in events if event.type == "epoch"] == [1, 2, 3, 4, 5]
        assert [event.id for event in events] == logged(stack.http, job["id"])

    def test_a_broken_stream_resumes_without_lost_and_repeated_events(self, stack: Stack) -> None:
        stack.upload(npz(easy_arrays(seed=22)), "resumed")
        job = stack.train(model="resumed", dataset="resumed", epochs=30)

        seen: list[ServerSentEvent] = []
        while not seen or seen[-1].data.get("state") != "succeeded":
            stream = followed(stack.http, job["id"], seen[-1].id if seen else None)
            for _, event in zip(range(4), stream, strict=False):
                seen.append(event)
            stream.close()

        assert [event.id for event in seen] == logged(stack.http, job["id"])

    def test_a_slow_reader_gets_every_event(self, api: ApiServer, api_jobs: JobStore) -> None:
        claim = running(api_jobs)
        note = "x" * 4000
        for number in range(1000):  # more than the buffers in between hold
            api_jobs.log(claim, "note", {"number": number, "note": note})
        api_jobs.finish(claim, State.SUCCEEDED)
        request = f"GET {path_of(claim.job.id)} HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n"

        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", api.port))
            client.sendall(request.encode())
            received = b""
            while block := client.recv(3000):
                received += block

        _, _, body = received.partition(b"\r\n\r\n")
        events = list(read_events(body.decode().split("\n")))
        assert [event.data["number"] for event in events if event.type == "note"] == list(range(1000))
        assert states(events)[-1] == "succeeded"


class TestManyAtOnce:
    def test_fifty_idle_streams_delay_no_request_and_leave_no_file(self, api: ApiServer, api_jobs: JobStore) -> None:
        job_id = running(api_jobs).job.id
        (process_id,) = api.process_ids()
        threads, files = Path(f"/proc/{process_id}/task"), Path(f"/proc/{process_id}/fd")

        after_each_round = []
        for _ in range(2):
            with ExitStack() as exits:
                streams = [opened(exits, api.http, job_id) for _ in range(50)]
                assert [stream.status_code for stream in streams] == [200] * 50
                for _ in range(20):
                    assert api.http.get("/healthz").status_code == 200
                    assert api.http.get(f"/v1/jobs/{job_id}").status_code == 200
                connected = len(list(files.iterdir()))
            eventually(lambda before=connected: len(list(files.iterdir())) <= before - 50)  # type: ignore[misc]
            after_each_round.append((len(list(threads.iterdir())), len(list(files.iterdir()))))

        (threads_first, files_first), (threads_second, files_second) = after_each_round
        assert threads_second - threads_first < 10  # a thread left by each stream would make 50 more
        assert files_second - files_first < 10

    def test_the_number_of_streams_is_limited_by_the_settings(
        self, redis_server: RedisServer, api_jobs: JobStore, tmp_path: Path
    ) -> None:
        job_id = running(api_jobs).job.id

        with (
            running_api(tmp_path, redis_server.url(DATABASE), max_event_streams=2, api_threads=1) as api,
            ExitStack() as exits,
        ):
            with ExitStack() as first:
                opened(first, api.http, job_id)
                opened(exits, api.http, job_id)
                rejected = api.http.get(path_of(job_id), headers=ACCEPT)
                assert (rejected.status_code, rejected.json()["code"]) == (503, "too_many_event_streams")
                assert int(rejected.headers["Retry-After"]) > 0
                assert api.http.get(path_of(job_id)).status_code == 200
            eventually(lambda: opened(exits, api.http, job_id).status_code == 200)


class TestEnd:
    def test_a_server_that_shuts_down_ends_its_streams_at_once(self, api: ApiServer, api_jobs: JobStore) -> None:
        job_id = running(api_jobs).job.id

        with ExitStack() as exits:
            events = read_events(opened(exits, api.http, job_id).iter_lines())
            assert [next(events).data["state"], next(events).data["state"]] == ["queued", "running"]
            api.process.terminate()
            assert list(events) == []  # httpx raises an error if the stream is cut off

        eventually(lambda: api.process.has_ended, within=10.0)  # requests have 30 s

    def test_a_stream_outlives_redis(self, own_redis_server: RedisServer, tmp_path: Path) -> None:
        with running_api(tmp_path, own_redis_server.url()) as api:
            with own_redis_server.client() as client:
                job_id = running(JobStore(client)).job.id
            events = followed(api.http, job_id)
            assert [next(events).data["state"], next(events).data["state"]] == ["queued", "running"]

            own_redis_server.kill()
            rejected = api.http.get(path_of(job_id), headers=ACCEPT)
            assert (rejected.status_code, rejected.json()["code"]) == (503, "redis_unavailable")

            with RedisServer(own_redis_server.folder) as restarted, restarted.client() as client:
                JobStore(client).cancel(job_id)
                assert next(events).data["state"] == "cancelling"
                events.close()
