"""PyTorch on the CPU in eager mode, with its tensors in memory, so that no data loader slows it down."""

from __future__ import annotations

import os
from itertools import pairwise

import torch

from benchmarks.contenders.workload import Workload, rows_and_labels


class PyTorch:
    """`nn.Sequential` with PyTorch's optimizers."""

    def __init__(self, workload: Workload) -> None:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        torch.manual_seed(0)
        rows, labels = rows_and_labels()
        self._workload = workload
        self._X, self._y = torch.from_numpy(rows), torch.from_numpy(labels)
        layers: list[torch.nn.Module] = []
        for inputs, outputs in pairwise(workload.widths):
            layers += [
                torch.nn.Linear(inputs, outputs),
                torch.nn.Sigmoid() if workload.activation == "sigmoid" else torch.nn.ReLU(),
            ]
        self._network = torch.nn.Sequential(*layers[:-1])
        self._loss = torch.nn.CrossEntropyLoss()
        rule = torch.optim.SGD if workload.optimizer == "sgd" else torch.optim.Adam
        self._optimizer = rule(self._network.parameters(), lr=workload.rate)

    def run(self) -> None:
        """Train on the next mini-batches."""
        size = self._workload.batch_size
        order = torch.randperm(len(self._X))
        total = 0.0
        for step in range(self._workload.steps):
            batch = order[step * size : (step + 1) * size]
            self._optimizer.zero_grad()
            loss = self._loss(self._network(self._X[batch]), self._y[batch])
            loss.backward()
            self._optimizer.step()
            total += loss.item()
