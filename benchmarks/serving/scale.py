"""The rate of batches with 1, 2 and 4 classifiers of limited CPU, in a Compose deployment, and what the rest spends.

    PYTHONPATH=.:client python -m benchmarks.serving.scale [--counts 1 2 4] [--cores 0.2] [--rounds 2]

It starts a deployment of its own and removes it. Each classifier stands for a host: a container with one process, which
the kernel limits to `--cores` of a core, so that this machine is not the limit. A rate is the images of a job by the
time from its start to its end. The archives are uploaded before. The CPU time of the API and of Redis is read from the
kernel's counters, per 100,000 images: it tells from how many classifiers on one core of them is not enough.

Needs a Docker Engine on this host, the right to read `/proc` of every process, and `mnist.npz` and `mnist-test-png.zip`
in the folder that `GLASSBOX_TEST_DATA` names. Writes `var/benchmarks/scale.json`.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from glassbox import BatchResult, Client, Job
from PIL import Image

from benchmarks.batch import DATA, repeated
from benchmarks.figures import Figure, report
from benchmarks.serving.idle_deployment import running_containers
from services.embedded.running import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
OUTPUT = Path("var/benchmarks/scale.json")
DIGITS, PHOTOS = 200_000, 4096  # images of the archives
SIDES = (900, 600)  # of a photo, in pixels
LIMITED = """
services:
  classifier:
    cpus: ${CLASSIFIER_CORES}
"""
UNIT = 100_000  # images


@dataclass(frozen=True)
class Run:
    """One batch: seconds from its start to its end, and the CPU seconds of each service meanwhile.

    submitting: the CPU seconds of the API while it received and validated the archive.
    """

    images: int
    seconds: float
    spent: dict[str, float]
    submitting: float

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


@dataclass(frozen=True)
class Deployment:
    """A running Compose project whose classifiers are limited."""

    project: str
    environment: dict[str, str]
    client: Client

    def compose(self, *arguments: str) -> None:
        """Run `docker compose`; end the benchmark if it fails."""
        subprocess.run(
            ["docker", "compose", "--project-name", self.project, *arguments], env=self.environment, check=True
        )

    def scale(self, classifiers: int) -> None:
        """Run this number of classifiers, each with the whole limit."""
        self.compose("up", "--detach", "--wait", "--no-deps", "--scale", f"classifier={classifiers}", "classifier")
        eventually(lambda: self.client.ready().workers["inference"] == classifiers, within=120)

    def seconds(self) -> dict[str, float]:
        """Return the CPU seconds so far of each service."""
        spent: dict[str, float] = {}
        for container in running_containers(self.project):
            spent[container.service] = spent.get(container.service, 0.0) + container.seconds()
        return spent

    def run(self, archive: Path) -> Run:
        """Classify an archive."""
        before = self.seconds()
        job = self.client.classify(archive, model="digits")
        submitted = self.seconds()
        job = job.wait()
        after = self.seconds()
        result = job.result
        assert isinstance(result, BatchResult)
        assert result.failed == 0
        spent = {service: after[service] - submitted[service] for service in after}
        return Run(result.total, duration(job), spent, submitted["api"] - before["api"])


def main() -> int:
    """Measure, print and write the figures; return the exit status."""
    parser = argparse.ArgumentParser(description="Measure how the rate of batches grows with the classifiers.")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4], help="numbers of classifiers")
    parser.add_argument("--cores", type=float, default=0.2, help="the part of a core that each classifier may use")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="glassbox-bench-") as folder:
        archives = {
            "digits": repeated(Path(folder) / "digits.zip", DIGITS),
            "photos": photos(Path(folder) / "photos.zip", PHOTOS),
        }
        runs: dict[tuple[str, int], list[Run]] = {}
        with deployment(Path(folder), options.cores) as running:
            running.client.train("mnist", model="digits", preset="fast", epochs=1).wait()
            for number in range(options.rounds):
                for count in options.counts[:: -1 if number % 2 else 1]:
                    running.scale(count)
                    for name, archive in archives.items():
                        runs.setdefault((name, count), []).append(running.run(archive))
        sizes = {name: archive.stat().st_size for name, archive in archives.items()}
    figures = [figure for name in archives for figure in curve(name, sizes[name], options, runs)]
    return report(figures, OUTPUT)


@contextmanager
def deployment(folder: Path, cores: float) -> Iterator[Deployment]:
    """Start a deployment whose classifiers have this part of a core; remove it at the end."""
    limited = folder / "limited.yml"
    limited.write_text(LIMITED)
    port = free_port()
    environment = {
        **os.environ,
        "COMPOSE_FILE": f"{ROOT / 'docker-compose.yml'}:{limited}",
        "CLASSIFIER_CORES": str(cores),
        "GLASSBOX_PORT": str(port),
        "GLASSBOX_DATASETS": str(DATA.resolve()),
        "GLASSBOX_WORKER_PROCESSES": "1",
    }
    with Client(f"http://127.0.0.1:{port}") as client:
        running = Deployment(f"glassbox-scale-{os.getpid()}", environment, client)
        try:
            running.compose("up", "--build", "--wait", "--quiet-pull")
            yield running
        finally:
            running.compose("down", "--volumes", "--rmi", "local", "--timeout", "10")


def photos(path: Path, count: int) -> Path:
    """Write an archive of `count` JPEG files of smooth random colours, which repeats 64 of them."""
    rng = np.random.default_rng(1)
    contents = []
    for _ in range(64):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 18, 3), np.uint8))
        file = io.BytesIO()
        coarse.resize(SIDES, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        contents.append(file.getvalue())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(count):
            archive.writestr(f"photos/{number:06d}.jpg", contents[number % len(contents)])
    return path


def duration(job: Job) -> float:
    """Return the seconds from the job's start to its end."""
    assert job.started_at is not None
    assert job.finished_at is not None
    return (datetime.fromisoformat(job.finished_at) - datetime.fromisoformat(job.started_at)).total_seconds()


def curve(
    name: str, size: int, options: argparse.Namespace, runs: dict[tuple[str, int], list[Run]]
) -> Iterator[Figure]:
    """Yield the rates of one archive by the number of classifiers, and what each part spends."""
    rates = {count: statistics.median(run.rate for run in runs[name, count]) for count in options.counts}
    first = options.counts[0]
    for count, rate in rates.items():
        efficiency = rate * first / rates[first] / count
        yield Figure(f"{name}, {count} × {options.cores} core", rate, "images/s")
        yield Figure(f"{name}, {count}: the rate by {count // first} times the first", efficiency, "×")
    every = [run for count in options.counts for run in runs[name, count]]
    images = sum(run.images for run in every)
    spent = {part: UNIT * sum(run.spent[part] for run in every) / images for part in every[0].spent}
    spent["api, receiving and validating"] = UNIT * sum(run.submitting for run in every) / images
    for part, seconds in sorted(spent.items()):
        yield Figure(f"{name}, CPU of {part} for {UNIT:,} images", seconds, "s")
    for part in ("redis", "api, receiving and validating"):
        cores = spent["classifier"] / spent[part]
        yield Figure(f"{name}, classifiers' cores that a core of {part} suffices for", cores, "cores")
    yield Figure(
        f"{name}, read by each core of classifiers", size / every[0].images * UNIT / spent["classifier"] / 1e6, "MB/s"
    )


if __name__ == "__main__":
    sys.exit(main())
