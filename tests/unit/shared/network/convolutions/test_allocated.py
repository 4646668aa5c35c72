"""How many numbers a convolutional layer reports to allocate, against its arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from shared.network.convolutions.architecture import Architecture
from shared.network.convolutions.blocks import Block
from shared.network.layers.activations import ACTIVATIONS
from shared.network.layers.dropout import Dropout

BLOCKS = (Block(filters=3, batch_norm=True, pool_size=2), Block(filters=5, strides=2, pool_size=3))


def arrays_in(value: object) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the arrays that a layer's attribute holds."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from arrays_in(each)
    elif isinstance(value, Dropout):
        yield from arrays_in(list(vars(value).values()))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_each_layer_reports_how_many_numbers_it_allocates(activation: str, training: bool) -> None:
    architecture = Architecture((24, 20, 3), BLOCKS, (7, 6), 4, ACTIVATIONS[activation], dropout=0.2)

    for _, layer in architecture.layers(folded=not training):
        layer.allocate(8, np.dtype(np.float32), training=training)
        arrays = {id(array): array for array in arrays_in(list(vars(layer).values())) if array.base is None}
        nbytes = sum(array.nbytes for array in arrays.values())

        assert nbytes <= 4 * layer.allocated(8, training=training) <= 1.1 * nbytes + 64, type(layer)
