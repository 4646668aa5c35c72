"""`POST /v1/training-jobs`: submits a job that trains a network and publishes a new model version."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field, create_model

from api.auth.keys import Scope
from api.auth.middleware import require
from api.middleware.idempotency import id_to_make, idempotent
from api.requests.field_errors import summary
from api.requests.labels import LabelName, LabelValue, check_labels
from api.requests.submission import Submission
from api.requests.validation import RequestModel, TimeoutSeconds, described_by, from_json, invalid_configuration
from api.requests.webhook_choice import WEBHOOK, Webhooks
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import ResponseSpec, error_response, operation
from api.schema.responses import JobView, job_view
from shared.datasets.builtin.built_in import BuiltIn
from shared.datasets.manifest import Manifest
from shared.errors import Damaged, FieldError, Invalid, NotFound, TooMany, Unavailable
from shared.idempotency import IdempotencyKeys
from shared.jobs import Job, Kind, Priority, Progress
from shared.jobs.capacity.training_memory import fitting
from shared.jobs.specifications import TrainingSpecification
from shared.network import Configuration, ConfigurationError, Facts, Network, candidates, preset
from shared.network.configuration import PRESET_ONLY
from shared.network.selection.presets import (
    AUTO,
    DEFAULT_PRESET,
    PRESET,
    PRESET_OF_SETTINGS,
    fitted,
    overridden,
    suited,
)
from shared.network.settings.fields import fields_of
from shared.registry import ModelVersion, Registry
from shared.runtime.memory.limit import limit_at_submission
from shared.runtime.settings import Settings
from shared.storage.names import AliasName, Name


class TrainingOfPreset(RequestModel):
    """A training with a preset: the model, the data set, and the job's options."""

    model_config = shown_as(examples.TRAINING_REQUEST)

    model: Name = Field(description="Name of the model that gets the new version")
    dataset: str = Field(description="Data set: its id or name; `digits`, `mnist` and `fashion-mnist` are built in")
    preset: described_by(PRESET) = DEFAULT_PRESET  # type: ignore[valid-type]
    like: str | None = Field(
        None,
        max_length=200,
        description="Version whose settings are used in place of a preset's, such as `digits@champion` or `digits@3`",
    )
    promote: AliasName | None = Field(None, description="Alias that is moved to the new version")
    webhook: str | None = Field(None, description=WEBHOOK)
    timeout_seconds: TimeoutSeconds | None = Field(None, description="Time limit of the job in seconds")
    priority: Priority = Field("batch", description="Priority: interactive jobs start before those of batch")
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=64)] = Field(
        default_factory=dict, description="Labels: texts by name that are kept with the job, at most 8 KiB together"
    )

    @property
    def chosen_preset(self) -> str | None:
        """The preset of the request; without one, `auto`, or `fast` if the request has settings except the seed.

        None if the settings are those of a version.
        """
        if self.like is not None:
            return None
        if "preset" in self.model_fields_set or not self._settings().keys() - {"seed"}:
            return str(self.preset)
        return PRESET_OF_SETTINGS

    def networks(self, dataset: Manifest, like: Configuration | None) -> list[Network]:
        """Return the network of the preset with the request's settings applied; for `auto`, all candidates.

        like: the configuration in place of a preset's. Its batch size shrinks to the number of training images, its
        convolutions get padding or lose their pooling for small images, and it holds out no training images if the
        data set has a validation split. Settings of the request are not changed.
        Raises `ConfigurationError`.
        """
        settings = self._settings()
        samples, classes = dataset.splits["train"], len(dataset.classes)
        validation = dataset.splits.get("validation", 0)
        if self.chosen_preset == AUTO:
            return candidates(Facts(dataset.image_shape, classes, samples, validation), settings)
        if like is None:
            configuration = preset(str(self.chosen_preset), **settings)
        else:
            if validation and "validation_fraction" not in settings:
                like = replace(like, validation_fraction=0.0)
            configuration = overridden(like, settings)
        if "batch_size" not in settings:
            configuration = fitted(configuration, samples)
        if "convolutions" not in settings:
            configuration = suited(configuration, dataset.image_shape)
        configuration.check(samples, validation)
        return [Network(dataset.image_shape, classes, configuration)]

    def _settings(self) -> dict[str, Any]:
        return self.model_dump(exclude=set(TrainingOfPreset.model_fields), exclude_unset=True)


def request_for(configuration: type[Configuration]) -> type[TrainingOfPreset]:
    """Return the request model: a training with a preset, and each network setting as an optional field."""
    settings: dict[str, Any] = {
        name: (described_by(field), None) for name, field in fields_of(configuration).items() if name not in PRESET_ONLY
    }
    return create_model(
        "TrainingRequest",
        __base__=TrainingOfPreset,
        __module__=__name__,
        __doc__="A training. Each given setting, including null, replaces the preset's.",
        **settings,
    )


TrainingRequest = request_for(Configuration)


def blueprint(
    built_in: BuiltIn,
    registry: Registry,
    submission: Submission,
    webhooks: Webhooks,
    keys: IdempotencyKeys,
    settings: Settings,
) -> Blueprint:
    """Return the route that submits training jobs."""
    routes = Blueprint("training-jobs", __name__)

    @routes.post("/v1/training-jobs")
    @operation(
        "Train a network",
        scope="submit",
        body=TrainingRequest,
        responses={202: ResponseSpec((JobView,), "The job was accepted.", headers=("Location",))},
        errors=(
            error_response(NotFound, "dataset_not_found", "model_not_found", "version_not_found", "version_deleted"),
            error_response(Invalid, "training_too_large"),
            error_response(Unavailable, "dataset_unavailable"),
            error_response(Invalid, "invalid_reference", "record_too_large"),
            error_response(Damaged, "version_unreadable"),
            error_response(TooMany, "queue_full", "job_quota_exceeded"),
        ),
    )
    @idempotent(keys)
    def submit() -> tuple[JobView, int, dict[str, str]]:
        """The data set reference is resolved now. The training publishes a new version of the model.

        `promote` needs a key with the scope `manage`. If the alias is moved or removed while the job runs, the job
        leaves it and has a warning. `like` trains again with the settings of a version, such as on another data set.
        """
        wanted = from_json(TrainingRequest, settings)
        if wanted.promote is not None:
            require(Scope.MANAGE, f"`promote` moves the alias {wanted.promote!r} and")
        webhook = check_options(wanted, webhooks, settings)
        dataset, version, networks = resolved(wanted, built_in, registry, settings)
        configurations = [network.configuration.to_dict() for network in networks]
        specification = TrainingSpecification(
            model=wanted.model,
            dataset=dataset.id,
            configuration=configurations[0],
            candidates=tuple(configurations) if wanted.chosen_preset == AUTO else (),
            promote=wanted.promote,
        )
        job, warnings = submission.submit(
            Job(
                id=id_to_make(),
                kind=Kind.TRAINING,
                model=wanted.model,
                timeout_seconds=wanted.timeout_seconds,
                priority=wanted.priority,
                webhook=webhook,
                progress=Progress(total=networks[0].configuration.epochs, unit="epochs"),
                request=wanted.model_dump(mode="json", exclude_unset=True)
                | ({"like": f"{version.model}@{version.version}"} if version else {"preset": wanted.chosen_preset}),
                specification=specification.pinned(),
            )
        )
        return job_view(job, warnings, submission.waiting(job)), 202, {"Location": f"/v1/jobs/{job.id}"}

    return routes


def check_options(wanted: TrainingOfPreset, webhooks: Webhooks, settings: Settings) -> str | None:
    """Return the webhook that the job gets; raises `Invalid` for it, for the labels, or for `preset` beside `like`."""
    check_labels(wanted.labels, settings)
    webhook = webhooks.choose(wanted.webhook, pointer="#/webhook")
    if wanted.like is not None and "preset" in wanted.model_fields_set:
        field = FieldError("cannot be combined with like, which has the settings", pointer="#/preset")
        raise Invalid("validation_failed", summary([field]), [field])
    return webhook


def resolved(
    wanted: TrainingOfPreset, built_in: BuiltIn, registry: Registry, settings: Settings
) -> tuple[Manifest, ModelVersion | None, list[Network]]:
    """Return the data set, the version whose settings the training has, if any, and its networks.

    A training with several networks chooses one. Raises `Invalid` if none is valid, or small enough for the limits.
    """
    version = None if wanted.like is None else registry.resolve(wanted.like)
    dataset = built_in.get(wanted.dataset)
    try:
        like = Configuration.from_dict(version.configuration) if version else None
        networks = _small_enough(wanted.networks(dataset, like), settings)
        return dataset, version, fitting(networks, dataset, limit_at_submission(settings))
    except ConfigurationError as error:
        raise invalid_configuration(error) from error


def _small_enough(networks: list[Network], settings: Settings) -> list[Network]:
    """Return the networks without too many parameters; raises ConfigurationError if all have too many."""
    small = [network for network in networks if network.parameter_count <= settings.max_parameters]
    if not small:
        networks[0].check_parameter_count(settings.max_parameters)
    return small
