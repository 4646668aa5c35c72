"""The check that a training fits into the memory of a trainer's process, before anything is allocated."""

from __future__ import annotations

from collections.abc import Sequence

from shared.datasets.manifest import Manifest
from shared.errors import FieldError, Invalid
from shared.network import Configuration, Network
from shared.network.assessment.memory import Memory, training_memory
from shared.network.selection.memory import auto_memory
from shared.runtime.sizes import in_words

PARTS = {
    "parameters": ("the parameters, their derivatives and the optimizer's state", "take smaller layers"),
    "mini_batch": ("the arrays of a mini-batch", "take a smaller batch_size or smaller layers"),
    "images": ("copies of the images", "use a smaller data set or smaller images"),
    "phases": ("checkpoints and evaluations", "take smaller layers, smaller images or fewer classes"),
}
"""By the name of the largest part: what it holds, and what makes it smaller."""


def memory_of(networks: Sequence[Network], dataset: Manifest, *, threads: int = 1) -> Memory:
    """Return the estimate of a training, which chooses one of the networks if there are several."""
    counts = dataset.splits["train"], dataset.splits["test"], dataset.splits.get("validation", 0)
    if len(networks) == 1:
        return training_memory(networks[0], *counts, threads=threads)
    return auto_memory(networks, *counts, threads=threads)


def fitting(networks: Sequence[Network], dataset: Manifest, limit: int | None) -> list[Network]:
    """Return the networks whose training on the data set needs at most `limit` bytes; raises `Invalid` if none does."""
    if limit is None:
        return list(networks)
    fit = [network for network in networks if memory_of([network], dataset).allocated <= limit] or list(networks[:1])
    check_memory(fit, dataset, limit)  # the race between several copies images, too
    return fit


def check_memory(networks: Sequence[Network], dataset: Manifest, limit: int | None) -> None:
    """Raise `Invalid` if the training, which chooses one of the networks if there are several, exceeds the limit."""
    needed = memory_of(networks, dataset)
    if limit is not None and needed.allocated > limit:
        raise _too_large(networks[0].configuration, needed, limit)


def threads_that_fit(networks: Sequence[Network], dataset: Manifest, limit: int | None, threads: int) -> int:
    """Return how many of these threads a training may use within the limit, at least one."""
    if limit is None or not any(network.architecture for network in networks):
        return threads
    return next(
        (n for n in range(threads, 1, -1) if memory_of(networks, dataset, threads=n).allocated <= limit),
        1,
    )


def _too_large(configuration: Configuration, needed: Memory, limit: int) -> Invalid:
    part, remedy = PARTS[needed.largest]
    convolutional = bool(configuration.convolutions)
    if needed.largest == "mini_batch" and convolutional:
        remedy = "take fewer filters or smaller images"
    layers = "convolutions" if convolutional else "hidden"
    field = {"mini_batch": layers if convolutional else "batch_size", "images": "dataset"}.get(needed.largest, layers)
    if configuration.dtype == "float64":
        remedy += ", or the dtype float32"
    detail = (
        f"the training needs about {in_words(needed.allocated)} of memory, of which {part} need"
        f" {in_words(getattr(needed, needed.largest))}; a trainer's process may allocate {in_words(limit)}"
        f" (GLASSBOX_TRAINER_MEMORY_BYTES): {remedy}, or raise the limit"
    )
    return Invalid("training_too_large", detail, [FieldError(detail, pointer=f"#/{field}")])
