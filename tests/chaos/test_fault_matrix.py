"""The fault matrix, on real processes: after every failure, each accepted job ends once, with the same result."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from functools import partial

import httpx
import pytest

from shared.jobs import Kind, State
from shared.registry import ModelVersion
from tests.chaos.deadly import DEADLY
from tests.chaos.soundness import assert_sound, published
from tests.chaos.stack import Stack
from tests.chaos.work import LONG, SHORT, Expected, archive_of, submit, submit_batch
from tests.support.data.archives import zip_of
from tests.support.data.files import files_below
from tests.support.objects.jobs import reproduction_result, training_result
from tests.support.waiting import eventually

RESCUE_SECONDS = 15.0  # a lease of 3 s, and maintenance every 0.5 s, on a busy machine


class TestWorkersDie:
    def test_a_message_lost_with_its_worker_between_pop_and_claim_is_sent_again(self, stack: Stack) -> None:
        os.kill(stack.parts["training"].pid, signal.SIGSTOP)
        job_id = submit(stack.http, epochs=SHORT)
        stack.redis.delete(stack.queue(Kind.TRAINING))  # unless Redis has already delivered it to the frozen worker

        stack.kill("training")
        stack.start("training")

        stack.until(job_id, State.SUCCEEDED, within=RESCUE_SECONDS)
        assert_sound(stack, [job_id])

    def test_a_training_whose_process_is_killed_resumes_from_its_checkpoint_to_the_same_bits(
        self, stack: Stack, expected: Expected
    ) -> None:
        job_id = submit(stack.http, seed=1)
        done = stack.until_done(job_id, epochs=20).progress.done

        stack.kill_child("training")

        (job,) = assert_sound(stack, [job_id])
        assert job.result is not None
        assert training_result(job)["weights_sha256"] == expected.weights_sha256(seed=1)
        assert (job.attempt, job.crashes) == (2, 1)
        (resumed,) = [data for kind, data in stack.events(job_id) if kind == "resumed"]
        assert resumed["epochs"] >= done - 1

    def test_a_reproduction_whose_process_is_killed_resumes_from_its_checkpoint_to_the_same_result(
        self, stack: Stack
    ) -> None:
        stack.until_over(submit(stack.http, seed=3, model="reproduced"))
        job_id = stack.http.post("/v1/models/reproduced/versions/latest/reproduce").json()["id"]
        stack.until_done(job_id, epochs=20)

        stack.kill_child("training")

        (job,) = assert_sound(stack, [job_id])
        assert job.result is not None
        assert reproduction_result(job)["reproduced"] is True
        assert (job.attempt, job.crashes) == (2, 1)
        assert "resumed" in [kind for kind, _ in stack.events(job_id)]
        assert len(stack.registry.versions("reproduced")) == 1

    def test_a_worker_that_is_shut_down_requeues_its_training_and_another_ends_it_with_the_same_bits(
        self, stack: Stack, expected: Expected
    ) -> None:
        job_id = submit(stack.http, seed=2)
        stack.until_done(job_id, epochs=20)

        stack.end("training")

        requeued = stack.job(job_id)
        assert (requeued.state, requeued.attempt, requeued.crashes) == (State.QUEUED, 1, 0)
        assert ("state", {"state": "queued", "attempt": 1, "released": True}) in stack.events(job_id)
        stack.start("training")
        (job,) = assert_sound(stack, [job_id])
        assert job.result is not None
        assert (training_result(job)["weights_sha256"], job.crashes) == (expected.weights_sha256(seed=2), 0)

    def test_a_process_that_wakes_after_the_loss_of_its_lease_writes_nothing(
        self, stack: Stack, expected: Expected
    ) -> None:
        job_id = submit(stack.http, seed=3)
        stack.until_done(job_id, epochs=10)
        with stack.also("training-2"):
            with stack.frozen(stack.at_work(job_id)):
                eventually(lambda: stack.job(job_id).attempt == 2, within=RESCUE_SECONDS)
            eventually(lambda: "the lease of attempt 1 was lost" in stack.parts["training"].log())
            (job,) = assert_sound(stack, [job_id])
        assert job.result is not None
        assert (training_result(job)["weights_sha256"], job.attempt) == (expected.weights_sha256(seed=3), 2)

    def test_a_batch_that_kills_its_worker_each_time_is_poison_and_other_jobs_proceed(self, stack: Stack) -> None:
        stack.end("inference")
        stack.run("inference", "-m", "tests.chaos.deadly", "inference")
        try:
            job_id = submit_batch(stack.http, zip_of({"deadly.png": DEADLY}), "base")
            others = [submit_batch(stack.http, archive_of(10), "base"), submit(stack.http, epochs=SHORT)]

            poison = stack.until(job_id, State.FAILED, within=4 * RESCUE_SECONDS)
            others_ended = assert_sound(stack, others)
        finally:
            stack.end("inference")

        assert poison.error is not None
        assert (poison.error["code"], poison.crashes, poison.attempt) == ("poison", 3, 3)
        assert {job.state for job in others_ended} == {State.SUCCEEDED}


class TestSuspension:
    def test_a_suspended_machine_costs_no_attempt(self, stack: Stack, expected: Expected) -> None:
        job_id = submit(stack.http, seed=6)
        for naps in range(1, 4):
            stack.until_done(job_id, epochs=5 * naps)

            with stack.suspended():
                time.sleep(2 * stack.settings.lease_seconds)  # longer than a lease: Redis's clock runs on

        (job,) = assert_sound(stack, [job_id])
        assert job.result is not None
        assert training_result(job)["weights_sha256"] == expected.weights_sha256(seed=6)
        assert (job.attempt, job.crashes) == (1, 0)

    def test_a_worker_that_is_suspended_again_and_again_is_not_poison(self, stack: Stack, expected: Expected) -> None:
        job_id = submit(stack.http, seed=7)
        with stack.also("training-2"):
            for attempt in range(1, 5):
                eventually(partial(works_on, stack, job_id, attempt), within=RESCUE_SECONDS)
                with stack.frozen(stack.at_work(job_id)):
                    eventually(partial(works_on, stack, job_id, attempt + 1), within=RESCUE_SECONDS)

            (job,) = assert_sound(stack, [job_id])
        assert job.result is not None
        assert training_result(job)["weights_sha256"] == expected.weights_sha256(seed=7)
        assert job.crashes == 0


class TestRedisDies:
    def test_redis_killed_under_load_loses_nothing_and_the_workers_consume_again_within_10_s(
        self, stack: Stack
    ) -> None:
        for _ in range(5):  # each kill interrupts different commands
            before = [submit(stack.http, epochs=SHORT, seed=seed) for seed in range(3)]
            before += [submit_batch(stack.http, archive_of(50), "base") for _ in range(3)]

            stack.kill("redis")
            stack.start("redis")

            after = [submit(stack.http, epochs=SHORT), submit_batch(stack.http, archive_of(5), "base")]
            for job_id in after:
                stack.until(job_id, State.RUNNING, State.SUCCEEDED, within=10.0)
            jobs = assert_sound(stack, [*before, *after])
            assert {job.state for job in jobs} == {State.SUCCEEDED}

    @pytest.mark.parametrize("how", ["flushed", "restarted empty"])
    def test_records_that_redis_lost_are_rebuilt_from_the_volume_with_the_same_versions(
        self, stack: Stack, expected: Expected, how: str
    ) -> None:
        ended = [submit(stack.http, epochs=SHORT, seed=seed) for seed in range(2)]
        assert_sound(stack, ended)
        before = {version.job: version for version in published(stack)}
        active = [submit(stack.http, seed=4), submit(stack.http, epochs=SHORT)]
        stack.until_done(active[0], epochs=10)

        if how == "flushed":
            stack.redis.flushall()
        else:
            stack.kill("redis")
            for data in stack.redis_folder.glob("appendonly*"):  # a folder, and before Redis 7 a file
                shutil.rmtree(data) if data.is_dir() else data.unlink()
            stack.start("redis")

        eventually(lambda: {job.id for job in stack.jobs.newest_first()} >= {*before, *active})
        jobs = assert_sound(stack, [*before, *active])
        assert {job.state for job in jobs} == {State.SUCCEEDED}
        assert {job: version for job, version in versions_by_job(stack).items() if job in before} == before
        assert versions_by_job(stack)[active[0]].weights.sha256 == expected.weights_sha256(seed=4)

    def test_the_api_reports_an_unresponsive_redis_within_3_s_and_recovers_without_intervention(
        self, stack: Stack
    ) -> None:
        job_id = submit(stack.http)
        stack.until_done(job_id)
        with stack.frozen(stack.parts["redis"].pid):
            for method, path in (
                ("GET", "/v1/jobs"),
                ("POST", "/v1/training-jobs"),
                ("POST", f"/v1/jobs/{job_id}/cancel"),
            ):
                started = time.monotonic()
                body = {"model": "digits", "dataset": "digits", "epochs": 1} if path.endswith("training-jobs") else None
                response = stack.http.request(method, path, json=body)
                assert (response.status_code, response.json()["code"]) == (503, "redis_unavailable")
                assert int(response.headers["Retry-After"]) > 0
                assert time.monotonic() - started < 3.0
            assert stack.http.get("/healthz").status_code == 200

        assert_sound(stack, [job_id, submit(stack.http, epochs=SHORT)])


class TestMessages:
    def test_the_same_message_ten_times_in_any_state_is_one_run(self, stack: Stack) -> None:
        job_id = submit(stack.http, epochs=40)
        for state in (State.QUEUED, State.RUNNING, State.SUCCEEDED):
            stack.until(job_id, *([state] if state is not State.QUEUED else State))
            for _ in range(10):
                stack.task_queue.send(Kind.TRAINING, job_id)
        eventually(lambda: stack.waiting(Kind.TRAINING) == 0)

        (job,) = assert_sound(stack, [job_id, submit(stack.http, epochs=1)])[:1]

        assert job.attempt == 1
        states = [data["state"] for kind, data in stack.events(job_id) if kind == "state"]
        assert states == ["queued", "running", "succeeded"]


class TestCancelling:
    def test_a_running_and_a_queued_job_are_cancelled_within_15_s_and_publish_nothing(self, stack: Stack) -> None:
        running, queued = submit(stack.http, epochs=10 * LONG), submit(stack.http)
        stack.until_done(running)

        for job_id in (queued, running):
            assert stack.http.post(f"/v1/jobs/{job_id}/cancel").status_code == 202

        assert stack.job(queued).state is State.CANCELLED
        stack.until(running, State.CANCELLED, within=15.0)
        assert_sound(stack, [running, queued])

    def test_a_cancelling_job_whose_worker_died_is_cancelled_when_its_lease_expires(self, stack: Stack) -> None:
        job_id = submit(stack.http, epochs=10 * LONG)
        stack.until_done(job_id)
        with stack.frozen(stack.at_work(job_id)):
            assert stack.http.post(f"/v1/jobs/{job_id}/cancel").json()["state"] == "cancelling"
            stack.until(job_id, State.CANCELLED, within=RESCUE_SECONDS)
        assert_sound(stack, [job_id])


class TestClocks:
    def test_worker_hosts_whose_clocks_are_an_hour_off_neither_lose_nor_steal_a_lease(self, stack: Stack) -> None:
        stack.end("training")
        job_id = submit(stack.http, epochs=2 * LONG)
        stack.run("training-fast", "-m", "tests.chaos.wrong_clock", "3600", "training")
        stack.until_done(job_id)
        stack.run("training-slow", "-m", "tests.chaos.wrong_clock", "-3600", "training")
        try:
            (job,) = assert_sound(stack, [job_id])
        finally:
            stack.end("training-fast")
            stack.end("training-slow")
        assert (job.state, job.attempt, job.crashes) == (State.SUCCEEDED, 1, 0)
        assert abs(job.created_at / 1000 - time.time()) < 600


class TestUploads:
    def test_a_client_that_dies_mid_upload_gets_400_and_leaves_no_job_and_no_file(self, stack: Stack) -> None:
        before = {job.id for job in stack.jobs.newest_first()}
        head = "POST /v1/batch-jobs?model=base HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
        with socket.create_connection((stack.settings.bind, stack.settings.port), timeout=10) as connection:
            connection.sendall(head.encode() + archive_of(10)[:1000])
            eventually(lambda: files_below(stack.volume.incoming))
            connection.shutdown(socket.SHUT_WR)
            response = connection.recv(4096)

        assert response.startswith(b"HTTP/1.1 400 ")
        eventually(lambda: files_below(stack.volume.incoming) == [])
        assert {job.id for job in stack.jobs.newest_first()} == before

    def test_an_api_that_is_killed_mid_upload_accepts_nothing(self, stack: Stack) -> None:
        before = {job.id for job in stack.jobs.newest_first()}
        with socket.create_connection((stack.settings.bind, stack.settings.port), timeout=10) as connection:
            connection.sendall(
                b"POST /v1/batch-jobs?model=base HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nPK"
            )
            eventually(lambda: files_below(stack.volume.incoming))
            stack.kill("api")
        stack.start("api")
        eventually(lambda: responds(stack.http))

        assert {job.id for job in stack.jobs.newest_first()} == before


def works_on(stack: Stack, job_id: str, attempt: int) -> bool:
    job = stack.job(job_id)
    return job.attempt == attempt and job.owner is not None


def versions_by_job(stack: Stack) -> dict[str, ModelVersion]:
    return {version.job: version for version in published(stack)}


def responds(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").is_success
    except httpx.TransportError:
        return False
