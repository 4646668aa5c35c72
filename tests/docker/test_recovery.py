"""Recovery of the deployment: killed and restarted containers, a restarted Redis, more workers."""

from __future__ import annotations

import json
import os
import subprocess

from tests.support.servers.deployment import DATA, OURS, Deployment, Json
from tests.support.waiting import eventually


def is_under_way(deployment: Deployment, job: Json) -> bool:
    """Return whether the training has completed some epochs."""
    now = deployment.get(f"/v1/jobs/{job['id']}")
    return bool(now["state"] == "running" and now["progress"]["done"] >= 3)


def has_checkpoint(deployment: Deployment, job: Json) -> bool:
    """Return whether the training can resume without its process."""
    files = deployment.run_in("trainer", "ls", f"/var/lib/glassbox/jobs/{job['id']}/checkpoints").stdout.split()
    return any(file[0].isdigit() and file.endswith(".checkpoint") for file in files)


def test_a_restarted_trainer_stops_cleanly_and_its_job_resumes(deployment: Deployment) -> None:
    job = deployment.submit_training(model="drained", epochs=15)
    eventually(lambda: is_under_way(deployment, job))

    deployment.compose("stop", "trainer")
    assert deployment.inspect("trainer")["State"]["ExitCode"] == 0
    deployment.up("trainer")

    assert deployment.outcome(job)["result"]["version"] == 1
    assert [event["data"]["epochs"] >= 1 for event in deployment.events(job, "resumed")] == [True]


def test_a_training_resumes_from_its_checkpoint_after_its_container_is_killed(deployment: Deployment) -> None:
    job = deployment.submit_training(model="killed", epochs=40)
    eventually(lambda: has_checkpoint(deployment, job))
    before = deployment.inspect("trainer")["RestartCount"]

    deployment.run_in("trainer", "sh", "-c", "kill -9 -1")  # all at once, as when the kernel runs out of memory

    eventually(lambda: deployment.inspect("trainer")["RestartCount"] > before)
    ended = deployment.outcome(job)
    assert ended["attempt"] == 2
    assert ended["result"]["version"] == 1
    assert [event["data"]["epochs"] >= 1 for event in deployment.events(job, "resumed")] == [True]


def test_a_killed_redis_restarts_with_every_job(deployment: Deployment) -> None:
    job = deployment.submit_training(model="steady", epochs=15)
    eventually(lambda: is_under_way(deployment, job))
    jobs = deployment.redis("dbsize")

    deployment.compose("kill", "redis")
    assert eventually(lambda: deployment.send("GET", "/readyz").status == 503)
    deployment.up("redis")

    assert int(deployment.redis("dbsize")) >= int(jobs) - 5  # the number of keys of queues and leases varies
    assert deployment.outcome(job)["result"]["version"] == 1
    assert deployment.redis("ACL", "LOG") == ""


def test_more_workers_run_more_jobs_at_once(deployment: Deployment) -> None:
    try:
        deployment.up("--no-recreate", "--scale", "classifier=4", "--scale", "trainer=2")
        eventually(lambda: deployment.get("/readyz")["workers"] == {"training": 2, "inference": 4}, within=40)

        both = [deployment.submit_training(model=model, epochs=8) for model in ("one", "two")]
        eventually(lambda: all(deployment.get(f"/v1/jobs/{job['id']}")["state"] == "running" for job in both))
        assert all(deployment.outcome(job) for job in both)
        assert deployment.classify(DATA / "mnist-test-png.zip", "one")["result"]["succeeded"] == 10_000
    finally:
        deployment.up("--no-recreate")


def test_the_workers_of_a_variable_share_the_cores(deployment: Deployment) -> None:
    variables = {"GLASSBOX_CLASSIFIERS": "4", "GLASSBOX_TRAINERS": "2"}
    services = json.loads(deployment.compose("config", "--format", "json", check=True, **variables))["services"]

    replicas = {name: services[name]["environment"]["GLASSBOX_REPLICAS"] for name in ("classifier", "trainer")}
    assert replicas == {"classifier": "4", "trainer": "2"}
    assert (services["classifier"]["scale"], services["trainer"]["scale"]) == (4, 2)

    program = "from shared.runtime.settings import Settings; print(Settings().processes('inference'))"
    share = deployment.run_new("classifier", "python", "-c", program, GLASSBOX_REPLICAS="4").stdout
    assert int(share) == max(1, len(os.sched_getaffinity(0)) // 4)


def test_a_cpu_quota_counts_as_the_number_of_cores(deployment: Deployment) -> None:
    command = ["docker", "run", "--rm", "--cpus", "1", deployment.inspect("api")["Image"], "python", "-c"]
    program = "from shared.runtime.settings import Settings; print(Settings().cores)"
    done = subprocess.run([*command, program], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_new_passwords_take_effect_after_a_restart(deployment: Deployment, training: Json) -> None:
    client = "print(open('/run/glassbox/redis-password').read())"
    before = deployment.python_in("api", client)

    deployment.run_new("secrets", "python", "services/secrets/make.py", "renew")
    deployment.compose("restart", "redis", *OURS)

    assert deployment.python_in("api", client) != before
    eventually(lambda: deployment.send("GET", "/readyz").status == 200, within=60)
    assert deployment.outcome(training) == training
    assert deployment.train(epochs=1, model="renewed")["result"]["version"] == 1
