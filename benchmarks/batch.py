"""The rate of classifying PNG archives on the embedded stack, compared with a simple loop and with a lower bound.

    PYTHONPATH=.:client python benchmarks/batch.py [--images 10000 100000 1000000] [--rounds 5]

Needs `mnist.npz` and `mnist-test-png.zip` in the folder that `GLASSBOX_TEST_DATA` names, and up to 2 GB for archives
and rows. The archives repeat the 10,000 files under unique names. Rates are in images per second, from the archive on
the disk to the rows on the disk; the loop and the floor read the same archive in the same round. The floor only reads
and decodes, as the workers do, with as many processes. The exit status is 1 if a target is missed.
Writes `var/benchmarks/batch.json`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from glassbox import BatchResult, Client

from benchmarks.batches.floor import floor_seconds
from benchmarks.batches.loop import loop_seconds
from benchmarks.batches.memory import peak_megabytes
from benchmarks.figures import Figure, report
from services.embedded.running import running_stack

DATA = Path(os.environ.get("GLASSBOX_TEST_DATA", "../shared/data"))
OUTPUT = Path("var/benchmarks/batch.json")
COMPARED = 100_000
"""The images of the archive with which the loop and the floor are compared."""

PROCESSES = (1, 2)
BLOCKS = tuple({"filters": filters, "kernel_size": 5, "padding": "valid", "pool_size": 2} for filters in (16, 48))
"""The blocks of the convolutional model, before a hidden layer of 200 units."""


@dataclass(frozen=True)
class Rates:
    """Images per second, medians over the rounds; all are from the same rounds.

    ours, convolutional: those of the stack with a dense and a convolutional model.
    """

    ours: float
    convolutional: float
    floor: float
    times_floor: float
    times_loop: float


def main() -> int:
    """Measure, print and write the figures; return the exit status."""
    parser = argparse.ArgumentParser(description="Hold batches against a loop and against reading and decoding alone.")
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, COMPARED, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="glassbox-bench-") as folder:
        archives = {count: repeated(Path(folder) / f"{count}.zip", count) for count in {*options.images, COMPARED}}
        compared = {n: comparison(Path(folder), archives[COMPARED], n, options.rounds) for n in PROCESSES}
        grown = list(growth(Path(folder), {count: archives[count] for count in options.images}, options.rounds))
    figures = [*figures_of_comparison(compared), *grown]
    return report(figures, OUTPUT)


def repeated(path: Path, count: int) -> Path:
    """Write an archive of `count` PNG files that repeats the test images."""
    with zipfile.ZipFile(DATA / "mnist-test-png.zip") as source:
        contents = [source.read(name) for name in source.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(count):
            archive.writestr(f"images/{number // 1000:04d}/{number:07d}.png", contents[number % len(contents)])
    return path


@contextmanager
def stack(folder: Path, processes: int) -> Iterator[Client]:
    """Run a stack with this number of classifier processes; yield its client.

    Its models are `digits`, which is dense, and `convolutional`.
    """
    volume = folder / f"volume-{processes}"
    settings = {"GLASSBOX_DATASETS": str(DATA.resolve()), "GLASSBOX_WORKER_PROCESSES": str(processes)}
    with running_stack(volume, folder / "stack.log", **settings) as client:
        client.train("mnist", model="digits", preset="fast", epochs=1).wait()
        client.train("mnist", model="convolutional", convolutions=list(BLOCKS), hidden=[200], epochs=1).wait()
        yield client


def classified(client: Client, archive: Path, model: str = "digits") -> float:
    """Classify an archive; return the images per second."""
    job = client.classify(archive, model=model).wait()
    job.delete()
    assert isinstance(job.result, BatchResult)
    return job.result.images_per_second


def comparison(folder: Path, archive: Path, processes: int, rounds: int) -> Rates:
    """Measure the stack, the floor and the loop in turns."""
    ours, convolutional, floor, loop = [], [], [], []
    with stack(folder, processes) as client:
        classified(client, archive)  # loads the model, and reads the archive into the page cache
        classified(client, archive, "convolutional")
        for _ in range(rounds):
            ours.append(COMPARED / classified(client, archive))
            convolutional.append(COMPARED / classified(client, archive, "convolutional"))
            floor.append(floor_seconds(archive, processes))
            loop.append(loop_seconds(archive))
    return Rates(
        ours=COMPARED / statistics.median(ours),
        convolutional=COMPARED / statistics.median(convolutional),
        floor=COMPARED / statistics.median(floor),
        times_floor=statistics.median(a / b for a, b in zip(ours, floor, strict=True)),
        times_loop=statistics.median(b / a for a, b in zip(ours, loop, strict=True)),
    )


def figures_of_comparison(compared: dict[int, Rates]) -> Iterator[Figure]:
    """Yield the figures of the comparisons, with the targets for two processes."""
    for processes, rates in compared.items():
        with_them = f"{processes} process{'es' * (processes > 1)}"
        two = processes == 2
        yield Figure(
            f"{with_them}, {COMPARED:,} images",
            rates.ours,
            "images/s",
            "at least 50,000" if two else "",
            rates.ours >= 50_000 or not two,
        )
        yield Figure(f"{with_them}, the convolutional model", rates.convolutional, "images/s")
        yield Figure(f"{with_them}, reading and decoding alone", rates.floor, "images/s")
        yield Figure(
            f"{with_them}, time as a multiple of reading and decoding",
            rates.times_floor,
            "×",
            "at most 1.6" if two else "",
            rates.times_floor <= 1.6 or not two,
        )
        yield Figure(
            f"{with_them}, rate as a multiple of a loop in one process",
            rates.times_loop,
            "×",
            "at least 3" if two else "",
            rates.times_loop >= 3 or not two,
        )


def growth(folder: Path, archives: dict[int, Path], rounds: int) -> Iterator[Figure]:
    """Classify archives of growing size; yield the rates, and the peak memory of the largest process."""
    rates = {}
    for count, archive in sorted(archives.items()):
        with stack(folder, PROCESSES[-1]) as client:
            classified(client, archive)
            rates[count] = statistics.median(
                classified(client, archive) for _ in range(1 if count > COMPARED else rounds)
            )
            name, peak = peak_megabytes(os.getpid())
        times_floor = count / rates[count] / floor_seconds(archive, PROCESSES[-1])
        yield Figure(f"{count:,} images", rates[count], "images/s")
        yield Figure(f"{count:,} images, time as a multiple of reading and decoding", times_floor, "×")
        yield Figure(f"{count:,} images, the largest process ({name})", peak, "MB", "at most 300", peak <= 300)
    if max(rates) > COMPARED and COMPARED in rates:
        share = rates[max(rates)] / rates[COMPARED]
        yield Figure(
            f"the rate at {max(rates):,} as a fraction of that at {COMPARED:,}",
            share,
            "×",
            "at least 0.9",
            share >= 0.9,
        )


if __name__ == "__main__":
    sys.exit(main())
