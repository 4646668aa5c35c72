"""The convolution Z = W * X, forward and backward, as products of matrices.

The same small pattern of weights is compared with every place of an image. Output row r, column q, filter f is

    Z[r, f, q] = Σ over i, j, c   W[i, j, c, f] · X[s r + i - top, c, s q + j - left]        (X is 0 outside the image)

Lower each row along its width once, L[h, j, c, q] = X[h - top, c, s q + j - left]. The k rows of L that output row r
needs then follow each other in memory, so they are, without a copy, the matrix

    L_r = L[s r : s r + k], (k k C, Wo n)    and    Z_r = Wᵀ L_r    with W as (k k C, F)

which is the dense layer's formula, and so are its derivatives: dW = Σ_r L_r dZ_rᵀ and dL_r = W dZ_r. This is
memory-efficient convolution (Cho and Brand 2017, "MEC", arXiv:1706.06873): k copies of the input instead of k². The
padding costs nothing: it consists of the zeros of L, which no call overwrites.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from shared.network.arrays import Array, Parameters
from shared.network.convolutions.layer import Float, Layer, Shape

Span = tuple[slice, slice]


class Convolution(Layer):
    """F filters W (k, k, C, F) over images (H, C, W) with strides s; the result is (Ho, F, Wo).

    padding: "valid" keeps the filters inside the image; "same" adds zeros around it, so that a side of length H gives
    ⌈H / s⌉, the odd one at the end, as Keras and ONNX's SAME_UPPER do.
    """

    def __init__(self, shape: Shape, filters: int, kernel_size: int, strides: int, padding: str) -> None:
        H, C, W = shape
        k, s = kernel_size, strides
        self._shape = shape
        self._k, self._s = k, s
        (self._top, bottom), (self._left, right) = margins(H, k, s, padding), margins(W, k, s, padding)
        Ho, Wo = (H + self._top + bottom - k) // s + 1, (W + self._left + right - k) // s + 1
        self.output = (Ho, filters, Wo)
        self.parameters = {"weights": (k, k, C, filters)}
        self._lowered_shape = (H + self._top + bottom, k, C, Wo)
        self.lowered = math.prod(self._lowered_shape)
        self.shared = Ho * k * k * C * filters
        self._columns = [span(j - self._left, s, W, Wo) for j in range(k)]

    def allocate(self, n: int, dtype: Float, *, training: bool) -> None:
        """Create the arrays for chunks of n images."""
        (H, C, W), (Ho, F, Wo), k = self._shape, self.output, self._k
        K, M = k * k * C, Wo * n
        self._L = np.zeros((*self._lowered_shape, n), dtype)
        self._inside = slice(self._top, self._top + H)  # the rows of L that hold X
        row, item = self._L.strides[0], self._L.itemsize
        self._L_r = as_strided(self._L, (Ho, K, M), (self._s * row, M * item, item))
        self._Z = np.empty((Ho, F, Wo, n), dtype)
        if training:
            self._dW_r = np.empty((Ho, K, F), dtype)
            self._dL_r = [np.empty((k, *self._L.shape[1:]), dtype) for _ in range(2)]  # of this row and the last
            self._dX = np.empty((H, C, W, n), dtype)

    def allocated(self, n: int, *, training: bool) -> int:
        """Return how many numbers the arrays of `allocate` have together."""
        numbers = (self.lowered + math.prod(self.output)) * n
        if training:
            numbers += self.shared + 2 * self._k * math.prod(self._lowered_shape[1:]) * n
            numbers += math.prod(self._shape) * n
        return numbers

    def forward(self, X: Array, P: Parameters) -> Array:
        """Return Z = W * X: X is (H, C, W, n), Z (Ho, F, Wo, n)."""
        L = self._L[self._inside]
        for j, (out, into) in enumerate(self._columns):
            L[:, j, :, out] = X[:, :, into]
        np.matmul(_matrix(P["weights"]).T, self._L_r, out=_rows(self._Z))  # for each row (F, K) @ (K, M)
        return self._Z

    def gradients(self, dY: Array, P: Parameters, dP: Parameters) -> None:  # noqa: ARG002
        """Write dW ← Σ_r L_r dZ_rᵀ."""
        np.matmul(self._L_r, _rows(dY).swapaxes(1, 2), out=self._dW_r)  # for each row (K, M) @ (M, F)
        np.add.reduce(self._dW_r, axis=0, out=_matrix(dP["weights"]))

    def propagate(self, dY: Array, P: Parameters) -> Array:
        """Return dX: each row's dL_r = W dZ_r, added where the rows and columns of the filters overlap.

        Only the dL_r of two rows are kept: the first s of its input rows are complete when the next row is added.
        """
        W = _matrix(P["weights"])
        k, s = self._k, self._s
        dX = self._dX
        dX.fill(0)
        last = None
        for r, dZ_r in enumerate(_rows(dY)):
            dL_r = self._dL_r[r % 2]
            np.matmul(W, dZ_r, out=dL_r.reshape(len(W), -1))  # (K, F) @ (F, M)
            if last is not None and s < k:
                dL_r[: k - s] += last[s:]
            complete = min(s, k) if r + 1 < len(dY) else k
            self._add(dL_r[:complete], s * r - self._top, dX)
            last = dL_r
        return dX

    def _add(self, dL: Array, row: int, dX: Array) -> None:
        """Add rows of dL (rows, k, C, Wo, n) to those of dX that begin at `row`; rows outside the image are dropped."""
        above = max(0, -row)
        dX = dX[row + above : max(0, row + len(dL))]
        dL = dL[above : above + len(dX)]
        for j, (out, into) in enumerate(self._columns):
            dX[:, :, into] += dL[:, j, :, out]


def margins(side: int, kernel_size: int, strides: int, padding: str) -> tuple[int, int]:
    """Return the zeros before and after a side of an image."""
    if padding == "valid":
        return 0, 0
    total = max((-(-side // strides) - 1) * strides + kernel_size - side, 0)
    return total // 2, total - total // 2


def span(shift: int, stride: int, side: int, out_side: int) -> Span:
    """Return the output positions q for which the input position stride·q + shift exists, and these inputs."""
    first = max(0, -(shift // stride))
    last = min(out_side - 1, (side - 1 - shift) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    return slice(first, last + 1), slice(first * stride + shift, last * stride + shift + 1, stride)


def _matrix(W: Array) -> Array:
    """Return W (k, k, C, F) as (k k C, F)."""
    return W.reshape(-1, W.shape[-1])


def _rows(Z: Array) -> Array:
    """Return Z (Ho, F, Wo, n) as one matrix for each output row: (Ho, F, Wo n)."""
    return Z.reshape(*Z.shape[:2], -1)
