"""Small networks of every kind with random parameters, in float64, for tests of derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.network import Network, Parameters, preset

CLASSES = 3
NETWORKS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "dense": ((4, 5), {"standardize": False}),
    "dense, standardized, in colour": ((3, 4, 3), {"dropout": 0.3}),
    "softmax regression": ((4, 5), {"hidden": []}),
    "convolutional": (
        (7, 6),
        {
            "convolutions": [{"filters": 3, "kernel_size": 3, "pool_size": 2}, {"filters": 2, "kernel_size": 2}],
            "standardize": False,
        },
    ),
    "normalized, strided, in colour": (
        (8, 7, 3),
        {
            "convolutions": [
                {"filters": 4, "kernel_size": 3, "batch_norm": True, "pool_size": 2, "padding": "valid"},
                {"filters": 3, "kernel_size": 2, "batch_norm": True, "strides": 2},
            ],
            "dropout": 0.2,
        },
    ),
}
"""For each kind the shape of its images, and its settings."""


def random_network(
    kind: str, rng: np.random.Generator, image_shape: tuple[int, ...] | None = None, **settings: Any
) -> tuple[Network, Parameters]:
    """Return a network of this kind; every parameter is random, those that training measures as well."""
    shape, own = NETWORKS[kind]
    values = {"hidden": [5, 4], "activation": "tanh", "dtype": "float64"} | own | settings
    network = Network(image_shape or shape, CLASSES, preset("fast", **values))
    parameters = network.initialize(rng)
    for name, array in parameters.items():
        if name.endswith((".scale", ".variance", ".deviation")):
            array[:] = 0.5 + rng.random(array.shape)
        elif not name.endswith(".weights"):
            array[:] = rng.normal(0, 0.3, array.shape)
    return network, parameters
