"""The time of a training on MNIST, compared with other frameworks and with only its matrix products.

    PYTHONPATH=. python benchmarks/training.py [--threads 1 2] [--instructions native avx2] [--rounds 15] [--only TEXT]

It needs requirements/bench.in. GLASSBOX_DATASETS names the folder that holds mnist.npz; without it, ../shared/data
beside the project. Each contender has its own process, and all have the same resources:

- the same number of threads: BLAS, OpenMP and PyTorch are limited, and with fewer threads than cores every process is
  bound to as many cores, so that a compiler's pool or a second thread of Python does not get more;
- the same instructions: "native" allows every library to choose for the processor, even if OPENBLAS_CORETYPE would
  restrict NumPy; "avx2" restricts all of them to AVX2.

The contenders take turns, round by round, a fixed number of steps each. Times are medians over the rounds, and a ratio
is the median of the rounds' ratios, so that a temporary slowdown of the machine affects both sides. The targets are
printed below, and the exit status is 1 if one is missed: for dense networks with a single thread, since with more a
step waits for the busiest core of a shared machine, for convolutional networks with any number of threads. PyTorch's
best is that of its contenders with the lowest median. `torch.compile` is left out if it fails, as without a C++
compiler. On a machine that other programs use, `--cpu` measures the processor's time with one thread. Writes
var/benchmarks/training.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from benchmarks.contenders.process import (
    CONVOLUTIONAL,
    DENSE,
    RESTRICTING,
    ContenderFailed,
    ContenderProcess,
    Maker,
    environment,
)
from benchmarks.contenders.rounding import distance_from_the_article
from benchmarks.contenders.workload import ROOT, Convolution, Workload

SMALL, LARGE = (784, 64, 32, 10), (784, 512, 256, 10)
WORKLOADS = [
    Workload(SMALL, 1, "sgd", steps=1000),
    Workload(SMALL, 32, "sgd", steps=400),
    Workload(SMALL, 128, "sgd", steps=200),
    Workload(SMALL, 512, "sgd", steps=60),
    Workload(LARGE, 1, "sgd", steps=250),
    Workload(LARGE, 32, "sgd", steps=100),
    Workload(LARGE, 128, "sgd", steps=50),
    Workload(LARGE, 512, "sgd", steps=15),
    Workload(LARGE, 128, "adam", steps=50),
]
POOLED = (
    Convolution(16, 5, padding="valid", pool_size=2),
    Convolution(32, 5, padding="valid", pool_size=2),
)  # like LeNet
STRIDED = (Convolution(32, 3), Convolution(64, 3, strides=2), Convolution(64, 3, strides=2))
GRAY, COLOUR = (28, 28), (32, 32, 3)
CONVOLUTIONAL_WORKLOADS = [
    Workload.convolutional(POOLED, GRAY, steps=40),
    Workload.convolutional(POOLED, COLOUR, steps=20),
    Workload.convolutional(STRIDED, GRAY, steps=8),
    Workload.convolutional(STRIDED, COLOUR, steps=6),
]
INSTRUCTIONS = {
    "native": {},
    "avx2": {
        "OPENBLAS_CORETYPE": "Haswell",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
}
"""The environment variables of each library's kernels: NumPy's, PyTorch's (three of them), XLA's."""

IMAGES = 60_000
OPTIONAL = sorted((DENSE | CONVOLUTIONAL).keys() - {"glassbox", "floor", "pytorch", "jax"})
"""The contenders that a measurement can do without: they are in no column of the tables."""

ARTICLE_ONLY = {"article", "glassbox float64"}  # contenders for training image by image


class Target(NamedTuple):
    """The engine's time must be at most `most` times the other's."""

    other: str
    most: float


BEST = "pytorch's best"
TARGETS: dict[tuple[tuple[int, ...], int, str], list[Target]] = {
    (SMALL, 1, "sgd"): [Target("article", 0.25)],
    (SMALL, 32, "sgd"): [Target("pytorch", 0.6)],
    (SMALL, 128, "sgd"): [Target("floor", 1.5), Target("pytorch", 0.6), Target("jax", 1.0)],
    (LARGE, 128, "sgd"): [Target("floor", 1.25), Target("pytorch", 1.0)],
    (LARGE, 128, "adam"): [Target("pytorch", 0.8)],
}
CONVOLUTIONAL_TARGETS = [Target("floor", 1.5), Target("pytorch", 0.7), Target(BEST, 1.15)]


def main() -> int:
    """Measure, print and write the figures; return the exit status."""
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(description="Hold the engine's training against others'.")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cores}), help="1 and all, if not said")
    parser.add_argument("--instructions", choices=INSTRUCTIONS, nargs="+", default=["native"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="the workloads whose name has this in it")
    parser.add_argument("--cpu", action="store_true", help="measure the processor's time, with one thread alone")
    parser.add_argument("--without", choices=OPTIONAL, nargs="+", default=[], help="contenders to leave out")
    options = parser.parse_args()
    if options.cpu and options.threads != [1]:
        parser.error("--cpu: needs --threads 1; with more, a waiting thread takes processor time, too")

    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(1)
    )  # through the context managers, which end the stopped processes
    machine = describe_machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    rounding = distance_from_the_article()
    print("\nlargest difference from the article's weights after 2,000 steps: ", end="")
    print(", ".join(f"{distance:.0e} in {dtype}" for dtype, distance in rounding.items()))
    workloads = [workload for workload in WORKLOADS if options.only in workload.name]
    convolutional = [workload for workload in CONVOLUTIONAL_WORKLOADS if options.only in workload.name]
    results = [
        result
        for instructions in options.instructions
        for threads in options.threads
        for chosen, makers in ((workloads, DENSE), (convolutional, CONVOLUTIONAL))
        for result in measure(
            chosen,
            {name: maker for name, maker in makers.items() if name not in options.without},
            threads,
            instructions,
            options.rounds,
            cpu=options.cpu,
        )
    ]
    reached = [
        often_enough([result for result in results if (result["threads"], result["instructions"]) == limits])
        for limits in dict.fromkeys((result["threads"], result["instructions"]) for result in results)
    ]

    path = ROOT / "var" / "benchmarks" / "training.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": machine,
        "clock": "cpu" if options.cpu else "elapsed",
        "rounds": options.rounds,
        "rounding": rounding,
        "results": results,
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
    print(f"\nwritten to {path.relative_to(ROOT)}")
    judged = [result for result in results if result["threads"] == 1 or result["convolutions"]]
    return 0 if all(reached) and all(target["holds"] for result in judged for target in result["targets"]) else 1


def describe_machine() -> dict[str, Any]:
    """Describe what the figures depend on."""
    packages = {}
    for package in ("numpy", "torch", "jax", "scikit-learn"):
        with contextlib.suppress(PackageNotFoundError):
            packages[package] = version(package)
    return {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version(), **packages}


def measure(
    workloads: list[Workload], makers: Mapping[str, Maker], threads: int, instructions: str, rounds: int, *, cpu: bool
) -> Iterator[dict[str, Any]]:
    """Run all contenders on every workload within these limits, and print each table when it is complete."""
    with limited_to(threads, INSTRUCTIONS[instructions]), contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(ContenderProcess(maker, cpu=cpu)) for name, maker in makers.items() if workloads
        }
        for workload in workloads:
            running = {
                name: process
                for name, process in processes.items()
                if workload.batch_size == 1 or name not in ARTICLE_ONLY
            }
            for name, process in list(running.items()):
                try:
                    process.prepare(workload)
                except ContenderFailed:
                    if not makers[name].optional:
                        raise
                    print(f"{name} does not run here", flush=True)
                    del running[name], processes[name]
            taken: dict[str, list[float]] = {name: [] for name in running}
            for _ in range(rounds):
                for name, process in running.items():
                    taken[name].append(process.seconds())
            yield report(workload, threads, instructions, taken)


@contextlib.contextmanager
def limited_to(threads: int, instructions: dict[str, str]) -> Iterator[None]:
    """Limit the processes that start in the block to this number of threads and these settings of instructions."""
    numbers = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), str(threads))
    restricting = {*RESTRICTING, *(variable for settings in INSTRUCTIONS.values() for variable in settings)}
    with environment(instructions | numbers, without=restricting):
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()  # only on Linux
        if allowed:
            os.sched_setaffinity(0, sorted(allowed)[-threads:])
        try:
            yield
        finally:
            if allowed:
                os.sched_setaffinity(0, allowed)


def report(workload: Workload, threads: int, instructions: str, taken: dict[str, list[float]]) -> dict[str, Any]:
    """Print a workload's table with its targets; return it as plain values."""
    print(f"\n{workload.name}; {threads} thread{'s' * (threads > 1)}, {instructions}")
    print(f"  {'':<18}{'s/epoch':>9}{'ms/step':>9}{'× floor':>9}{'× PyTorch':>11}{'× JAX':>8}")
    scale = IMAGES / workload.batch_size / workload.steps
    contenders = {}
    for name, times in taken.items():
        row = {
            "milliseconds_per_step": round(1000 * statistics.median(times) / workload.steps, 4),
            "seconds_per_epoch": round(statistics.median(times) * scale, 4),
            "fastest_seconds_per_epoch": round(min(times) * scale, 4),
            "ratio_to_floor": ratio(times, taken["floor"]),
            "ratio_to_pytorch": ratio(times, taken["pytorch"]),
            "ratio_to_jax": ratio(times, taken["jax"]),
        }
        contenders[name] = row
        print(
            f"  {name:<18}{row['seconds_per_epoch']:>9.3f}{row['milliseconds_per_step']:>9.3f}"
            f"{row['ratio_to_floor']:>9.2f}{row['ratio_to_pytorch']:>11.2f}{row['ratio_to_jax']:>8.2f}"
        )
    if workload.convolutions:
        variants = [name for name in taken if name.startswith("pytorch")]
        taken = taken | {BEST: min((taken[name] for name in variants), key=statistics.median)}
        wanted = CONVOLUTIONAL_TARGETS
    else:
        wanted = TARGETS.get((workload.widths, workload.batch_size, workload.optimizer), [])
    targets = []
    for target in wanted:
        reached = ratio(taken["glassbox"], taken[target.other])
        targets.append({"other": target.other, "most": target.most, "ratio": reached, "holds": reached <= target.most})
        verdict = "holds" if reached <= target.most else "MISSED"
        print(f"  target: at most {target.most:g} × {target.other}: {reached:.2f} {verdict}", flush=True)
    return {
        "workload": workload.name,
        "widths": workload.widths,
        "convolutions": [asdict(convolution) for convolution in workload.convolutions],
        "image_shape": workload.image_shape,
        "batch_size": workload.batch_size,
        "optimizer": workload.optimizer,
        "threads": threads,
        "instructions": instructions,
        "contenders": contenders,
        "targets": targets,
    }


def often_enough(results: list[dict[str, Any]]) -> bool:
    """Print in how many dense workloads the engine is no slower than JAX, and in how many others than PyTorch's best.

    Return whether these are enough, for the workloads of which all were measured; of the dense ones with one thread.
    """
    threads, instructions = results[0]["threads"], results[0]["instructions"]
    to_jax = [result["contenders"]["glassbox"]["ratio_to_jax"] for result in results if not result["convolutions"]]
    to_best = [target["ratio"] for result in results for target in result["targets"] if target["other"] == BEST]
    enough = True
    print()
    for ratios, other, least, of in (
        (to_jax, "JAX", 8, len(WORKLOADS)),
        (to_best, BEST, 2, len(CONVOLUTIONAL_WORKLOADS)),
    ):
        count = sum(1 for one in ratios if one <= 1)
        judged = len(ratios) == of and (other == BEST or threads == 1)
        verdict = f", at least {least}: {'holds' if count >= least else 'MISSED'}" if judged else ""
        enough = enough and (not judged or count >= least)
        if ratios:
            print(
                f"{threads} thread{'s' * (threads > 1)}, {instructions}: no slower than {other} in {count} of"
                f" {len(ratios)}{verdict}"
            )
    return enough


def ratio(ours: list[float], others: list[float]) -> float:
    """Return the median of the rounds' ratios."""
    return round(statistics.median(a / b for a, b in zip(ours, others, strict=True)), 3)


if __name__ == "__main__":
    sys.exit(main())
