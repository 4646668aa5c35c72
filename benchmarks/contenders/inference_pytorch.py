"""Classifying images with PyTorch and one core, from bytes to labels."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.contenders.inference import IMAGES, InferenceWorkload, fastest


class PyTorch:
    """`nn.Sequential` in evaluation mode, in the faster memory layout, with the fastest number of images at once."""

    def __init__(self, workload: InferenceWorkload) -> None:
        torch.set_num_threads(1)
        images = torch.from_numpy(workload.images().reshape(IMAGES, *workload.image_shape[:2], workload.channels))
        self._images = images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        network = nn.Sequential(*_layers(workload)).eval()
        network(self._images[:1].float())  # creates the dense layers
        self._network = network.to(memory_format=torch.channels_last)
        self._at_once = fastest(self._classify)

    def run(self) -> None:
        """Classify all images."""
        self._classify(self._at_once)

    def _classify(self, at_once: int) -> None:
        with torch.inference_mode():
            for start in range(0, IMAGES, at_once):
                self._network(self._images[start : start + at_once].float().div(255)).argmax(dim=1)


def _layers(workload: InferenceWorkload) -> list[nn.Module]:
    """Return the layers with random parameters; pooling before ReLU, which is faster and gives the same."""
    layers: list[nn.Module] = []
    channels = workload.channels
    for block in workload.configuration["convolutions"]:
        padding = 0 if block["padding"] == "valid" else block["kernel_size"] // 2
        layers.append(nn.Conv2d(channels, block["filters"], block["kernel_size"], block["strides"], padding))
        if block["batch_norm"]:
            layers.append(nn.BatchNorm2d(block["filters"]))
        if block["pool_size"] > 1:
            layers.append(nn.MaxPool2d(block["pool_size"]))
        layers.append(nn.ReLU())
        channels = block["filters"]
    layers.append(nn.Flatten())
    for width in [*workload.configuration["hidden"], 10]:
        layers += [nn.LazyLinear(width), nn.ReLU()]
    return layers[:-1]
