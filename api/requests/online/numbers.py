"""JSON numbers as arrays, in time and memory proportional to the count of the values.

NumPy would convert a list with texts to an array of texts, each as long as the longest.
"""

from __future__ import annotations

from array import array
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_AXES = 8


def array_of(value: Any) -> NDArray[Any] | None:
    """Return a list of numbers or booleans, or a rectangular block of nested lists, as an array.

    The dtype is bool, int64, uint64 or float64. Return None for anything else.
    """
    if type(value) is not list:
        return None
    values, shape = value, [len(value)]
    while values and type(values[0]) is list:
        if len(shape) == MOST_AXES or set(map(type, values)) != {list}:
            return None
        lengths = set(map(len, values))
        if len(lengths) != 1:
            return None
        shape += lengths
        values = list(chain.from_iterable(values))
    numbers = _flat(values)
    return None if numbers is None else numbers.reshape(shape)


def _flat(values: list[Any]) -> NDArray[Any] | None:
    """Return a flat list as an array; None if a value is not a number or a boolean."""
    if not values:
        return np.empty(0)
    if type(values[0]) is bool and set(map(type, values)) == {bool}:
        return np.array(values, np.bool_)
    for kind in "d" if type(values[0]) is float else "qQd":
        try:
            return np.frombuffer(array(kind, values), kind)
        except (TypeError, OverflowError):  # floats among the integers, integers that are too large, other types
            continue
    return None
