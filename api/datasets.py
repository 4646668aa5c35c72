"""`/v1/datasets`: upload, list, show."""

from __future__ import annotations

from flask import Blueprint, request
from pydantic import Field

from api.operations import Answer, Upload, operation, refusal
from api.pages import Page, PageQuery, after, page
from api.uploads import received
from api.validation import Form, from_texts
from api.views import DatasetView, dataset_view
from shared.datasets import DatasetStore, Manifest
from shared.datasets.npz import read_npz
from shared.errors import Invalid, NotFound, TooLarge, UnsupportedType
from shared.names import Name
from shared.settings import Settings
from shared.volume import Volume


class DatasetOptions(Form):
    """The options of an upload."""

    name: Name = Field(description="what the content is called from now on")
    test_fraction: float = Field(0.1, gt=0, lt=1, description="the share to set aside for testing; for `x`, `y` only")
    seed: int = Field(0, ge=0, description="decides which images are set aside")


def blueprint(store: DatasetStore, volume: Volume, settings: Settings) -> Blueprint:
    """The data sets' routes."""
    routes = Blueprint("datasets", __name__, url_prefix="/v1/datasets")

    @routes.post("")
    @operation(
        "Upload a data set",
        scope="submit",
        query=DatasetOptions,
        body=Upload("file", "an .npz with `x_train`, `y_train`, `x_test`, `y_test`, or with `x` and `y`"),
        answers={
            201: Answer((DatasetView,), "The data set is new.", headers=("Location",)),
            200: Answer((DatasetView,), "The same content is there already; the name points to it.", ("Location",)),
        },
        errors=(
            refusal(TooLarge, "npz_too_large"),
            refusal(UnsupportedType, "npz_expected"),
            refusal(Invalid, "npz_*"),
        ),
        creates=True,
    )
    def upload() -> tuple[DatasetView, int, dict[str, str]]:
        """Images are uint8 of shape (N, H, W), labels integers of shape (N,)."""
        with received("file", volume, settings) as file:
            options = from_texts(DatasetOptions, file.options)
            content = read_npz(file.path, settings, options.test_fraction, options.seed)
            manifest, created = store.add(content, options.name, "upload")
        location = f"/v1/datasets/{manifest.id}"
        return dataset_view(manifest), 201 if created else 200, {"Location": location}

    @routes.get("")
    @operation("List the data sets", scope="read", query=PageQuery, answers={200: Page[DatasetView]})
    def index() -> Page[DatasetView]:
        """The newest come first."""
        query = from_texts(PageQuery, request.args)
        return page(after(store.all(), query, _place, newest_first=True), query, _place, dataset_view)

    @routes.get("/<reference>")
    @operation(
        "Show a data set",
        scope="read",
        answers={200: DatasetView},
        errors=(refusal(NotFound, "dataset_not_found"),),
    )
    def show(reference: str) -> DatasetView:
        return dataset_view(store.get(reference))

    return routes


def _place(manifest: Manifest) -> str:
    """Where a data set stands in the list, as a text that sorts as the list does."""
    return f"{manifest.created_at}~{manifest.digest}"
