"""Three hosts on separate networks with one Redis and one volume: they share work, and the loss of two loses no job.

A further host is the shipped services/compose/further-host.yml as a project of its own. What it shares with the first
one is the volume and a way to Redis, which can be cut.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shared.runtime.version import VERSION
from tests.docker.operated.conftest import Operated
from tests.support.programs.processes import ROOT
from tests.support.servers.deployment import DATA, Json
from tests.support.waiting import eventually

HERE = Path(__file__).parent
FILES = (ROOT / "docker-compose.yml", ROOT / "services" / "compose" / "further-host.yml", HERE / "further-host.yml")
WORKERS = ("trainer", "classifier")
IMAGES = 10_000


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class FurtherHost:
    """Workers that have only the address of the first host's Redis."""

    def __init__(self, first: Operated, number: int, secrets: Path) -> None:
        self.project = f"{first.project}-{number}"
        self._image = f"localhost/{self.project}/glassbox-worker:{VERSION}"
        self._network = f"{self.project}_backend"
        self._redis = first.container("redis")
        self._environment = {
            **first.environment,
            "COMPOSE_FILE": ":".join(map(str, FILES)),
            "FIRST_HOST": first.project,
            "GLASSBOX_REDIS_URL": "redis://glassbox@first-host:6379/0",
            "GLASSBOX_SECRETS": str(secrets),
            "GLASSBOX_NFS_SERVER": "none",
            "GLASSBOX_NFS_PATH": "/none",
        }
        docker("tag", f"localhost/{first.project}/glassbox-worker:{VERSION}", self._image)
        self.compose("create", "--no-build", *WORKERS)
        self.reconnect()
        self.compose("up", "--detach", "--no-build", *WORKERS)

    def compose(self, *arguments: str) -> str:
        command = ["docker", "compose", "--project-name", self.project, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def names(self) -> set[str]:
        """Return its containers' host names."""
        return {container[:12] for container in self.compose("ps", "--all", "--quiet").split()}

    def disconnect(self) -> None:
        """Disconnect the host's network: its workers continue without any connection."""
        docker("network", "disconnect", "--force", self._network, self._redis)

    def reconnect(self) -> None:
        docker("network", "connect", "--alias", "first-host", self._network, self._redis)

    def die(self) -> None:
        """Kill all containers at once, like a power failure."""
        docker("rm", "--force", *self.compose("ps", "--all", "--quiet").split())

    def remove(self) -> None:
        with suppress(AssertionError):  # it may be disconnected
            self.disconnect()
        self.compose("down", "--volumes", "--timeout", "5")
        docker("rmi", self._image)


@pytest.fixture(scope="module")
def hosts(operated: Operated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[FurtherHost]]:
    """Two more hosts, each with a copy of the first host's Redis password."""
    secrets = tmp_path_factory.mktemp("secrets")
    secrets.chmod(0o755)
    password = secrets / "redis-password"
    password.write_text(operated.python_in("trainer", "print(open('/run/glassbox/redis-password').read().strip())"))
    password.chmod(0o444)  # for any user who runs this test; on a real host it belongs to the uid 10001
    further: list[FurtherHost] = []
    try:
        further.extend(FurtherHost(operated, number, secrets) for number in (2, 3))  # one by one
        eventually(lambda: operated.get("/readyz")["workers"] == {"training": 3, "inference": 3}, within=60)
        yield further
    finally:
        for host in further:
            host.remove()


def owner(operated: Operated, job: Json) -> str:
    """Return the name of the container that works on the job."""
    return operated.redis("hget", f"glassbox:job:{job['id']}", "owner").partition(":")[0]


def owners_of(operated: Operated, jobs: list[Json]) -> dict[str, Json]:
    """Return the jobs by the containers that work on them; an empty result if one has none."""
    owners = {owner(operated, job): job for job in jobs}
    return {} if "" in owners else owners


def check_whole(operated: Operated, batch: Json) -> None:
    lines = operated.request("GET", f"/v1/jobs/{batch['id']}/results").splitlines()
    assert [json.loads(line)["path"] for line in lines] == [f"mnist-test/{index:05d}.png" for index in range(IMAGES)]


def submit_batch(operated: Operated) -> Json:
    archive = DATA / "mnist-test-png.zip"
    with archive.open("rb") as file:
        length = str(archive.stat().st_size)
        batch: Json = json.loads(operated.request("POST", "/v1/batch-jobs?model=base", file, Content_Length=length))
    return batch


@pytest.fixture(scope="module")
def model(operated: Operated) -> str:
    """A model to classify with."""
    operated.train(model="base", epochs=1)
    return "base"


def test_a_batch_is_shared_by_the_classifiers_of_all_hosts(
    operated: Operated, hosts: list[FurtherHost], model: str
) -> None:
    def all_took_part() -> bool:  # in any batch: a free process may be too late for a short one
        operated.classify(DATA / "mnist-test-png.zip", model)
        return all("shards" in host.compose("logs", "classifier") for host in hosts)

    eventually(all_took_part, within=60)


def test_the_loss_of_two_hosts_neither_loses_nor_duplicates_work(
    operated: Operated, hosts: list[FurtherHost], model: str
) -> None:
    cut, killed = hosts
    trainings = [operated.submit_training(model=f"spread-{number}", epochs=8) for number in range(3)]
    owners = eventually(lambda: owners_of(operated, trainings), within=30)
    assert len(owners) == 3
    of_the_cut = next(job for name, job in owners.items() if name in cut.names())
    of_the_killed = next(job for name, job in owners.items() if name in killed.names())
    eventually(lambda: all(operated.get(f"/v1/jobs/{job['id']}")["progress"]["done"] >= 1 for job in trainings), 60)
    batches = [submit_batch(operated) for _ in range(2)]  # each takes seconds

    cut.disconnect()
    killed.die()

    ended = [operated.outcome(job) for job in (*trainings, *batches)]

    assert all(job["result"]["version"] == 1 for job in ended)
    for batch in batches:
        check_whole(operated, batch)
    attempts = {job["id"]: job["attempt"] for job in ended}
    assert (attempts[of_the_cut["id"]], attempts[of_the_killed["id"]]) == (2, 2)

    # The disconnected host returns, finds that it has lost its leases, and takes new jobs.
    cut.reconnect()
    eventually(lambda: operated.get("/readyz")["workers"]["training"] == 2, within=60)
    for number in range(3):
        assert len(operated.get(f"/v1/models/spread-{number}/versions")["items"]) == 1
    again = [operated.submit_training(model=f"again-{number}", epochs=2) for number in range(4)]
    assert all(operated.outcome(job)["attempt"] == 1 for job in again)


def test_the_first_hosts_file_publishes_redis_on_one_address_and_has_the_volume_on_nfs(operated: Operated) -> None:
    first = ROOT / "services" / "compose" / "first-host.yml"
    variables = {
        "COMPOSE_FILE": f"{ROOT / 'docker-compose.yml'}:{first}",
        "GLASSBOX_REDIS_ON": "10.0.0.1",
        "GLASSBOX_NFS_SERVER": "nfs.example",
        "GLASSBOX_NFS_PATH": "/export/glassbox",
    }
    configuration = json.loads(operated.compose("config", "--format", "json", check=True, **variables))

    [port] = configuration["services"]["redis"]["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("10.0.0.1", "6379", 6379)
    assert configuration["volumes"]["volume"]["driver_opts"] == {
        "type": "nfs",
        "o": "addr=nfs.example,nfsvers=4.2,hard,actimeo=1",
        "device": ":/export/glassbox",
    }
