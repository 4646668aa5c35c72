"""CPU time of an idle Compose deployment: of each container, of its health checks, and of the Docker Engine for them.

`python -m benchmarks.serving.idle_deployment` starts a deployment of its own and removes it; with `IDLE_PROJECT` it
measures a running Compose project. Prints a table and writes `var/benchmarks/idle_deployment.json`. `IDLE_SECONDS` sets
the length of the measurement (120). Needs a Docker Engine on this host, and the right to read `/proc` of every process.

CPU time is read from counters of the kernel: a container's from its control group, the engine's from `/proc` including
children that have ended (`runc`). Other work on this host does not change them, but other containers on the same
engine do: `dockerd` and `containerd` serve them too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from services.embedded.running import free_port

SECONDS = float(os.environ.get("IDLE_SECONDS", "120"))
SETTLE_SECONDS = 60.0  # after the start, until every start-up task has ended
OUTPUT = Path("var/benchmarks/idle_deployment.json")
TICKS = os.sysconf("SC_CLK_TCK")
NANOSECONDS = 1e9
MICROSECONDS = 1e6
TARGET = 0.01  # of one core, the whole deployment
CONTROL_GROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")


@dataclass(frozen=True)
class Container:
    """A running container: its service, its main process, and its process in the engine."""

    id: str
    service: str
    pid: int

    def seconds(self) -> float:
        """Return the CPU time so far of the control group: the service's processes and the health checks' commands."""
        for line in (PROC / str(self.pid) / "cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if "cpuacct" in controllers.split(","):  # version 1
                group = CONTROL_GROUPS / "cpuacct" / path.lstrip("/")
                return int((group / "cpuacct.usage").read_text()) / NANOSECONDS
            if number == "0" and (CONTROL_GROUPS / "cgroup.controllers").exists():  # version 2
                statistics = (CONTROL_GROUPS / path.lstrip("/") / "cpu.stat").read_text().split()
                return int(statistics[statistics.index("usage_usec") + 1]) / MICROSECONDS
        sys.exit(f"the control group of {self.service} (process {self.pid}) has no CPU accounting")


@dataclass(frozen=True)
class Process:
    """One line of the table of processes; times in seconds."""

    name: str
    parent: int
    own: float
    ended_children: float

    @property
    def seconds(self) -> float:
        """CPU time so far, including children that have ended."""
        return self.own + self.ended_children


def main() -> None:
    """Measure, print and write the figures."""
    with deployment() as project:
        containers = running_containers(project)
        others = len(engine("ps", "--quiet").split()) - len(containers)
        before, begun = parts(containers), time.monotonic()
        time.sleep(SECONDS)
        after, seconds = parts(containers), time.monotonic() - begun
    shares = {part: (after[part] - before[part]) / seconds for part in before}
    total = sum(shares.values())
    for part, share in shares.items():
        print(f"idle {part:<34} {share:>8.3%} of a core")
    print(f"idle {'whole deployment':<34} {total:>8.3%} of a core  under {TARGET:.0%}")
    if others:
        print(f"{others} other containers run on this engine: dockerd and containerd include what they spend on those")
    report = {
        "seconds": seconds,
        "cores": os.cpu_count(),
        "engine": engine("version", "--format", "{{.Server.Version}}"),
        "other_containers": others,
        "share_of_a_core": shares,
        "total": total,
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=2))


@contextmanager
def deployment() -> Iterator[str]:
    """Yield the name of the Compose project to measure: a running one, or one that is started and removed."""
    if project := os.environ.get("IDLE_PROJECT"):
        yield project
        return
    project = f"glassbox-idle-{os.getpid()}"
    environment = {**os.environ, "GLASSBOX_PORT": str(free_port())}
    compose = ["docker", "compose", "--project-name", project]
    try:
        subprocess.run([*compose, "up", "--build", "--wait", "--quiet-pull"], env=environment, check=True)
        time.sleep(SETTLE_SECONDS)
        yield project
    finally:
        subprocess.run([*compose, "down", "--volumes", "--rmi", "local"], env=environment, check=True)


def running_containers(project: str) -> list[Container]:
    """Return the containers of a Compose project, in the order of their services' names."""
    ids = engine("ps", "--quiet", "--no-trunc", "--filter", f"label=com.docker.compose.project={project}").split()
    if not ids:
        sys.exit(f"no container of the Compose project {project!r} runs; `docker compose ls` lists projects")
    template = '{{.Id}} {{index .Config.Labels "com.docker.compose.service"}} {{.State.Pid}}'
    lines = [line.split() for line in engine("inspect", "--format", template, *ids).splitlines()]
    return sorted((Container(id_, service, int(pid)) for id_, service, pid in lines), key=lambda c: c.service)


def parts(containers: list[Container]) -> dict[str, float]:
    """Return the CPU seconds so far of each part. The parts do not overlap."""
    processes = dict(running_processes())
    seconds: dict[str, float] = {}
    checks = shims = 0.0
    for container in containers:
        shim = processes[container.pid].parent
        service = sum(process.seconds for process in tree(processes, container.pid))
        check = container.seconds() - service  # the engine starts the checks as siblings of the main process
        seconds[container.service] = seconds.get(container.service, 0.0) + service
        checks += check
        shims += processes[shim].seconds - check  # the shim waits for the checks' processes: they are its children
    seconds["commands of the health checks"] = checks
    seconds["containerd-shim and runc"] = shims
    for daemon in ("containerd", "dockerd"):
        seconds[daemon] = sum(process.seconds for process in processes.values() if process.name == daemon)
    return seconds


def tree(processes: dict[int, Process], root: int) -> Iterator[Process]:
    """Yield a process and its running descendants."""
    yield processes[root]
    for pid, process in processes.items():
        if process.parent == root:
            yield from tree(processes, pid)


def running_processes() -> Iterator[tuple[int, Process]]:
    """Yield every process of this host with its id: proc(5)."""
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            head, _, tail = (folder / "stat").read_text().rpartition(")")
            fields = tail.split()
            user, system, child_user, child_system = (int(field) / TICKS for field in fields[11:15])
            name = head.partition("(")[2]
            yield int(folder.name), Process(name, int(fields[1]), user + system, child_user + child_system)


def engine(*arguments: str) -> str:
    """Return the output of a `docker` command."""
    return subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
