"""The estimated memory of a training that first chooses its configuration by a race."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from shared.network.assessment.memory import Memory, training_memory
from shared.network.network import Network
from shared.network.selection.plan import plan


def auto_memory(
    networks: Sequence[Network], samples: int, tests: int, validation: int = 0, *, threads: int = 1
) -> Memory:
    """Return the estimate for the most expensive of the candidates, with the copies of images that a trial takes."""
    each = [training_memory(network, samples, tests, validation, threads=threads) for network in networks]
    largest = max(each, key=lambda memory: memory.allocated)
    race = plan(networks, samples, validation)
    if not race.rungs:
        return largest
    copied = (max(rung.images for rung in race.rungs) + race.validation) * math.prod(networks[0].image_shape)
    return replace(largest, images=largest.images + copied)
