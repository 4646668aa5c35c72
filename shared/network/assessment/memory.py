"""The estimated memory of a training, from its shapes, before anything is allocated.

The estimate is an upper bound of what the training's process allocates at once, and at most about twice as much;
`tests/unit/worker/training/test_memory.py` measures both. It follows the arrays of the other modules of
`shared/network`: a change there that allocates more must be made here, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from shared.network.assessment.copies import REDUCED, SEARCHED
from shared.network.assessment.evidence import FIRST, SAMPLE
from shared.network.assessment.linear import LinearPlan
from shared.network.convolutions.layer import CHUNK
from shared.network.evaluation.inference import BLOCK
from shared.network.layers.activations import GELU
from shared.network.layers.forward_backward import NARROW_BUFFERS
from shared.network.layers.inputs import COUNTED
from shared.network.network import Network
from shared.network.training import dead_units, loader, pixel_order
from shared.network.training.convolutional_step import MAX_DERIVATIVES
from shared.network.training.per_image_first_layer import SIZE

MiB = 2**20

PROCESS = 112 * MiB
"""Python, its modules and NumPy, with the buffers of the BLAS on a few threads."""

MARGIN = 1.06
"""For small arrays that the estimate leaves out, and memory that the allocator keeps."""

PER_IMAGE = 96
"""Bytes for each image besides its pixels: labels, orders and splits, of 8 bytes each."""

PER_EPOCH, PER_LAYER = 2400, 200
"""Bytes for each epoch's report, in the history and while it is written; and for each of its layers' dead units."""

PER_CONFUSION = 150
"""Bytes for each number of a confusion matrix, in an evaluation and while it is written as JSON."""

WRITING = 40 * MiB
"""The largest buffers in which NumPy writes and reads an array of a file."""


@dataclass(frozen=True)
class Memory:
    """Estimated bytes of a training.

    parameters: with their derivatives, the optimizer's state and a copy of the best. mini_batch: the arrays of the
    mini-batches. images: copies of images. phases: the largest need besides these, of the initialization, a checkpoint,
    an evaluation and the assessment. mapped: the data set's file, whose pages the system can take back.
    """

    parameters: int
    mini_batch: int
    images: int
    phases: int
    mapped: int

    @property
    def allocated(self) -> int:
        """What the process allocates at most."""
        return PROCESS + int(MARGIN * (self.parameters + self.mini_batch + self.images + self.phases))

    @property
    def largest(self) -> str:
        """The name of the largest part."""
        parts = {name: getattr(self, name) for name in ("parameters", "mini_batch", "images", "phases")}
        return max(parts, key=parts.__getitem__)


def training_memory(network: Network, samples: int, tests: int, validation: int = 0, *, threads: int = 1) -> Memory:
    """Return the estimate for a training on this many training and test images.

    validation: the number of images in the data set's own validation split. threads: of a convolutional network, each
    of which has arrays of its own.
    """
    configuration = network.configuration
    pixels = math.prod(network.image_shape)
    held_out = configuration.validation_count(samples)
    trained = samples - held_out
    parameters = _parameters(network)
    batch = _mini_batch(network, trained, threads)
    sampled = min(dead_units.SAMPLE, trained) * pixels
    hidden = network.hidden_layers
    checkpoint = parameters - network.layout.trained * network.dtype.itemsize  # all but the derivatives
    copy = _copy(network)
    history = configuration.epochs * (PER_EPOCH + PER_LAYER * hidden)
    writing = min(WRITING, 2 * checkpoint)
    phases = (
        _initialization(network, samples),
        checkpoint + writing,
        2 * checkpoint + writing - batch,  # a resumed training: its mini-batches begin later
        _evaluation(network, held_out) + held_out * pixels,
        copy + _evaluation(network, validation),
        _dead_units(network, trained),
        copy + _evaluation(network, tests),
        copy + _assessment(network, samples, tests),
        copy + PER_CONFUSION * network.classes**2,
    )
    return Memory(
        parameters=parameters,
        mini_batch=batch,
        images=sampled + _sorted_copy(network, samples) + samples * PER_IMAGE,
        phases=max(phases) + history,
        mapped=(samples + tests + validation) * pixels,
    )


def _parameters(network: Network) -> int:
    """Return the bytes of P, its derivatives, the optimizer's slots, and the best parameters so far."""
    configuration, layout = network.configuration, network.layout
    copies = 2 if configuration.early_stopping else 1
    slots = len(configuration.optimizer.slots)
    return (copies * layout.size + (1 + slots) * layout.trained) * network.dtype.itemsize


def _copy(network: Network) -> int:
    """Return the bytes of `Training.parameters`."""
    return (network.layout.size + _first_layer(network)) * network.dtype.itemsize


def _first_layer(network: Network) -> int:
    """Return how many weights a training reorders with the pixels."""
    return 0 if network.architecture is not None else network.widths[0] * network.widths[1]


def _sorts_pixels(network: Network) -> bool:
    configuration = network.configuration
    return not (
        configuration.augmentation
        or configuration.convolutions
        or configuration.standardize
        or configuration.batch_size == 1
    )


def _sorted_copy(network: Network, samples: int) -> int:
    nbytes = samples * math.prod(network.image_shape)
    return nbytes if _sorts_pixels(network) and nbytes <= pixel_order.LARGEST else 0


def _initialization(network: Network, samples: int) -> int:
    pixels = math.prod(network.image_shape)
    examined = max(min(pixel_order.BLOCK, samples * pixels), pixels)
    counted = 10 * max(min(COUNTED, samples * pixels), pixels) if network.configuration.standardize else 0
    return max(_copy(network), 2 * examined, counted)


def _mini_batch(network: Network, trained: int, threads: int) -> int:
    """Return the bytes of the arrays for full mini-batches and for the last one of an epoch."""
    batch = network.configuration.batch_size
    sizes = {batch, trained % batch} - {0}
    if network.architecture is not None:
        return _convolutional_step(network, sizes, threads)
    if batch == 1:
        return max(_dense_step(network, 1), _per_image_step(network))
    return sum(_dense_step(network, rows) for rows in sizes)


def _dense_step(network: Network, rows: int) -> int:
    """Return the bytes of `Forward`, `Backward`, the loader and temporary arrays for this many rows."""
    configuration, size = network.configuration, network.dtype.itemsize
    pixels, *hidden, classes = network.widths
    augmented = configuration.augmentation is not None
    prefetches = augmented and configuration.batch_size * pixels >= loader.PREFETCH_FROM_PIXELS
    units = sum(hidden)
    numbers = pixels * (3 if prefetches else NARROW_BUFFERS) + 2 * units + 2 * classes
    if network.activation.needs_input:
        numbers += units
    numbers += _temporaries(network) * max(hidden, default=0)
    nbytes = rows * (numbers * size + pixels)
    if configuration.dropout:
        nbytes += rows * units * (2 * size + 1)
    if configuration.weight_decay:
        nbytes += max(n_in * n_out for n_in, n_out in zip(network.widths, network.widths[1:], strict=False)) * size
    return nbytes + (_augmenter(network) if augmented else 0)


def _temporaries(network: Network) -> int:
    """Return the temporary arrays of an activation's backward pass."""
    return 5 if isinstance(network.activation, GELU) else 1


def _per_image_step(network: Network) -> int:
    pixels, first = network.widths[0], network.widths[1]
    others = sum((n_in + 1) * n_out for n_in, n_out in zip(network.widths[1:], network.widths[2:], strict=False))
    return ((pixels + 1) * first + SIZE * (pixels + 1 + 2 * first + SIZE) + others) * network.dtype.itemsize


def _convolutional_step(network: Network, batches: set[int], threads: int) -> int:
    """Return the bytes of the derivatives of chunks, and of each thread's passes."""
    size = network.dtype.itemsize
    pixels = math.prod(network.image_shape)
    sizes: set[int] = set()
    for batch in batches:
        chunks = -(-batch // CHUNK)
        sizes |= {batch // chunks, -(-batch // chunks)}
    most = -(-max(batches) // CHUNK)
    threads = min(threads, most)
    derivatives = network.layout.trained * size
    at_once = min(most, max(threads, MAX_DERIVATIVES // derivatives))
    passes = sum(_pass(network, n, training=True) for n in sizes)
    largest = max(sizes)
    loaded = largest * pixels
    if network.configuration.augmentation:
        loaded += largest * pixels * size + _augmenter(network)
    decayed = derivatives if network.configuration.weight_decay else 0
    return at_once * derivatives + threads * (passes + loaded) + decayed


def _pass(network: Network, n: int, *, training: bool) -> int:
    """Return the bytes of a convolutional pass of n images."""
    assert network.architecture is not None
    layers = [layer for _, layer in network.architecture.layers(folded=not training)]
    numbers = math.prod(network.image_shape) * n
    numbers += sum(layer.allocated(n, training=training) for layer in layers)
    numbers += _temporaries(network) * max(math.prod(layer.output) for layer in layers) * n
    return numbers * network.dtype.itemsize


def _augmenter(network: Network) -> int:
    """Return the bytes of an augmenter's buffers: about 20 arrays of a block of pixels, of 4 lanes in colour."""
    H, W = network.image_shape[:2]
    lanes = 4 if network.channels > 1 else 1
    block = max(loader.PREFETCH_FROM_PIXELS // 2, (H + 3) * (W + 3))
    return block * (10 * lanes + 12) * network.dtype.itemsize


def _inference(network: Network, images: int) -> int:
    """Return the bytes of forward passes of this many images, in blocks of which the last may be smaller."""
    size = network.dtype.itemsize
    if network.architecture is not None:
        return 2 * _pass(network, min(images, CHUNK), training=False) + network.layout.size * size
    rows = min(images, BLOCK) + (images % BLOCK if images > BLOCK else 0)
    units = sum(network.widths[1:])
    numbers = network.widths[0] + units * (2 if network.activation.needs_input else 1)
    return rows * (numbers + _temporaries(network) * max(network.widths[1:])) * size


def _evaluation(network: Network, images: int) -> int:
    """Return the bytes of an evaluation."""
    if not images:
        return 0
    classes = network.classes
    block = min(images, BLOCK)
    measured = block * classes * (4 + network.dtype.itemsize) + 3 * 8 * classes**2
    return _inference(network, images) + measured + images * 24


def _dead_units(network: Network, trained: int) -> int:
    count = min(dead_units.SAMPLE, trained)
    if network.architecture is not None:
        return 2 * _inference(network, count)
    return _inference(network, count) + 3 * count * sum(network.widths[1:]) * network.dtype.itemsize


def _assessment(network: Network, samples: int, tests: int) -> int:
    """Return the bytes of `gather`: the first step of a new training, the linear baseline, the search for copies."""
    pixels = math.prod(network.image_shape)
    count = min(SAMPLE, samples)
    configuration = replace(
        network.configuration,
        batch_size=min(FIRST, count),
        validation_fraction=0.0,
        early_stopping=None,
        augmentation=None,
        dropout=0.0,
    )
    first = Network(network.image_shape, network.classes, configuration)
    initial = (
        _parameters(first)
        + _initialization(first, count)
        + _mini_batch(first, count, 1)
        + _sorted_copy(first, count)
        + min(dead_units.SAMPLE, count) * pixels
    )
    copies = SEARCHED * 64 * network.channels * 4 * 2 + 6 * max(REDUCED, pixels) + 128 * SEARCHED * 4
    return count * pixels + max(
        initial,
        _evaluation(network, count),
        _linear(LinearPlan.of(network.image_shape, network.classes, samples), samples, tests),
        min(copies, 8 * (samples + tests) * pixels + samples * 8 * 256),
    )


def _linear(plan: LinearPlan, samples: int, tests: int) -> int:
    """Return the bytes of the linear baseline's training and evaluation."""
    network = plan.network
    images = 2 * plan.images * plan.values + (tests * plan.values if plan.step > 1 else 0)
    training = _parameters(network) + _mini_batch(network, plan.images, 1) + dead_units.SAMPLE * plan.values
    phases = max(_initialization(network, plan.images), _copy(network) + _evaluation(network, max(tests, plan.images)))
    return images + training + phases + samples * 8
