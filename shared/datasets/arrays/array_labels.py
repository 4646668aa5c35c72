"""Labels in an array of a data set: integers or texts, (N,) or (N, 1), or one-hot (N, K)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.archives.arrays import Header
from shared.errors import Invalid

MOST_BYTES = 256 * 1024 * 1024  # of an array of labels, which is read into memory as a whole
LARGEST_LABEL = 2**63 - 1
LARGEST_CHARACTER, SURROGATES = 0x10FFFF, (0xD800, 0xDFFF)


def check_labels(header: Header) -> None:
    """Check by the header alone that an array holds labels. Raises `Invalid`."""
    shape, kind = header.shape, header.dtype.kind
    is_column = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    if not (is_column and kind in "iuUS") and not (len(shape) == 2 and shape[1] > 1 and kind in "iufb"):
        advice = f"; save {header.variable}.astype(int)" if is_column and kind in "fb" else ""
        raise Invalid(
            "npz_labels",
            f"{header.name} must be integers or texts of shape (N,), or one-hot of shape (N, K); got {header}{advice}",
        )
    if header.nbytes > MOST_BYTES:
        raise Invalid(
            "npz_labels",
            f"{header.name} takes {header.nbytes} bytes; labels may take at most {MOST_BYTES}: save the labels as"
            " integers, or as shorter texts",
        )
    if 0 in shape or not header.dtype.itemsize:
        raise Invalid("npz_empty", f"{header.name} is empty; got {header}")


def labels_of(header: Header, content: bytes) -> NDArray[Any]:
    """Return the labels (N,), as int64 or text. Raises `Invalid`."""
    values: NDArray[Any] = np.frombuffer(content, header.dtype)
    values = values.reshape(header.shape, order="F" if header.fortran_order else "C")
    if values.ndim == 2 and values.shape[1] > 1:
        return _of_one_hot(header, values)
    values = values.reshape(-1)
    if header.dtype.kind in "SU":
        return _texts(header, values)
    if header.dtype.kind == "u" and values.max() > LARGEST_LABEL:
        raise Invalid("npz_labels", f"{header.name} has a label of {values.max()}; at most {LARGEST_LABEL} is allowed")
    return np.asarray(values, np.int64)


def _texts(header: Header, values: NDArray[Any]) -> NDArray[Any]:
    """Return labels that are texts, bytes as UTF-8. Raises `Invalid` for a label that is empty or no valid text."""
    if values.dtype.kind == "U":
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
        characters = values.view(np.uint32)
        if ((characters > LARGEST_CHARACTER) | ((characters >= SURROGATES[0]) & (characters <= SURROGATES[1]))).any():
            raise Invalid("npz_labels", f"{header.name} has a label with characters that Unicode does not have")
    distinct, places = np.unique(values, return_inverse=True)
    try:
        texts = [value.decode() if isinstance(value, bytes) else value for value in distinct.tolist()]
    except UnicodeDecodeError as error:
        raise Invalid("npz_labels", f"{header.name} has a label that is not UTF-8: {error.object[:50]!r}") from error
    if not all(text.strip() for text in texts):
        raise Invalid("npz_labels", f"{header.name} has an empty label; each image needs a class")
    found: NDArray[Any] = np.array(texts)[places]
    return found


def _of_one_hot(header: Header, values: NDArray[Any]) -> NDArray[np.int64]:
    ones = values == 1
    wrong = np.flatnonzero((ones.sum(axis=1) != 1) | ((values != 0) & ~ones).any(axis=1))
    if wrong.size:
        raise Invalid(
            "npz_labels",
            f"{header.name} is not one-hot: row {wrong[0]} must have a single 1, and 0 otherwise; got {header}. Several"
            " labels for an image are not supported",
        )
    indices: NDArray[np.int64] = ones.argmax(axis=1).astype(np.int64)
    return indices
