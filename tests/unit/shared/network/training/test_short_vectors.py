from __future__ import annotations

import numpy as np
import pytest

from shared.network.layers.activations import Sigmoid
from shared.network.training.per_image_step import SmallSigmoid

DTYPES = ["float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_sigmoid_equals_sigmoid_up_to_rounding(dtype: str, rng: np.random.Generator) -> None:
    Z = rng.normal(scale=10, size=64).astype(dtype)
    tolerance = 8 * float(np.finfo(dtype).eps)
    results = []
    for sigmoid in (Sigmoid(), SmallSigmoid(np.dtype(dtype))):
        A, dA = np.empty_like(Z), np.linspace(-3, 3, 64, dtype=dtype)
        sigmoid.forward(Z, A)
        kept = A.copy()
        sigmoid.backward(Z, A, dA)
        results.append((kept, dA))
    (A_plain, dZ_plain), (A_small, dZ_small) = results
    np.testing.assert_allclose(A_small, A_plain, rtol=tolerance)
    np.testing.assert_allclose(dZ_small, dZ_plain, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_sigmoid_saturates_if_the_exponential_overflows(dtype: str) -> None:
    Z = np.array([-1e4, 0, 1e4], dtype)
    with np.errstate(over="ignore"):
        SmallSigmoid(np.dtype(dtype)).forward(Z, Z)
    assert Z.tolist() == [0, 0.5, 1]
