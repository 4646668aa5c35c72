"""The explanation of a prediction for one image, and the training images most like an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Method = Literal["integrated_gradients", "gradient_x_input", "gradient", "occlusion"]
Baseline = Literal["black", "mean", "blurred"]
Rule = Literal["adaptive", "midpoint"]

Numbers = list[Any]
"""Numbers in nested lists, such as rows of pixels; `numpy.array(numbers)` is the array."""


@dataclass(frozen=True)
class ExplainedInput:
    """The image as the network gets it: rows of pixels from 0 to 255.

    label: the class of an image of a data set. changes: what was changed, besides an inversion, as sentences.
    """

    pixels: Numbers
    inverted: bool
    label: str | None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExplainedPrediction:
    """The most probable class."""

    label: str
    confidence: float


@dataclass(frozen=True)
class LayerActivations:
    """The activations of a layer: (units,) of a dense one, (H, W, filters) of a convolutional block."""

    name: str
    kind: str
    activation: str
    shape: tuple[int, ...]
    activations: Numbers


@dataclass(frozen=True)
class Completeness:
    """The sum of an attribution, and the difference of the scores of image and baseline that it should be.

    correction: what the rule `adaptive` added to the sum because of the difference; `gap - correction` is the error of
    the integral.
    """

    sum: float
    difference: float
    gap: float
    correction: float = 0.0


@dataclass(frozen=True)
class Control:
    """The attribution with random weights. rank_correlation: with the attribution, from -1 to 1."""

    seed: int
    values: Numbers
    rank_correlation: float


@dataclass(frozen=True)
class Attribution:
    """By how much each pixel raises the logit of `target`, or its difference from that of `against`.

    values: (H, W), or (H, W, 3). completeness: None for methods whose attributions claim no sum.
    """

    method: str
    target: str
    against: str | None
    baseline: str | None
    steps: int | None
    smooth: int
    values: Numbers
    completeness: Completeness | None
    control: Control | None
    rule: str | None = None


@dataclass(frozen=True)
class Explanation:
    """What a version computes for one image. logits, probabilities: in the order of `classes`."""

    model: str
    version: int
    input: ExplainedInput
    prediction: ExplainedPrediction
    classes: tuple[str, ...]
    logits: tuple[float, ...]
    probabilities: tuple[float, ...]
    layers: tuple[LayerActivations, ...]
    attribution: Attribution
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnitLayer:
    """A layer of a network. kind: convolutional, dense, or output."""

    name: str
    kind: str
    activation: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """A row and a column, from 0."""

    row: int
    column: int


@dataclass(frozen=True)
class Term:
    """A term of a unit's sum: the place of its input, and weight · input = value."""

    index: tuple[int, ...]
    weight: float
    input: float
    value: float


@dataclass(frozen=True)
class OtherTerms:
    """The number of all other terms, and their sum."""

    count: int
    value: float


@dataclass(frozen=True)
class Unit:
    """A unit of a layer for one image: `z` is the sum of `terms`, `rest` and `bias`.

    weights, inputs: in the shape of the layer's input, or of a filter whose first row and column in it is `window`.
    label: the class of a unit of the last layer. activation: f(z), or the class's probability.
    """

    model: str
    version: int
    layer: UnitLayer
    unit: int
    label: str | None
    place: Place | None
    window: Place | None
    weights: Numbers
    inputs: Numbers
    terms: tuple[Term, ...]
    rest: OtherTerms
    bias: float
    z: float
    activation: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Neighbour:
    """A training image by its index in the split `train`, with its class and its distance."""

    split: str
    index: int
    label: str
    distance: float


@dataclass(frozen=True)
class Neighbours:
    """The training images nearest to an image, of `searched` among all `images`. label: its class, if it is known."""

    model: str
    version: int
    dataset: str
    label: str | None
    images: int
    searched: int
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class LessonStep:
    """An array of a training step. operation: the name of its formula. values: None for large arrays."""

    name: str
    operation: str
    shape: tuple[int, ...]
    values: Numbers | None


@dataclass(frozen=True)
class LessonCheck:
    """A derivative, and the slope of the loss from `losses`: with the value lowered and raised by `move`."""

    parameter: str
    index: tuple[int, ...]
    value: float | None
    derivative: float | None
    move: float
    losses: tuple[float | None, ...]
    slope: float | None


@dataclass(frozen=True)
class Lesson:
    """One training step on one image: its arrays in the order of computation."""

    model: str | None
    version: int | None
    activation: str
    classes: tuple[str, ...]
    label: str
    rate: float
    update_order: str
    steps: tuple[LessonStep, ...]
    check: LessonCheck | None
    losses: tuple[float | None, ...]


@dataclass(frozen=True)
class LessonOperation:
    """An operation of a training step. source: of the function that computes it; inputs and first weights have none."""

    name: str
    formula: str
    source: str | None


@dataclass(frozen=True)
class Lessons:
    """The operations of a training step for each activation function."""

    update_orders: tuple[str, ...]
    activations: dict[str, tuple[LessonOperation, ...]]
