"""The demo: starts the embedded stack, trains on a real data set, classifies an archive of its test images, stops.

The data set is MNIST if `GLASSBOX_DATASETS` names a folder that has it, else the 8×8 digits.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from glassbox import Client, Event, TrainingResult
from glassbox.options import TrainingOptions
from rich.console import Console

from services.embedded.running import running_stack
from services.embedded.sample import pack
from shared.datasets import DatasetStore
from shared.runtime.settings import Settings
from shared.storage.volume import Volume

OVERRIDES: dict[str, TrainingOptions] = {"mnist": {}, "digits": {"epochs": 60}}  # digits has 1,438 images to train on

console = Console(highlight=False)


def main() -> None:
    """Run the demo in a temporary folder."""
    settings = Settings()
    has_mnist = settings.datasets is not None and (settings.datasets / "mnist.npz").exists()
    dataset = "mnist" if has_mnist else "digits"
    with tempfile.TemporaryDirectory(prefix="glassbox-demo-") as folder:
        volume = Path(folder) / "volume"
        with running_stack(volume, Path(folder) / "stack.log") as client:
            console.print(f"[bold]Glassbox[/] runs at {client.url}, on {volume}")
            show(client, volume, dataset)
    console.print("stopped; all data was removed. [bold]make up[/] starts a stack that keeps its data")


def show(client: Client, volume: Path, dataset: str) -> None:
    """Train, classify, and print the results."""
    job = client.train(dataset, model="demo", **OVERRIDES[dataset])
    console.print(f"\ntraining on [bold]{dataset}[/] (job {job.id})")
    job = job.wait(on_event=print_epoch)
    assert isinstance(job.result, TrainingResult)
    console.print(
        f"published [bold]{job.result.model}@{job.result.version}[/] after"
        f" {job.metrics['training_seconds']:.1f} s of training: test accuracy {job.result.test_accuracy:.2%}"
    )

    manifest, arrays = DatasetStore(Volume(volume)).load(dataset)
    archive = volume.parent / f"{dataset}-test.zip"
    pack(manifest, arrays, archive)
    console.print(f"\nclassifying {archive.name}: {len(arrays.x_test)} PNG files, {archive.stat().st_size:,} bytes")
    started = time.monotonic()
    job = client.classify(archive, model="demo").wait()
    rows = list(job.rows())
    seconds = time.monotonic() - started
    truth = [manifest.classes[label] for label in arrays.y_test]
    right = sum(row.label == label for row, label in zip(rows, truth, strict=True))
    console.print(
        f"{len(rows)} rows, from upload to the last row in {seconds:.2f} s; {right / len(rows):.2%} are correct"
    )
    for row in rows[:3]:
        console.print(f"  {row.path}  is a [bold]{row.label}[/], with confidence {row.confidence:.4f}")
    console.print()


def print_epoch(event: Event) -> None:
    """Print a line for each completed epoch."""
    if event.type == "epoch":
        progress, metrics = event.data["progress"], event.data["metrics"]
        console.print(
            f"  epoch {progress['done']:>2} of {progress['total']}: loss {metrics['train_loss']:.4f},"
            f" accuracy {metrics['train_accuracy']:.2%}, {progress['eta_seconds']} s to go"
        )


if __name__ == "__main__":
    main()
