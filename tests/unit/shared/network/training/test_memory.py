from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np

def peak():  # in MB. The peak of getrusage includes that of the parent process.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

np.matmul(np.ones((256, 256)), np.ones((256, 256)))  # BLAS allocates its memory before the measurement
before = peak()

from shared.network import Network, Training, preset

rng = np.random.default_rng(0)
images = rng.integers(0, 256, (60_000, 28, 28), dtype=np.uint8)
labels = rng.integers(0, 10, 60_000)
changes = {
    "hidden": [1024, 512],
    "optimizer": {"name": "adam"},
    "batch_size": 256,
    "augmentation": {"rotation": 10, "elastic": 20},
    "validation_fraction": 0.1,
    "early_stopping": {"patience": 3},
}
network = Network((28, 28), 10, preset("fast", **changes))
training = Training(network, images, labels)
for _ in range(5):
    next(training)
state = training.state()
network.evaluate(training.parameters, images[:10_000], labels[:10_000])
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from Linux's /proc")
def test_training_on_data_of_mnists_size_takes_less_than_400_mb() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert 60_000 * 784 / 2**20 < float(run.stdout) < 400
