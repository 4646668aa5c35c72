"""`glassbox train FOLDER -m NAME` on pictures as a person has them, compared with a small PyTorch network.

    PYTHONPATH=.:client python benchmarks/own_pictures.py [--only letters] [--variants mixed gray] [-- --preset fast]

The folders (benchmarks/pictures) have a train and a test part: letters from fonts on coloured grounds, crops of ten
photographs, and shapes that differ in hue alone; by default 32×32 in colour, on request also of mixed sizes and gray.
The command runs without other options, on an embedded stack on loopback; arguments after `--` are added to it. Its
seconds are those of the whole command, with the upload. The test images are used once, after the training.

The reference is the mean of three trainings on the same split with one thread; one more is timed with two. It and the
pictures need the environment of requirements/bench.in, var/bench-venv or another one that `--frameworks` names. The
exit status is 1 if a target is missed. Writes `var/benchmarks/own_pictures.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassbox import Client

from benchmarks.contenders.process import RESTRICTING, environment
from benchmarks.figures import Figure, report
from services.embedded.running import running_stack

OUTPUT = Path("var/benchmarks/own_pictures.json")
KINDS = ("letters", "photographs", "hues")
VARIANTS = ("plain", "mixed", "gray")
WITHOUT_TARGET = {"hues-gray"}
"""Folders whose classes cannot be told apart: the answer has to be a warning, not an accuracy."""

POINTS = 1.5
"""How far the accuracy may be below the reference's, in percent of the test images."""

SECONDS = 180.0
"""How long a training may take."""


@dataclass(frozen=True)
class Trained:
    """One run of the command. said: its output; images: those of the folder, by split."""

    seconds: float
    accuracy: float
    classes: int
    images: dict[str, int]
    said: str
    warnings: tuple[str, ...]


def main() -> int:
    """Measure, print and write the figures; return the exit status."""
    parser = argparse.ArgumentParser(description="Compare trainings on a person's pictures with a PyTorch network.")
    parser.add_argument("--frameworks", type=Path, default=Path("var/bench-venv/bin/python"), metavar="PYTHON")
    parser.add_argument("--variants", choices=VARIANTS, nargs="+", default=["plain"])
    parser.add_argument("--only", choices=KINDS, nargs="+", default=list(KINDS))
    parser.add_argument("--seed", type=int, default=1, help="of the pictures")
    parser.add_argument("--reference-seeds", type=int, default=3, metavar="N", help="trainings of the reference")
    parser.add_argument("--reference-threads", type=int, choices=(1, 2), default=2, metavar="N", help="at most")
    parser.add_argument(
        "--reference", type=Path, metavar="FILE", help="the reference's results, of an earlier run if any"
    )
    parser.add_argument("arguments", nargs="*", help="arguments for `glassbox train`, after --")
    options = parser.parse_args()
    names = [f"{kind}-{variant}" for kind in options.only for variant in options.variants]
    known: dict[str, Any] = (
        json.loads(options.reference.read_text()) if options.reference and options.reference.exists() else {}
    )
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="glassbox-bench-") as temporary:
        for name in names:
            folder = Path(temporary) / name
            kind, variant = name.split("-")
            of_frameworks(
                options.frameworks,
                "benchmarks.pictures.making",
                *(str(folder), kind, "--variant", variant, "--seed", str(options.seed)),
            )
            reference = known.get(name) or references(
                options.frameworks, folder, options.reference_seeds, options.reference_threads
            )
            known[name] = reference
            if options.reference:
                options.reference.write_text(json.dumps(known) + "\n")
            ours = trained(Path(temporary), folder, options.arguments)
            figures += of_folder(name, folder, ours, reference)
    return report(figures, OUTPUT)


def of_frameworks(python: Path, module: str, *arguments: str) -> str:
    """Run a module with the frameworks' Python; return its output."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(
        [str(python), "-m", module, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout


def references(python: Path, folder: Path, seeds: int, most_threads: int) -> dict[str, dict[str, Any]]:
    """Train the reference with one thread, and once with two; return its results by the number of threads."""
    trainings = {1: seeds} if most_threads == 1 else {1: seeds, 2: 1}
    return {
        str(threads): json.loads(
            of_frameworks(
                python,
                "benchmarks.pictures.reference",
                *(str(folder), "--threads", str(threads), "--seeds", str(count)),
            )
        )
        for threads, count in trainings.items()
    }


def trained(temporary: Path, folder: Path, arguments: list[str]) -> Trained:
    """Run the command on a new stack; return what it said and reached."""
    volume = temporary / f"volume-{folder.name}"
    with environment({}, without=RESTRICTING), running_stack(volume, temporary / "stack.log") as client:
        command = [sys.executable, "-m", "glassbox", "--url", client.url, "train", str(folder), "-m", "own", *arguments]
        started = time.perf_counter()
        process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        seconds = time.perf_counter() - started
        print(f"\n$ glassbox train {folder.name} -m own {' '.join(arguments)}".rstrip())
        print(textwrap.indent(process.stdout, "  "), flush=True)
        if process.returncode:
            sys.exit(f"the command failed with exit status {process.returncode}")
        return record(client, seconds, process.stdout)


def record(client: Client, seconds: float, said: str) -> Trained:
    """Return the run with what the server recorded about it."""
    version = client.models.version("own")
    dataset = client.datasets.get(version.dataset)
    return Trained(
        seconds,
        100 * version.metrics["test_accuracy"],
        len(version.classes),
        dataset.splits,
        said,
        client.jobs.get(version.job).warnings,
    )


def of_folder(name: str, folder: Path, ours: Trained, reference: dict[str, dict[str, Any]]) -> Iterator[Figure]:
    """Yield the figures of one folder."""
    written = {part.name: sum(1 for _ in part.glob("*/*")) for part in folder.iterdir()}
    classes = sum(1 for _ in (folder / "train").iterdir())
    accuracies = reference["1"]["test_accuracies"]
    theirs = 100 * sum(accuracies) / len(accuracies)
    difference = ours.accuracy - theirs
    judged = name not in WITHOUT_TARGET
    yield Figure(f"{name}: classes", ours.classes, "", f"all {classes}", ours.classes == classes)
    complete = ours.images == written
    yield Figure(f"{name}: images", sum(ours.images.values()), "", f"all {sum(written.values())}", complete)
    counts = [classes, *written.values()]
    said = next((line for line in ours.said.splitlines() if f"{classes} classes" in line), "")
    numbers = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", said)}
    found = len(numbers.intersection(counts))
    yield Figure(f"{name}: counts said, of {counts}", found, "", f"all {len(counts)}", found == len(counts))
    yield Figure(f"{name}: the whole command", ours.seconds, "s", f"under {SECONDS:g}", ours.seconds < SECONDS)
    yield Figure(f"{name}: test accuracy", ours.accuracy, "%")
    yield Figure(f"{name}: PyTorch's, mean of {len(accuracies)}", theirs, "%")
    yield Figure(
        f"{name}: difference",
        difference,
        "points",
        f"at least −{POINTS}" if judged else "",
        difference >= -POINTS if judged else None,
    )
    if not judged:
        yield Figure(f"{name}: warnings", len(ours.warnings), "", "at least 1", len(ours.warnings) >= 1)
    for threads, result in reference.items():
        yield Figure(
            f"{name}: PyTorch's training, {threads} thread{'s' * (threads != '1')}", min(result["seconds"]), "s"
        )


if __name__ == "__main__":
    sys.exit(main())
