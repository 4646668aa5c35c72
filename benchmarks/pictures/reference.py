"""The reference: a small PyTorch convolutional network with batch normalization, dropout and AdamW.

    PYTHONPATH=. python -m benchmarks.pictures.reference FOLDER [--threads 1] [--seeds 3]

Reads `FOLDER/train` and `FOLDER/test`, trains once for each seed, and prints JSON: the accuracies on the test part
after the last epoch, and the seconds of each training, without reading the files. Nothing is chosen by the test part.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

SIDE = 32
EPOCHS = 20
BATCH = 64


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description="Train the reference on a folder with train and test parts.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    classes = sorted(path.name for path in (options.folder / "train").iterdir())
    train, test = (read(options.folder / part, classes) for part in ("train", "test"))
    accuracies, seconds = [], []
    for seed in range(options.seeds):
        started = perf_counter()
        network = trained(*train, len(classes), seed)
        seconds.append(round(perf_counter() - started, 2))
        accuracies.append(round(accuracy(network, *test), 5))
    print(json.dumps({"test_accuracies": accuracies, "seconds": seconds, "threads": options.threads}))


def read(folder: Path, classes: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Read the class folders: images (N, 3, 32, 32) with numbers from 0 to 1, and labels (N,)."""
    images: list[npt.NDArray[np.uint8]] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        for path in sorted((folder / name).iterdir()):
            images.append(np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE))))
            labels.append(label)
    X = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return X.contiguous(), torch.tensor(labels)


def trained(X: torch.Tensor, y: torch.Tensor, classes: int, seed: int) -> nn.Module:
    """Train a network of three blocks with AdamW and a one-cycle schedule."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        Standardized(X.mean((0, 2, 3)), X.std((0, 2, 3))),
        *block(3, 32),
        *block(32, 64),
        *block(64, 128),
        nn.Flatten(),
        nn.Linear(128 * (SIDE // 8) ** 2, 128),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(128, classes),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01)
    steps = EPOCHS * (len(X) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    loss_of = nn.CrossEntropyLoss()
    network.train()
    for _ in range(EPOCHS):
        order = torch.randperm(len(X))
        for start in range(0, len(X) - BATCH + 1, BATCH):
            batch = order[start : start + BATCH]
            optimizer.zero_grad()
            loss_of(network(X[batch]), y[batch]).backward()
            optimizer.step()
            schedule.step()
    return network


def block(inputs: int, outputs: int) -> list[nn.Module]:
    """Return a convolution with batch normalization and pooling."""
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]


class Standardized(nn.Module):  # type: ignore[misc]
    """Subtract the mean of each channel, and divide by its deviation."""

    def __init__(self, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        super().__init__()
        self.mean, self.deviation = mean[:, None, None], deviation[:, None, None]

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Standardize images (N, C, H, W)."""
        return (X - self.mean) / self.deviation


def accuracy(network: nn.Module, X: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of images whose class is predicted."""
    network.eval()
    with torch.no_grad():
        predicted = torch.cat([network(part).argmax(1) for part in X.split(256)])
    return float((predicted == y).float().mean())


if __name__ == "__main__":
    main()
