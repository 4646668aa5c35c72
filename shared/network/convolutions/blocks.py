"""The settings of a block: convolution, normalization or biases, max pooling, activation, in this order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from shared.network.settings.fields import Choice, Flag, Integer
from shared.network.settings.groups import Options

PADDINGS = ("valid", "same")


@dataclass(frozen=True, kw_only=True)
class Block(Options):
    """One block. The words are those of Keras."""

    part: ClassVar[str] = "convolutions"

    filters: Annotated[int, Integer("Number of filters, the channels of the result", minimum=1, maximum=4096)]

    kernel_size: Annotated[int, Integer("Height and width of the filters in pixels", minimum=1, maximum=64)] = 3

    strides: Annotated[int, Integer("Step of the filters in pixels", minimum=1, maximum=64)] = 1

    padding: Annotated[
        str, Choice('Padding: "valid" stays inside the image, "same" adds zeros that keep its size', PADDINGS)
    ] = "same"

    batch_norm: Annotated[bool, Flag("Whether batch normalization follows the convolution, instead of biases")] = False

    pool_size: Annotated[
        int, Integer("Height and width of the squares of max pooling; 1 turns it off", minimum=1, maximum=64)
    ] = 1
