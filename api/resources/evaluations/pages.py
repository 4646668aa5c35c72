"""Pages of an evaluation's predictions, and of a comparison of two: their queries and their JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict

from api.requests.pagination import cursor_like
from api.requests.validation import RequestModel
from api.resources.evaluations.sources import Source, require_same_images
from api.resources.image_selection import invalid
from api.schema.examples import shown_as
from shared.network.settings.validation import shown
from shared.registry.predictions.comparison import Cell, compare
from shared.registry.predictions.selection import Order, PredictionFilter, Selected, select

ORDERS: dict[Order, str] = {"index": "i", "least_confident": "l", "most_confident": "m"}
PREDICTION = {"index": 740, "label": "4", "predicted": "9", "confidence": 0.6213, "path": "test/4/740.png"}
COMPARED = {**PREDICTION, "predicted": "4", "other_predicted": "9", "other_confidence": 0.5107}


class ImagesQuery(RequestModel):
    """The images of a page, by the prediction for them."""

    label: str | None = Field(None, max_length=255, description="only images of this class, by name")
    predicted: str | None = Field(None, max_length=255, description="only images with this predicted class")
    above: float | None = Field(None, ge=0, le=1, description="only predictions with at least this confidence")
    below: float | None = Field(None, ge=0, le=1, description="only predictions with less than this confidence")
    order: Literal["index", "least_confident", "most_confident"] = Field(
        "index", description="by the image's index, or by confidence; equal ones by index"
    )
    limit: int = Field(50, ge=1, le=500, description="maximum number of items per page")
    after: Annotated[str, cursor_like(r"[ilm][0-9a-f]{16}")] | None = Field(
        None, description="the `next` of the previous page, with the same filter and order"
    )

    def condition(self, classes: Sequence[str], *, wrong: bool | None = None) -> PredictionFilter:
        """Return the filter. Raises `Invalid` for the name of an unknown class."""
        return PredictionFilter(
            label=_index("label", self.label, classes),
            predicted=_index("predicted", self.predicted, classes),
            wrong=wrong,
            above=self.above,
            below=self.below,
        )

    @property
    def key(self) -> int | None:
        """The key after which the page begins. Raises `Invalid` if it is of another order."""
        if self.after is None:
            return None
        if self.after[0] != ORDERS[self.order]:
            raise invalid("after", "must be the `next` of a page with the same order")
        return int(self.after[1:], 16)


class PredictionsQuery(ImagesQuery):
    """The predictions of a page."""

    wrong: bool | None = Field(None, description="`true`: only wrong predictions; `false`: only right ones")


class ComparisonQuery(ImagesQuery):
    """The version to compare with, and the images of a page; `label` … `order` are by this version's predictions."""

    with_: str = Field(
        alias="with",
        max_length=255,
        description="the other version: `2` or `champion` of the same model, or `other@champion`",
    )
    cell: Literal["both_right", "only_this_right", "only_other_right", "both_wrong"] | None = Field(
        None, description="only images that both, one or none of the versions classify correctly"
    )


@with_config(shown_as(PREDICTION))
class PredictedImageView(TypedDict):
    """The prediction for an image: its index in the split, its class, the predicted class and its probability.

    `path` is that of the image in the upload of the data set, of more than 255 bytes its end; null if the upload had
    arrays, or an older release stored the data set.
    """

    index: int
    label: str
    predicted: str
    confidence: float
    path: str | None


@with_config(shown_as({"items": [PREDICTION], "total": 10, "next": None}))
class PredictionPage(TypedDict):
    """A page of predictions. `total` is the number of all that match, `next` the cursor of the following page."""

    items: list[PredictedImageView]
    total: int
    next: str | None


@with_config(shown_as(COMPARED))
class ComparedImageView(PredictedImageView):
    """The predictions for an image: of this version, and of the other one."""

    other_predicted: str
    other_confidence: float


class ComparisonCountsView(TypedDict):
    """The number of images that both, one or none of two versions classify correctly."""

    both_right: int
    only_this_right: int
    only_other_right: int
    both_wrong: int


def prediction_page(source: Source, query: PredictionsQuery) -> PredictionPage:
    """Return a page of predictions."""
    stored = source.stored
    selected = select(stored, query.condition(stored.classes, wrong=query.wrong), query.order, query.key, query.limit)
    return {
        "items": _views(source, selected.indices),
        "total": selected.total,
        "next": _next(selected, query.order),
    }


@with_config(
    shown_as(
        {
            "this": "digits@3",
            "other": "digits@2",
            "samples": 10000,
            "counts": {"both_right": 9712, "only_this_right": 41, "only_other_right": 17, "both_wrong": 230},
            "p_value": 0.0022,
            "items": [COMPARED],
            "total": 41,
            "next": None,
        }
    )
)
class ComparisonPage(TypedDict):
    """The comparison of two versions on the same images, and a page of these images.

    p_value: of McNemar's exact test, two-sided: the probability of counts that differ as much as `only_this_right` and
    `only_other_right`, or more, if both versions had the same accuracy. `total` is the number of images that match.
    """

    this: str
    other: str
    samples: int
    counts: ComparisonCountsView
    p_value: float
    items: list[ComparedImageView]
    total: int
    next: str | None


def comparison_page(this: Source, other: Source, query: ComparisonQuery) -> ComparisonPage:
    """Return the comparison of two evaluations, with a page of the images.

    Raises `Conflict` if they are not of the same images.
    """
    require_same_images(this, other)
    cell: Cell | None = query.cell
    condition = query.condition(this.stored.classes)
    found = compare(this.stored, other.stored, cell, condition, query.order, query.key, query.limit)
    selected = found.selected
    others = _views(other, selected.indices)
    counts: ComparisonCountsView = {
        "both_right": found.counts["both_right"],
        "only_this_right": found.counts["only_this_right"],
        "only_other_right": found.counts["only_other_right"],
        "both_wrong": found.counts["both_wrong"],
    }
    return {
        "this": this.name,
        "other": other.name,
        "samples": len(this.stored),
        "counts": counts,
        "p_value": found.p_value,
        "items": [
            {**view, "other_predicted": another["predicted"], "other_confidence": another["confidence"]}
            for view, another in zip(_views(this, selected.indices), others, strict=True)
        ],
        "total": selected.total,
        "next": _next(selected, query.order),
    }


def _index(parameter: str, name: str | None, classes: Sequence[str]) -> int | None:
    if name is None:
        return None
    if name not in classes:
        raise invalid(parameter, f"must be a class of this version; got {shown(name)}")
    return classes.index(name)


def _next(selected: Selected, order: Order) -> str | None:
    return f"{ORDERS[order]}{selected.keys[-1]:016x}" if selected.has_more else None


def _views(source: Source, indices: list[int]) -> list[PredictedImageView]:
    stored = source.stored
    columns = stored.at(indices)
    return [
        {
            "index": index,
            "label": stored.classes[label],
            "predicted": stored.classes[predicted],
            "confidence": float(str(confidence)),  # the shortest decimal number of the float32
            "path": path,
        }
        for index, label, predicted, confidence, path in zip(
            indices,
            columns.label.tolist(),
            columns.predicted.tolist(),
            columns.confidence,
            source.paths.at(source.split, indices),
            strict=True,
        )
    ]
