"""PyTorch with convolutions: as users write it, and the ways to make it faster on a CPU."""

from __future__ import annotations

import os
from itertools import pairwise

import torch
from torch import nn

from benchmarks.contenders.workload import Workload, pixels_and_labels


class ConvolutionalPyTorch:
    """`nn.Sequential` in eager mode with its tensors in memory.

    channels_last: the memory layout that PyTorch recommends for convolutions. pool_first: max pooling before ReLU,
    which gives the same numbers with fewer operations. compiled: by `torch.compile`.
    """

    def __init__(
        self, workload: Workload, *, channels_last: bool = False, pool_first: bool = False, compiled: bool = False
    ) -> None:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        torch.manual_seed(0)
        pixels, labels = pixels_and_labels(workload)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._workload = workload
        self._X = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        self._y = torch.from_numpy(labels)
        network = nn.Sequential(*_layers(workload, pool_first=pool_first)).to(memory_format=layout)
        self._optimizer = torch.optim.SGD(network.parameters(), lr=workload.rate, momentum=0.9)
        self._network = torch.compile(network) if compiled else network
        self._loss = nn.CrossEntropyLoss()

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


def channels_last(workload: Workload) -> ConvolutionalPyTorch:
    """Return PyTorch with the layout for convolutions."""
    return ConvolutionalPyTorch(workload, channels_last=True)


def pool_first(workload: Workload) -> ConvolutionalPyTorch:
    """Return PyTorch with pooling before ReLU."""
    return ConvolutionalPyTorch(workload, pool_first=True)


def channels_last_pool_first(workload: Workload) -> ConvolutionalPyTorch:
    """Return PyTorch with both."""
    return ConvolutionalPyTorch(workload, channels_last=True, pool_first=True)


def compiled(workload: Workload) -> ConvolutionalPyTorch:
    """Return PyTorch with the compiler, which needs one for C++."""
    return ConvolutionalPyTorch(workload, compiled=True)


def _layers(workload: Workload, *, pool_first: bool) -> list[nn.Module]:
    """Return the layers; of the padding "same" with strides, the zeros are on all sides, as users write it."""
    layers: list[nn.Module] = []
    channels = workload.channels
    for convolution in workload.convolutions:
        padding = 0 if convolution.padding == "valid" else convolution.kernel_size // 2
        layers.append(nn.Conv2d(channels, convolution.filters, convolution.kernel_size, convolution.strides, padding))
        rest: list[nn.Module] = [nn.ReLU()]
        if convolution.pool_size > 1:
            rest.insert(0 if pool_first else 1, nn.MaxPool2d(convolution.pool_size))
        layers += rest
        channels = convolution.filters
    layers.append(nn.Flatten())
    for inputs, outputs in pairwise(workload.widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return layers[:-1]
