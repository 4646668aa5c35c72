"""The 8×8 digits that Glassbox carries: 1,797 of UCI's "Optical Recognition of Handwritten Digits".

By E. Alpaydin and C. Kaynak (1998, https://doi.org/10.24432/C50P49), licensed CC BY 4.0. `digits.npz` holds the test
set of that, as scikit-learn does: images (1797, 8, 8) of 0 to 16, labels (1797,).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.datasets.content import Content, Labels, Split, stratified_test_mask

FILE = Path(__file__).with_name("digits.npz")
BRIGHTEST = 16


def load_digits() -> tuple[NDArray[np.uint8], Labels]:
    """The images (1797, 8, 8), of 0 to 16, and the labels (1797,)."""
    with np.load(FILE, allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def read_digits() -> Content:
    """The data set: 8 bits of grey, a fifth of it for testing."""
    images, labels = load_digits()
    grey = np.rint(images * (255 / BRIGHTEST)).astype(np.uint8)
    test = stratified_test_mask(labels, fraction=0.2, seed=0)
    return Content(
        (8, 8),
        tuple(str(digit) for digit in range(10)),
        Split(labels[~test], [grey[~test]]),
        Split(labels[test], [grey[test]]),
    )
