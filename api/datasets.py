"""`/v1/datasets`: upload, list, show, delete."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from pydantic import Field

from api.dataset_guard import refuse_if_needed
from api.pages import PageQuery, after, page
from api.uploads import received
from api.validation import Form, from_texts
from api.views import dataset_view
from shared.datasets import DatasetStore
from shared.datasets.uploads import read_upload
from shared.jobs import JobStore
from shared.names import Name
from shared.registry import Registry
from shared.settings import Settings
from shared.volume import Volume


class DatasetOptions(Form):
    """The options of an upload."""

    name: Name
    test_fraction: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    image_shape: str | None = Field(None, pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$")

    @property
    def shape(self) -> tuple[int, int] | None:
        """The height and width that images are resized to."""
        if self.image_shape is None:
            return None
        height, _, width = self.image_shape.partition("x")
        return int(height), int(width)


class DeletionQuery(Form):
    """Whether to delete a data set that is needed."""

    force: bool = False


def blueprint(store: DatasetStore, registry: Registry, jobs: JobStore, volume: Volume, settings: Settings) -> Blueprint:
    """The data sets' routes."""
    routes = Blueprint("datasets", __name__, url_prefix="/v1/datasets")

    @routes.post("")
    def upload() -> tuple[Response, int, dict[str, str]]:
        with received("file", volume, settings) as file:
            options = from_texts(DatasetOptions, file.options)
            content = read_upload(file.path, settings, options.test_fraction, options.seed, options.shape)
            manifest, created = store.add(content, options.name, "upload")
        location = f"/v1/datasets/{manifest.id}"
        return jsonify(dataset_view(manifest)), 201 if created else 200, {"Location": location}

    @routes.get("")
    def index() -> dict[str, Any]:
        query = from_texts(PageQuery, request.args)
        return page(after(store.all(), query, lambda item: item.id), query, lambda item: item.id, dataset_view)

    @routes.get("/<reference>")
    def show(reference: str) -> dict[str, Any]:
        return dataset_view(store.get(reference))

    @routes.delete("/<reference>")
    def delete(reference: str) -> tuple[str, int]:
        query = from_texts(DeletionQuery, request.args)
        if store.is_last_name(reference) and not query.force:
            refuse_if_needed(store.get(reference), registry, jobs)
        store.delete(reference)
        return "", 204

    return routes
