"""`GET /v1/presets`: the presets of a training, each with its description and its values."""

from __future__ import annotations

from flask import Blueprint, Response, request
from pydantic import with_config
from typing_extensions import TypedDict

from api.requests.conditions import with_etag
from api.requests.pagination import Page, PageQuery, after, page
from api.requests.validation import from_texts
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import PRECONDITIONS, operation, revalidated
from shared.json_types import JsonObject
from shared.network.selection.presets import DESCRIPTIONS, PRESETS


@with_config(shown_as(examples.PRESET))
class PresetView(TypedDict):
    """A preset of a training.

    `configuration` has the values that a training with this preset has if its request sets no others. It is null for
    `auto`, which chooses the values for the data set. A request can set each of them but `update_order`.
    """

    name: str
    description: str
    configuration: JsonObject | None


def blueprint() -> Blueprint:
    """Return the route that lists the presets."""
    routes = Blueprint("presets", __name__, url_prefix="/v1/presets")

    @routes.get("")
    @operation(
        "List the presets of a training",
        scope="read",
        query=PageQuery,
        responses=revalidated(Page[PresetView]),
        headers=PRECONDITIONS,
    )
    def index() -> Response:
        """By name. The schema of `POST /v1/training-jobs` describes each value and its bounds.

        For a data set with few images a training's `batch_size` shrinks to their number, and for small images its
        `convolutions` get padding or lose their pooling, unless its request sets them.
        """
        query = from_texts(PageQuery, request.args)
        return with_etag(page(after(sorted(DESCRIPTIONS), query, str), query, str, preset_view))

    return routes


def preset_view(name: str) -> PresetView:
    """Return the JSON of a preset."""
    configuration = PRESETS.get(name)
    return {
        "name": name,
        "description": DESCRIPTIONS[name],
        "configuration": None if configuration is None else configuration.to_dict(),
    }
