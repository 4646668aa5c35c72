"""Classifying with convolutional models: images per second and core, and the time of a prediction of one image.

    PYTHONPATH=.:client python -m benchmarks.inference [--rounds 9] [--frameworks PYTHON]

Each network classifies random images from bytes to labels, with one thread: Glassbox as the classifiers of a batch do,
onnxruntime on the graph that Glassbox exports, and PyTorch, if the environment of requirements/bench.in exists. Each
has its own process on the same core, and they take turns; the rates are medians, and a ratio is the median of the
rounds' ratios. A prediction is a request with one PNG file to an embedded stack, whose model is trained on mnist.npz in
the folder that `GLASSBOX_TEST_DATA` names. The exit status is 1 if a target is missed. Writes
`var/benchmarks/inference.json`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from api.exports.export import export
from benchmarks.contenders.inference import IMAGES, InferenceWorkload
from benchmarks.contenders.process import RESTRICTING, ContenderProcess, Maker, environment
from benchmarks.figures import Figure, report
from services.embedded.running import running_stack
from shared.network import Configuration, Network, preset
from shared.network.selection.candidates import Facts, candidates
from shared.registry import ModelVersion
from shared.registry.manifest import Weights
from shared.registry.stored import StoredArray

DATA = Path(os.environ.get("GLASSBOX_TEST_DATA", "../shared/data"))
OUTPUT = Path("var/benchmarks/inference.json")
RATE = 30_000
MILLISECONDS = 4.0
PREDICTIONS = 300
LIKE_LENET = [
    {"filters": 16, "kernel_size": 5, "padding": "valid", "pool_size": 2},
    {"filters": 32, "kernel_size": 5, "padding": "valid", "pool_size": 2},
]
STRIDED = [
    {"filters": 8, "kernel_size": 5, "strides": 2, "padding": "valid"},
    {"filters": 50, "kernel_size": 5, "strides": 2, "padding": "valid"},
]
GRAY, COLOUR = (28, 28), (32, 32, 3)


def main() -> int:
    """Measure, print and write the figures; return the exit status."""
    parser = argparse.ArgumentParser(description="Measure how fast convolutional models classify.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--frameworks", type=Path, default=Path("var/bench-venv/bin/python"), metavar="PYTHON")
    parser.add_argument("--cpu", action="store_true", help="measure the processor's time, on a machine that others use")
    options = parser.parse_args()
    return report([*rates(options.rounds, options.frameworks, cpu=options.cpu), prediction()], OUTPUT)


def configurations() -> dict[str, tuple[tuple[int, ...], Configuration]]:
    """Return the image shapes and configurations by name: first those of presets."""
    return {
        "accurate, 28×28": (GRAY, preset("accurate")),
        "auto, 60,000 of 28×28": (GRAY, candidates(Facts(GRAY, 10, 60_000), {})[0].configuration),
        "auto, 2,600 of 32×32×3": (COLOUR, candidates(Facts(COLOUR, 10, 2_600), {})[0].configuration),
        "like LeNet, 28×28": (GRAY, preset("fast", convolutions=LIKE_LENET, hidden=[])),
        "like LeNet, 32×32×3": (COLOUR, preset("fast", convolutions=LIKE_LENET, hidden=[])),
        "strides, 28×28": (GRAY, preset("fast", convolutions=STRIDED, hidden=[100])),
    }


def workload(name: str, image_shape: tuple[int, ...], configuration: Configuration) -> InferenceWorkload:
    """Return a workload with new parameters."""
    network = Network(image_shape, 10, configuration)
    parameters = network.initialize(np.random.default_rng(0))
    return InferenceWorkload(name, image_shape, configuration.to_dict(), parameters, graph(network, parameters))


def graph(network: Network, parameters: dict[str, np.ndarray]) -> bytes:
    """Return the network as the ONNX graph that the server exports."""
    version = ModelVersion(
        model="benchmark",
        version=1,
        job="none",
        dataset="none",
        configuration=network.configuration.to_dict(),
        seed=0,
        blas_threads=1,
        image_shape=network.image_shape,
        classes=tuple(map(str, range(network.classes))),
        parameters=network.parameter_count,
        metrics={},
        weights=Weights(bytes=0, sha256="0" * 64),
        created_at="2026-01-01T00:00:00.000Z",
    )
    stored = {name: StoredArray.of(array) for name, array in parameters.items()}
    return b"".join(export(version, stored, "onnx").blocks())


def rates(rounds: int, frameworks: Path, *, cpu: bool) -> Iterator[Figure]:
    """Measure all networks; yield their rates, with the targets of the presets' networks."""
    makers = {"glassbox": Maker("inference", "Glassbox"), "onnxruntime": Maker("inference", "OnnxRuntime")}
    if frameworks.exists():
        makers["pytorch"] = Maker("inference_pytorch", "PyTorch", python=frameworks)
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    best: dict[str, float] = {}
    with environment(one_thread, without=RESTRICTING), contextlib.ExitStack() as stack, on_one_core():
        processes = {name: stack.enter_context(ContenderProcess(maker, cpu=cpu)) for name, maker in makers.items()}
        for name, (image_shape, configuration) in configurations().items():
            described = workload(name, image_shape, configuration)
            for process in processes.values():
                process.prepare(described)
            taken: dict[str, list[float]] = {contender: [] for contender in processes}
            for _ in range(rounds):
                for contender, process in processes.items():
                    taken[contender].append(process.seconds())
            for contender, seconds in taken.items():
                rate = IMAGES / statistics.median(seconds)
                judged = contender == "glassbox" and name.startswith("accurate")
                reached = rate >= RATE and bool(configuration.convolutions)
                target = f"at least {RATE:,}, convolutional" if judged else ""
                yield Figure(f"{name}: {contender}", rate, "images/s", target, reached if judged else None)
            times = statistics.median(b / a for a, b in zip(taken["glassbox"], taken["onnxruntime"], strict=True))
            yield Figure(f"{name}: rate as a multiple of onnxruntime's", times, "×")
            if configuration.convolutions and name.startswith(("accurate", "auto")):
                best[name] = times
    most = max(best.values(), default=0.0)
    yield Figure("the presets' convolutional networks: the best multiple", most, "×", "at least 1", most >= 1)


@contextlib.contextmanager
def on_one_core() -> Iterator[None]:
    """Bind the processes that start in the block to one core, on systems that can."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if allowed:
        os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        if allowed:
            os.sched_setaffinity(0, allowed)


def prediction() -> Figure:
    """Measure a prediction of one PNG file by a model of the preset `accurate`, trained for one epoch."""
    with zipfile.ZipFile(DATA / "mnist-test-png.zip") as archive:
        image = archive.read(archive.namelist()[0])
    with tempfile.TemporaryDirectory(prefix="glassbox-bench-") as folder:
        settings = {"GLASSBOX_DATASETS": str(DATA.resolve())}
        with (
            environment({}, without=RESTRICTING),
            running_stack(Path(folder) / "volume", Path(folder) / "stack.log", **settings) as client,
        ):
            client.train("mnist", model="digits", preset="accurate", epochs=1).wait()
            seconds = []
            for _ in range(PREDICTIONS):
                started = time.perf_counter()
                client.predict(image, model="digits")
                seconds.append(time.perf_counter() - started)
    milliseconds = 1000 * statistics.median(seconds)
    target = f"at most {MILLISECONDS:g}"
    return Figure("predict of one image, p50", milliseconds, "ms", target, milliseconds <= MILLISECONDS)


if __name__ == "__main__":
    sys.exit(main())
