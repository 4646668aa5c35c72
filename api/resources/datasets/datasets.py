"""`/v1/datasets`: upload, list, show and delete data sets."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from api.middleware.idempotency import idempotent
from api.requests.bodies.references import Bodies
from api.requests.conditions import with_etag
from api.requests.pagination import PageQuery, after, cursor_like, page
from api.requests.validation import Matching, RequestModel, from_texts
from api.resources.datasets.images import NOT_FOUND, PREPARATION
from api.schema.operations import PRECONDITIONS, ResponseSpec, UploadSpec, error_response, operation, revalidated
from api.schema.references import ERRORS as REFERENCE_ERRORS
from api.schema.references import reference_with
from api.schema.responses import BuiltInView, DatasetView, dataset_view
from shared.datasets import DatasetStore, Manifest
from shared.datasets.builtin.built_in import NAMES as BUILT_IN
from shared.datasets.builtin.built_in import BuiltIn
from shared.datasets.options import OnUnreadable, UploadOptions
from shared.datasets.uploads import read_upload
from shared.errors import Conflict, Damaged, Invalid, TooLarge, UnsupportedType
from shared.idempotency import IdempotencyKeys
from shared.jobs import JobStore, Kind, State
from shared.jobs.feed.announcer import Announcer
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage.names import NAME, Name

CURSOR = r"[0-9TZ:.-]{20,40}~[0-9a-f]{64}"

MAX_NAMED = 10  # versions and jobs that an error names; it counts the others
IMAGE_SHAPE = r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}"
CHANNELS = {"type": "integer", "enum": [1, 3]}
READS = {Kind.TRAINING, Kind.REPRODUCTION, Kind.EVALUATION}
ACTIVE = tuple(state for state in State if not state.is_terminal)


def _one_or_three(channels: int) -> int:
    if channels not in CHANNELS["enum"]:
        raise PydanticCustomError(
            "channels", "must be 1 (grayscale) or 3 (red, green, blue); got {channels}", {"channels": channels}
        )
    return channels


def _not_built_in(name: str) -> str:
    if name in BUILT_IN:
        raise PydanticCustomError(
            "built_in_name", "{name} is a built-in data set; choose another name, such as my-{name}", {"name": name}
        )
    return name


UploadName = Annotated[
    Name,
    AfterValidator(_not_built_in),
    WithJsonSchema({"type": "string", "pattern": f"^(?!(?:{'|'.join(sorted(BUILT_IN))})$){NAME}$"}),
]


class DatasetOptions(RequestModel):
    """The options of an upload."""

    name: UploadName = Field(description="name of the data set; not that of a built-in one")
    test_fraction: float = Field(
        0.1, gt=0, lt=1, description="fraction of images for the test split, if the file has no test split"
    )
    seed: int = Field(0, ge=0, description="random seed of the test split")
    image_shape: Annotated[str, Matching(IMAGE_SHAPE, "must be height x width, such as 28x28")] | None = Field(
        None,
        description="height and width to which an archive's images are resized, such as `28x28`, or which the flat"
        " images of an .npz have; by default chosen from the images' sizes",
    )
    channels: Annotated[int, AfterValidator(_one_or_three), WithJsonSchema(CHANNELS)] | None = Field(
        None,
        description="1: an archive's images become grayscale; 3: they become red, green and blue; by default 3 if any"
        " image is in colour",
    )

    on_unreadable: OnUnreadable | None = Field(
        None,
        description="images of an archive that cannot be read: `refuse` the upload, or `skip` them and report them in"
        " `skipped`; by default refused if more than 1 % of the images cannot be read",
    )

    def for_upload(self) -> UploadOptions:
        """Return the options of the reading."""
        shape = None
        if self.image_shape is not None:
            height, _, width = self.image_shape.partition("x")
            shape = int(height), int(width)
        return UploadOptions(self.test_fraction, self.seed, shape, self.channels, self.on_unreadable)


DatasetByReference = reference_with("DatasetByReference", DatasetOptions)


class DatasetQuery(PageQuery):
    """The page of data sets to list."""

    after: Annotated[str, cursor_like(CURSOR)] | None = Field(None, description="the `next` of the previous page")


class DatasetPage(TypedDict):
    """A page of data sets. `next` is the cursor of the following page, null on the last page.

    `built_in` has the built-in data sets, on each page.
    """

    items: list[DatasetView]
    next: str | None
    built_in: list[BuiltInView]


class DeletionQuery(RequestModel):
    """How to delete a data set."""

    force: bool = Field(False, description="delete it even if a version was trained on it, or a job needs it")


def blueprint(
    store: DatasetStore,
    built_in: BuiltIn,
    registry: Registry,
    jobs: JobStore,
    bodies: Bodies,
    keys: IdempotencyKeys,
    settings: Settings,
    announcer: Announcer,
) -> Blueprint:
    """Return the data sets' routes."""
    routes = Blueprint("datasets", __name__, url_prefix="/v1/datasets")

    @routes.post("")
    @operation(
        "Upload a data set",
        scope="submit",
        query=DatasetOptions,
        body=UploadSpec(
            "file",
            "an .npz with `x_train`, `y_train`, `x_test`, `y_test`, or with `x` and `y`; or a zip or tar of"
            " `train/<class>/…` and `test/<class>/…`, of `<class>/…` alone, or of IDX files; or a CSV file"
            " of labels and pixels; or JSON that names such a file, or a folder of images",
            json=DatasetByReference,
        ),
        responses={
            201: ResponseSpec((DatasetView,), "The data set is new.", headers=("Location",)),
            200: ResponseSpec((DatasetView,), "The same content exists; the name points to it.", ("Location",)),
        },
        errors=(
            error_response(TooLarge, "npz_too_large", "dataset_too_large", "dataset_too_costly", "archive_*"),
            error_response(UnsupportedType, "dataset_expected"),
            error_response(Invalid, "npz_*", "dataset_*", "archive_*"),
            *REFERENCE_ERRORS,
        ),
    )
    @idempotent(keys)
    def upload() -> tuple[DatasetView, int, dict[str, str]]:
        """Images are arrays (N, H, W) or (N, H, W, 3), labels are integers or texts (N,). Folder names are classes.

        `chosen` in the response says what was chosen from the images of an archive.
        """
        with bodies.received("file", DatasetByReference, copied=True) as file:
            options = from_texts(DatasetOptions, file.options)
            content = read_upload(file.path, settings, options.for_upload(), file.source)
            manifest, created = store.add(content, options.name, "upload", check=file.check)
        location = f"/v1/datasets/{manifest.id}"
        return dataset_view(manifest), 201 if created else 200, {"Location": location}

    @routes.get("")
    @operation(
        "List the data sets",
        scope="read",
        query=DatasetQuery,
        responses=revalidated(DatasetPage),
        headers=PRECONDITIONS,
    )
    def index() -> Response:
        """Newest first. `built_in` has the built-in data sets, also those that are not prepared yet."""
        query = from_texts(DatasetQuery, request.args)
        found = page(after(store.all(), query, _cursor, newest_first=True), query, _cursor, dataset_view)
        known: list[BuiltInView] = [
            {"name": one.name, "content": one.content, "origin": one.origin, "prepared": one.prepared}
            for one in built_in.all()
        ]
        return with_etag({**found, "built_in": known})

    @routes.get("/<reference>")
    @operation(
        "Show a data set",
        scope="read",
        responses={200: DatasetView},
        errors=(NOT_FOUND, error_response(Damaged, "dataset_unreadable"), *PREPARATION),
    )
    def show(reference: str) -> DatasetView:
        """A built-in data set is prepared at its first use, which downloads it if it is not part of the service."""
        return dataset_view(built_in.get(reference))

    @routes.delete("/<reference>")
    @operation(
        "Delete a data set",
        scope="manage",
        query=DeletionQuery,
        responses={204: None},
        errors=(NOT_FOUND, error_response(Conflict, "dataset_in_use")),
    )
    def delete(reference: str) -> tuple[str, int]:
        """An id deletes the data set and all its names. A name deletes itself, and the data set with the last name."""
        query = from_texts(DeletionQuery, request.args)
        is_last, dataset = store.is_last_name(reference), store.id_of(reference)
        if is_last and not query.force:
            reject_if_in_use(dataset, registry, jobs)
        store.delete(reference)
        if is_last:
            announcer.deleted("dataset_deleted", {"dataset": dataset})
        else:
            announcer.deleted("dataset_name_deleted", {"dataset": dataset, "name": reference})
        return "", 204

    return routes


def _cursor(manifest: Manifest) -> str:
    """Return a data set's cursor. Cursors sort in the order of the list."""
    return f"{manifest.created_at}~{manifest.digest}"


def reject_if_in_use(dataset: str, registry: Registry, jobs: JobStore) -> None:
    """Raise `Conflict` if a version was trained on the data set, or an active job reads it."""
    users = registry.trained_on(dataset) + [
        f"job {job.id}"
        for state in ACTIVE
        for job in jobs.newest_first(state)
        if job.kind in READS and job.specification["dataset"] == dataset
    ]
    if users:
        others = f" and {len(users) - MAX_NAMED} more" if len(users) > MAX_NAMED else ""
        raise Conflict(
            "dataset_in_use",
            f"{dataset} is used by {', '.join(users[:MAX_NAMED])}{others}; ?force=true deletes it anyway",
        )
