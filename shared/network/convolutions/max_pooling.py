"""Max pooling: of each square of p × p places only the largest value remains (Weng, Ahuja and Huang 1992).

Y[r, c, q] = max over i, j < p of X[p r + i, c, p q + j]. The derivative flows to the largest value alone; of equal ones
to the first, column by column. Columns and rows at the end that do not fill a square are left out.
"""

from __future__ import annotations

import math

import numpy as np

from shared.network.arrays import Array, Parameters
from shared.network.convolutions.layer import Float, Layer, Shape


class MaxPooling(Layer):
    """Squares of p × p places of images (H, C, W); the result is (H // p, C, W // p).

    It computes the maxima along the rows first, M[r, c, w], whose operands are contiguous, then along the columns.
    """

    def __init__(self, shape: Shape, pool_size: int) -> None:
        H, C, W = shape
        self._shape = shape
        self._p = pool_size
        self.output = (H // pool_size, C, W // pool_size)
        self.lowered = self.output[0] * C * self.output[2] * pool_size

    def allocate(self, n: int, dtype: Float, *, training: bool) -> None:
        """Create the arrays for chunks of n images."""
        Ho, C, Wo = self.output
        self._M = np.empty((Ho, C, Wo * self._p, n), dtype)
        self._Y = np.empty((Ho, C, Wo, n), dtype)
        self._is_row, self._is_column = None, None
        if training:
            self._is_row = np.empty((self._p - 1, *self._M.shape), bool)  # whether M is X's i-th row
            self._is_column = np.empty((self._p - 1, *self._Y.shape), bool)
            self._dM = np.empty_like(self._M)
            self._dX = np.zeros((*self._shape, n), dtype)

    def allocated(self, n: int, *, training: bool) -> int:
        """Return how many numbers the arrays of `allocate` have together; four elements of a mask count as one."""
        M, Y = self.lowered * n, math.prod(self.output) * n
        if not training:
            return M + Y
        return 2 * M + Y + math.prod(self._shape) * n + -(-(self._p - 1) * (M + Y) // 4)

    def forward(self, X: Array, P: Parameters) -> Array:  # noqa: ARG002
        """Return Y (Ho, C, Wo, n)."""
        _largest(self._rows(X), self._M, self._is_row)
        _largest(self._columns(self._M), self._Y, self._is_column)
        return self._Y

    def propagate(self, dY: Array, P: Parameters) -> Array:  # noqa: ARG002
        """Return dX: dY at the largest value of each square, 0 elsewhere."""
        assert self._is_row is not None
        assert self._is_column is not None
        _distribute(dY, self._is_column, self._columns(self._dM))
        _distribute(self._dM, self._is_row, self._rows(self._dX))
        return self._dX

    def _rows(self, X: Array) -> list[Array]:
        """Return the p rows of every square, as views (Ho, C, p Wo, n)."""
        Ho, _, Wo = self.output
        p = self._p
        return [X[i : Ho * p : p, :, : Wo * p] for i in range(p)]

    def _columns(self, M: Array) -> list[Array]:
        """Return the p columns of every square, as views (Ho, C, Wo, n)."""
        return [M[:, :, j :: self._p] for j in range(self._p)]


def _largest(parts: list[Array], Y: Array, is_part: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None) -> None:
    """Y ← the largest of the parts at each place; is_part[i] ← whether it is the i-th. The last needs no mask."""
    np.maximum(parts[0], parts[1], out=Y)
    for part in parts[2:]:
        np.maximum(Y, part, out=Y)
    if is_part is not None:
        for part, equal in zip(parts, is_part, strict=False):
            np.equal(part, Y, out=equal)


def _distribute(dY: Array, is_part: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], parts: list[Array]) -> None:
    """Write dY to the first part that is the largest at each place, and 0 to the others."""
    rest = parts[-1]  # what no part has got yet
    np.multiply(dY, is_part[0], out=parts[0])
    np.subtract(dY, parts[0], out=rest)
    for part, equal in zip(parts[1:-1], is_part[1:], strict=True):
        np.multiply(rest, equal, out=part)
        rest -= part
