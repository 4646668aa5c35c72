"""The array types in the network's signatures."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.floating[Any]]
"""Real numbers in the network's own precision, float32 or float64."""

Images: TypeAlias = npt.NDArray[Any]
"""(N, H, W), (N, H, W, C) or (N, H·W·C): uint8 from 0 to 255, or floating point from 0 to 1."""

Labels: TypeAlias = npt.NDArray[np.integer[Any]]
"""(N,): the index of each image's class, from 0."""

Labelled: TypeAlias = tuple[Images, Labels]
"""Images and their labels."""

Parameters: TypeAlias = dict[str, Array]
"""Every array of a network under its stable name.

"layer1.weights" (in, out), or (k, k, in, out) of a convolution, "layer1.biases" (out,), …; after a batch normalization
"layer1.scale", "layer1.shift", "layer1.mean" and "layer1.variance" (out,); "input.mean" and "input.deviation" (C,) of
standardized inputs."""
