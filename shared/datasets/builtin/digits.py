"""The bundled 8×8 digits: 1,797 images of UCI's "Optical Recognition of Handwritten Digits".

By E. Alpaydin and C. Kaynak (1998, https://doi.org/10.24432/C50P49), licensed CC BY 4.0. Like scikit-learn,
`digits.npz` holds UCI's test set: images (1797, 8, 8) of 0 to 16, labels (1797,).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.datasets.content import Content, Labels, Split, stratified_test_mask

FILE = Path(__file__).with_name("digits.npz")
BRIGHTEST = 16


def load_digits() -> tuple[NDArray[np.uint8], Labels]:
    """Return the images (1797, 8, 8), of 0 to 16, and the labels (1797,)."""
    with np.load(FILE, allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"].astype(np.int64)


def read_digits() -> Content:
    """Return the data set: 8-bit grayscale, a fifth of it for testing."""
    images, labels = load_digits()
    pixels = np.rint(images * (255 / BRIGHTEST)).astype(np.uint8)
    test = stratified_test_mask(labels, fraction=0.2, seed=0)
    return Content(
        (8, 8),
        tuple(str(digit) for digit in range(10)),
        Split(labels[~test], [pixels[~test]]),
        Split(labels[test], [pixels[test]]),
    )
