"""JAX: the whole run of steps is one compiled `lax.scan`, with the data on its device."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.contenders.workload import Workload, batches, rows_and_labels


class JAX:
    """Pure functions over a list of (W, b); Adam is implemented here, because JAX itself has none."""

    def __init__(self, workload: Workload) -> None:
        self._rng = np.random.default_rng(0)
        self._workload = workload
        rows, labels = rows_and_labels()
        self._X, self._y = jnp.asarray(rows), jnp.asarray(labels, dtype=jnp.int32)
        parameters = [
            (
                jnp.asarray(self._rng.standard_normal(shape) * np.sqrt(2 / shape[0]), jnp.float32),
                jnp.zeros(shape[1], jnp.float32),
            )
            for shape in pairwise(workload.widths)
        ]
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        moments = () if workload.optimizer == "sgd" else (zeros, jax.tree.map(jnp.zeros_like, parameters))
        self._carry = (parameters, moments, jnp.zeros((), jnp.float32))
        self._run = jax.jit(_training(workload), donate_argnums=0)

    def run(self) -> None:
        """Train on the next mini-batches, and wait until it is done."""
        order = batches(self._rng, len(self._X), self._workload).astype(np.int32)
        self._carry, losses = self._run(self._carry, self._X, self._y, order)
        losses.block_until_ready()


def _training(workload: Workload) -> Any:
    """Return the function that runs all steps."""
    activation = jax.nn.sigmoid if workload.activation == "sigmoid" else jax.nn.relu
    rate = workload.rate

    def loss(parameters: Any, X: Any, y: Any) -> Any:
        *hidden, (W, b) = parameters
        A = X
        for W_hidden, b_hidden in hidden:
            A = activation(A @ W_hidden + b_hidden)
        scores = jax.nn.log_softmax(A @ W + b)
        return -jnp.take_along_axis(scores, y[:, None], axis=1).mean()

    def update(parameters: Any, moments: Any, gradients: Any, t: Any) -> Any:
        if workload.optimizer == "sgd":
            return jax.tree.map(lambda p, g: p - rate * g, parameters, gradients), moments
        m, v = moments
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
        m_scale, v_scale = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        parameters = jax.tree.map(
            lambda p, m, v: p - rate * m * m_scale / (jnp.sqrt(v * v_scale) + 1e-8), parameters, m, v
        )
        return parameters, (m, v)

    def run(carry: Any, X: Any, y: Any, order: Any) -> Any:
        def step(carry: Any, batch: Any) -> Any:
            parameters, moments, t = carry
            value, gradients = jax.value_and_grad(loss)(parameters, X[batch], y[batch])
            parameters, moments = update(parameters, moments, gradients, t + 1)
            return (parameters, moments, t + 1), value

        return lax.scan(step, carry, order)

    return run
