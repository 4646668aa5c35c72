"""`POST /v1/batch-jobs`: submits a job that classifies each image of an archive with a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

from flask import Blueprint, request
from pydantic import Field

from api.middleware.idempotency import id_to_make, idempotent
from api.requests.bodies.references import Bodies, of_archive
from api.requests.bodies.uploads import Upload
from api.requests.online.inversion import INVERT, chosen_invert
from api.requests.sinks import SINK, SINK_FORMAT, check_format, check_place, claimed
from api.requests.submission import Submission
from api.requests.validation import RequestModel, TimeoutSeconds, from_texts
from api.requests.webhook_choice import WEBHOOK, Webhooks
from api.schema.operations import ResponseSpec, UploadSpec, error_response, operation
from api.schema.references import ERRORS as REFERENCE_ERRORS
from api.schema.references import reference_with
from api.schema.responses import JobView, job_view
from shared.archives import ArchiveIndex, SeveralArchives, validate
from shared.errors import (
    Conflict,
    Damaged,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    NotInstalled,
    StorageFull,
    TooLarge,
    TooMany,
    Unavailable,
    UnsupportedType,
)
from shared.idempotency import IdempotencyKeys
from shared.images.shapes import RGB, channels_of
from shared.jobs import Job, Kind, Priority, Progress
from shared.jobs.specifications import BatchSpecification, Invert, SinkFormat, shard_size
from shared.registry import ModelVersion, Registry
from shared.results.row_size import classes_that_fit, row_bytes
from shared.runtime.settings import Settings
from shared.runtime.sizes import in_words
from shared.storage.uploads import space
from shared.storage.uploads.same_bytes import store_once
from shared.storage.volume import Volume


class BatchOptions(RequestModel):
    """The model and the options of a batch job."""

    model: str = Field(description="`digits` (its newest version), `digits@champion` (an alias) or `digits@3`")
    top_k: int = Field(1, ge=1, description="number of most probable classes per row, as far as they fit into it")
    invert: Invert = Field("auto", description=INVERT)
    error_threshold: float = Field(1.0, ge=0, le=1, description="fraction of unreadable images that fails the job")
    webhook: str | None = Field(None, description=WEBHOOK)
    timeout_seconds: TimeoutSeconds | None = Field(None, description="time limit of the job in seconds")
    sink: str | None = Field(
        None,
        max_length=300,  # percent-encoded, it fits into a request line
        description=SINK,
        examples=["s3://results/run-1/", "file:///exports/run-1/"],
    )
    sink_format: SinkFormat | None = Field(None, description=SINK_FORMAT)
    priority: Priority | None = Field(
        None,
        description="`interactive` jobs start first; by default those of at most 1,000 images, else `batch`",
    )


BatchByReference = reference_with("BatchByReference", BatchOptions, several=True)
SINK_ERRORS = (
    error_response(Forbidden, "sink_not_allowed"),
    error_response(NotFound, "sink_not_found"),
    error_response(Conflict, "sink_not_empty"),
    error_response(Invalid, "sink_invalid", "sink_refused"),
    error_response(StorageFull, "sink_full"),
    error_response(Unavailable, "sink_unavailable"),
    error_response(NotInstalled, "s3_not_installed"),
)


def blueprint(
    registry: Registry,
    submission: Submission,
    webhooks: Webhooks,
    bodies: Bodies,
    keys: IdempotencyKeys,
    settings: Settings,
) -> Blueprint:
    """Return the route that submits batch jobs."""
    routes = Blueprint("batch-jobs", __name__)

    @routes.post("/v1/batch-jobs")
    @operation(
        "Classify an archive of images",
        scope="submit",
        query=BatchOptions,
        body=UploadSpec(
            "archive",
            "the archive of images; or JSON that names an archive or a folder of images, or several",
            json=BatchByReference,
        ),
        responses={202: ResponseSpec((JobView,), "The job was accepted.", headers=("Location",))},
        errors=(
            error_response(NotFound, "model_not_found", "version_not_found", "version_deleted"),
            error_response(TooLarge, "archive_*"),
            error_response(UnsupportedType, "archive_expected"),
            error_response(
                Invalid, "archive_*", "invalid_reference", "image_channels", "record_too_large", "results_too_large"
            ),
            error_response(Damaged, "version_unreadable"),
            error_response(TooMany, "queue_full", "job_quota_exceeded"),
            *REFERENCE_ERRORS,
            *SINK_ERRORS,
        ),
    )
    @idempotent(keys)
    def submit() -> tuple[JobView, int, dict[str, str]]:
        """The model reference is resolved now. If an alias moves later, the job keeps its version."""
        submission.reject_if_full(Kind.BATCH)
        check_place(request.args.get("sink"), settings)  # before a large body is received
        submission.reject_archive(request.content_length or 0)
        with bodies.received("archive", BatchByReference) as upload:
            options = from_texts(BatchOptions, upload.options)
            webhook = webhooks.choose(options.webhook, parameter="webhook")
            check_format(options.sink, options.sink_format)
            version = registry.resolve(options.model)
            if options.top_k > len(version.classes):
                reason = f"must be at most {len(version.classes)}, the model's classes; got {options.top_k}"
                raise Invalid("validation_failed", f"top_k: {reason}", [FieldError(reason, parameter="top_k")])
            with _indexed(upload, version, settings) as index:
                top_k = classes_that_fit(version.classes, options.top_k, settings.max_row_bytes)
                check_rows(len(index), version, top_k, settings)
                invert = chosen_invert(options.invert, options, version)
                specification = BatchSpecification(
                    model=version.model,
                    version=version.version,
                    top_k=top_k,
                    invert=invert,
                    compares_with_training=invert == "auto" and version.brightness is not None,
                    error_threshold=options.error_threshold,
                    passed_over=index.passed_over,
                    shard_images=shard_size(len(index), settings.shard_images, submission.processes(Kind.BATCH)),
                    shard_bytes=settings.shard_bytes,
                    source=None if index.source is None else index.source.path,
                    archives=index.titles if isinstance(index, SeveralArchives) else (),
                    sink=options.sink,
                    sink_format=options.sink_format or "jsonl",
                )
                job = Job(
                    id=id_to_make(),
                    kind=Kind.BATCH,
                    model=version.model,
                    timeout_seconds=options.timeout_seconds,
                    priority=options.priority or priority_of(len(index), settings),
                    webhook=webhook,
                    progress=Progress(total=len(index), unit="images"),
                    request=options.model_dump(exclude_none=True) | {"invert": invert} | upload.described(),
                    specification=specification.pinned(),
                )
                with claimed(options.sink, job.id, settings):
                    job, warnings = submission.submit(
                        job,
                        archive=None if index.source else upload.path,
                        index=index.with_shards(specification.shard_images, specification.shard_bytes),
                    )
        if top_k < options.top_k:
            warnings = [*warnings, fewer_classes(top_k, options.top_k, settings)]
        return job_view(job, warnings, submission.waiting(job), index.skipped), 202, {"Location": f"/v1/jobs/{job.id}"}

    return routes


@contextmanager
def _indexed(upload: Upload, version: ModelVersion, settings: Settings) -> Iterator[ArchiveIndex]:
    """Validate the upload, and yield its index, whose files are removed after the block unless the block saved them.

    The upload becomes a link to equal bytes that the volume has already.
    """
    with ExitStack() as exits:
        indexes = []
        for number, part in enumerate(upload.parts or (upload,)):
            with of_archive(number, part.name) if part.name else nullcontext():
                index = validate(part.path, settings, part.source)
                exits.callback(index.discard)
                check_channels(index, version)
            if index.source is None:
                store_once(Volume(settings.volume), part.path)
            elif upload.parts:
                part.path.unlink(missing_ok=True)  # it is read in place
            indexes.append(index)
        if not upload.parts:
            yield indexes[0]
            return
        several = SeveralArchives.of([part.name or "" for part in upload.parts], indexes)
        if len(several) > settings.max_archive_entries:
            raise TooLarge(
                "archive_too_large",
                f"the archives have more than {settings.max_archive_entries} entries together"
                " (GLASSBOX_MAX_ARCHIVE_ENTRIES)",
            )
        yield several


def priority_of(images: int, settings: Settings) -> Priority:
    """Return the priority of a batch whose request has none: small ones are interactive."""
    return "interactive" if images <= settings.interactive_images else "batch"


def check_rows(images: int, version: ModelVersion, top_k: int, settings: Settings) -> None:
    """Raise `Invalid` if the rows of this many images could take more bytes than allowed."""
    needed = images * row_bytes(version.classes, top_k)
    most = settings.max_results_bytes or space.total(settings.volume) // 2
    if needed > most:
        reason = (
            f"the rows of {images:,} images with {top_k} classes each could take {in_words(needed)}, more than"
            f" {in_words(most)} (GLASSBOX_MAX_RESULTS_BYTES); take a smaller top_k, or send the"
            " images in several archives"
        )
        raise Invalid("results_too_large", reason, [FieldError(reason, parameter="top_k")])


def fewer_classes(top_k: int, wanted: int, settings: Settings) -> str:
    """Return the warning that rows have fewer classes than the request wants."""
    return (
        f"each row has the {top_k} most probable classes instead of {wanted}: the class names are long, and a row may"
        f" take at most {in_words(settings.max_row_bytes)} (GLASSBOX_MAX_ROW_BYTES)"
    )


def check_channels(index: ArchiveIndex, version: ModelVersion) -> None:
    """Raise `Invalid` if the archive is an array whose images have another number of channels than the model's.

    Image files are converted; the numbers of an array are not.
    """
    given, expected, name = index.image_shape, version.image_shape, f"{version.model}@{version.version}"
    if given is None or channels_of(given) == channels_of(expected):
        return
    if channels_of(expected) == RGB:
        how = "send an array (N, H, W, 3) in RGB, or image files, which are converted to colour"
    else:
        how = "send an array (N, H, W) of gray levels, or image files, which are converted to gray levels"
    raise Invalid(
        "image_channels",
        f"the array's images have the shape {list(given)}, but those of {name} have the shape {list(expected)}:"
        f" arrays are resized, but their channels are not converted; {how}",
    )
