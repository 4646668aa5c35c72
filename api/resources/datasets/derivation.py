"""`POST /v1/datasets/{ref}/derive`: a new data set from an existing one and changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, request
from pydantic import Field

from api.middleware.idempotency import idempotent
from api.requests.bodies.uploads import received
from api.requests.field_errors import summary
from api.requests.validation import RequestModel, from_json, from_json_text, from_texts
from api.resources.datasets.changes import DatasetChanges, Origins, SplitName, relabelled, removals
from api.resources.datasets.datasets import UploadName
from api.resources.datasets.images import PREPARATION
from api.resources.image_selection import invalid
from api.schema.operations import ResponseSpec, UploadSpec, error_response, operation
from api.schema.references import STORE_ERRORS
from api.schema.responses import DatasetView, dataset_view
from shared.datasets import Manifest
from shared.datasets.builtin.built_in import NAMES as BUILT_IN
from shared.datasets.content import Content
from shared.datasets.derivation.content import Changes, derive
from shared.datasets.derivation.uploads import read_additions
from shared.datasets.options import OnUnreadable
from shared.errors import Conflict, Damaged, FieldError, Invalid, NotFound, TooLarge, UnsupportedType
from shared.idempotency import IdempotencyKeys
from shared.runtime import log_context
from shared.storage.names import is_name

FILE_ONLY = "applies to uploaded files; this request is JSON"


class DerivationOptions(RequestModel):
    """How a data set is derived."""

    name: UploadName | None = Field(
        None,
        description="name of the result, not that of a built-in data set; by default the source's name, which then"
        " points to the result",
    )
    split: SplitName = Field("train", description="split to which images are added")
    new_classes: bool = Field(
        False, description="whether labels that are not classes of the data set are appended to its classes"
    )
    on_unreadable: OnUnreadable | None = Field(
        None,
        description="images of an uploaded archive that cannot be read: `refuse` the request, or `skip` them and report"
        " them in `skipped`; by default refused if more than 1 % of the images cannot be read",
    )
    changes: str | None = Field(
        None, description="beside an uploaded archive, other changes as JSON, in the form of the JSON body"
    )


def blueprint(origins: Origins, keys: IdempotencyKeys) -> Blueprint:
    """Return the route that derives data sets."""
    routes = Blueprint("derivation", __name__)
    limits, store = origins.limits, origins.store

    @routes.post("/v1/datasets/<reference>/derive")
    @operation(
        "Derive a data set",
        scope="submit",
        query=DerivationOptions,
        body=UploadSpec(
            "file",
            "Changes as JSON; or a zip or tar of `<class>/…` with images to add, alone or in a form with the part"
            " `changes`.",
            json=DatasetChanges,
        ),
        responses={
            201: ResponseSpec((DatasetView,), "The data set is new.", headers=("Location",)),
            200: ResponseSpec((DatasetView,), "The same content exists; the name points to it.", ("Location",)),
        },
        errors=(
            error_response(
                NotFound,
                *("dataset_not_found", "job_not_found", "archive_not_found"),
                *("source_not_found", "source_unreadable"),
                *("model_not_found", "version_not_found", "version_deleted"),
            ),
            error_response(Conflict, "dataset_name_moved", "not_a_batch", "source_changed"),
            error_response(TooLarge, "too_many_changes", "dataset_too_large", "dataset_too_costly", "archive_*"),
            error_response(UnsupportedType, "dataset_expected"),
            error_response(Invalid, "validation_failed", "dataset_*", "archive_*", "specification_unknown"),
            error_response(Damaged, "dataset_unreadable", "dataset_damaged", "plan_damaged", "version_unreadable"),
            *PREPARATION,
            *STORE_ERRORS,
        ),
    )
    @idempotent(keys)
    def derived(reference: str) -> tuple[DatasetView, int, dict[str, str]]:
        """Images are added, get other labels, or are left out; the data set itself stays as it is.

        Refer to the data set by its id: the indices in the changes are those of this content. The same changes to the
        same data set make the same data set, and no change makes the data set itself. `skipped` in the response has
        added images that equal one in another split, or one of the same class in their own.
        """
        source = origins.built_in.get(reference)
        if request.is_json:
            options = from_texts(DerivationOptions, request.args)
            for name in ("on_unreadable", "changes"):
                if getattr(options, name) is not None:
                    raise invalid(name, FILE_ONLY)
            return stored(reference, source, options, from_json(DatasetChanges, limits), None)
        with received("file", origins.volume, limits) as file:
            options = from_texts(DerivationOptions, file.options)
            changes = DatasetChanges()
            if options.changes is not None:
                with naming_the_part():
                    changes = from_json_text(DatasetChanges, options.changes, "changes")
            upload = read_additions(file.path, source.image_shape, limits, options.on_unreadable)
            with naming_the_part():
                return stored(reference, source, options, changes, upload)

    def stored(
        reference: str, source: Manifest, options: DerivationOptions, changes: DatasetChanges, upload: Content | None
    ) -> tuple[DatasetView, int, dict[str, str]]:
        changes.check_number(limits)
        name = options.name or _name_of(reference, source)
        replaced = None if options.name else source.digest
        store.check_name(name, replaced)  # again before the name moves
        _, arrays = store.load(source.id, anew=False)
        if options.split not in arrays.splits:
            raise invalid(
                "split", f"this data set has no images for {options.split}; it has {', '.join(arrays.splits)}"
            )
        removed = removals(changes, arrays)
        content = derive(
            source,
            arrays,
            Changes(
                removed=removed,
                relabelled=relabelled(changes, arrays, removed),
                additions=origins.additions(changes.add, source.image_shape),
                split=options.split,
                upload=upload,
                new_classes=options.new_classes,
                by=log_context.current().get("key"),
            ),
            limits,
            store.paths(source.id),
        )
        manifest, created = store.add(content, name, "derived", replaced)
        return dataset_view(manifest), 201 if created else 200, {"Location": f"/v1/datasets/{manifest.id}"}

    return routes


def _name_of(reference: str, source: Manifest) -> str:
    """Return the name that moves to the result if the request has none. Raises `Invalid` for that of a built-in one."""
    name = reference if is_name(reference) else source.name
    if name in BUILT_IN:
        raise invalid(
            "name",
            f"is required: {name} is a built-in data set, whose name does not move; choose one, such as my-{name}",
        )
    return name


@contextmanager
def naming_the_part() -> Iterator[None]:
    """Report errors of the changes as those of the form's part `changes`, with their place in it."""
    try:
        yield
    except Invalid as error:
        fields = [
            field if field.pointer is None else FieldError(f"{summary([field])}", parameter="changes")
            for field in error.fields
        ]
        raise Invalid(error.code, summary(fields) if fields else error.detail, fields) from error
