"""JAX with convolutions: a compiled step, with the data on its device.

It is called from Python: inside of `lax.scan` XLA takes convolutions of another kind, which are 50 times as slow.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.contenders.workload import Workload, batches, pixels_and_labels

LAYOUT = ("NHWC", "HWIO", "NHWC")


class ConvolutionalJAX:
    """Pure functions over a list of (W, b), with momentum."""

    def __init__(self, workload: Workload) -> None:
        self._rng = np.random.default_rng(0)
        self._workload = workload
        pixels, labels = pixels_and_labels(workload)
        self._X, self._y = jnp.asarray(pixels), jnp.asarray(labels, dtype=jnp.int32)
        channels = [workload.channels, *(convolution.filters for convolution in workload.convolutions)]
        shapes: list[tuple[int, ...]] = [
            (convolution.kernel_size, convolution.kernel_size, *sides)
            for convolution, sides in zip(workload.convolutions, pairwise(channels), strict=True)
        ]
        parameters = [
            (
                jnp.asarray(self._rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1])), jnp.float32),
                jnp.zeros(shape[-1], jnp.float32),
            )
            for shape in [*shapes, *pairwise(workload.widths)]
        ]
        self._carry = (parameters, jax.tree.map(jnp.zeros_like, parameters))
        self._step = jax.jit(_step(workload), donate_argnums=0)

    def run(self) -> None:
        """Train on the next mini-batches, and wait until it is done."""
        total = 0.0
        for batch in batches(self._rng, len(self._X), self._workload).astype(np.int32):
            self._carry, loss = self._step(self._carry, self._X, self._y, batch)
            total += float(loss)


def _step(workload: Workload) -> Any:
    """Return the function that runs a step."""

    def loss(parameters: Any, X: Any, y: Any) -> Any:
        A = X
        for convolution, (W, b) in zip(workload.convolutions, parameters, strict=False):
            strides, padding = (convolution.strides,) * 2, convolution.padding.upper()
            A = jax.nn.relu(lax.conv_general_dilated(A, W, strides, padding, dimension_numbers=LAYOUT) + b)
            if convolution.pool_size > 1:
                window = (1, convolution.pool_size, convolution.pool_size, 1)
                A = lax.reduce_window(A, -jnp.inf, lax.max, window, window, "VALID")
        A = A.reshape(len(A), -1)
        *hidden, (W, b) = parameters[len(workload.convolutions) :]
        for W_hidden, b_hidden in hidden:
            A = jax.nn.relu(A @ W_hidden + b_hidden)
        scores = jax.nn.log_softmax(A @ W + b)
        return -jnp.take_along_axis(scores, y[:, None], axis=1).mean()

    def step(carry: Any, X: Any, y: Any, batch: Any) -> Any:
        parameters, velocities = carry
        value, gradients = jax.value_and_grad(loss)(parameters, X[batch], y[batch])
        velocities = jax.tree.map(lambda v, g: 0.9 * v + g, velocities, gradients)
        parameters = jax.tree.map(lambda p, v: p - workload.rate * v, parameters, velocities)
        return (parameters, velocities), value

    return step
