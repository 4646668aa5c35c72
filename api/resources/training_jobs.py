"""`POST /v1/training-jobs`: submits a job that trains a network and publishes a new model version."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field, StringConstraints, create_model

from api.middleware.idempotency import id_to_make, idempotent
from api.requests.field_errors import summary
from api.requests.submission import Submission
from api.requests.validation import RequestModel, described_by, from_json, invalid_configuration
from api.requests.webhook_choice import WEBHOOK, Webhooks
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import ResponseSpec, error_response, operation
from api.schema.responses import JobView, job_view
from shared.datasets.builtin import BuiltIn
from shared.errors import FieldError, Invalid, NotFound, TooMany, Unavailable
from shared.idempotency import IdempotencyKeys
from shared.jobs import Job, Kind, Progress
from shared.jobs.specifications import TrainingSpecification
from shared.network import Configuration, ConfigurationError, Network, preset
from shared.network.configuration import PRESET_ONLY
from shared.network.presets import DEFAULT_PRESET, PRESET
from shared.network.settings.fields import fields_of
from shared.runtime.settings import Settings
from shared.storage.names import AliasName, Name

LabelName = Annotated[str, StringConstraints(max_length=128)]
LabelValue = Annotated[str, StringConstraints(max_length=1024)]


class TrainingOfPreset(RequestModel):
    """A training with a preset: the model, the data set, and the job's options."""

    model_config = shown_as(examples.TRAINING_REQUEST)

    model: Name = Field(description="Name of the model that gets the new version")
    dataset: str = Field(description="Data set: its id or name; `digits`, `mnist` and `fashion-mnist` are built in")
    preset: described_by(PRESET) = DEFAULT_PRESET  # type: ignore[valid-type]
    promote: AliasName | None = Field(None, description="Alias that is moved to the new version")
    webhook: str | None = Field(None, description=WEBHOOK)
    timeout_seconds: float | None = Field(None, gt=0, description="Time limit of the job in seconds")
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=64)] = Field(
        default_factory=dict, description="Labels: texts by name that are kept with the job"
    )

    def configuration(self, samples: int) -> Configuration:
        """Return the preset with the request's settings applied. Raises `ConfigurationError`.

        A preset's batch size shrinks to the number of training images. A batch size of the request does not.
        """
        settings = self.model_dump(exclude=set(TrainingOfPreset.model_fields), exclude_unset=True)
        configuration = preset(self.preset, **settings)
        if "batch_size" not in settings:
            most = max(1, samples - configuration.validation_count(samples))
            configuration = replace(configuration, batch_size=min(configuration.batch_size, most))
        configuration.check(samples)
        return configuration


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
    built_in: BuiltIn, submission: Submission, webhooks: Webhooks, keys: IdempotencyKeys, settings: Settings
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
            error_response(NotFound, "dataset_not_found"),
            error_response(Unavailable, "dataset_unavailable"),
            error_response(TooMany, "queue_full"),
        ),
    )
    @idempotent(keys)
    def submit() -> tuple[JobView, int, dict[str, str]]:
        """The data set reference is resolved now. The training publishes a new version of the model."""
        wanted = from_json(TrainingRequest, settings)
        webhook = webhooks.choose(wanted.webhook, pointer="#/webhook")
        dataset = built_in.get(wanted.dataset)
        try:
            configuration = wanted.configuration(dataset.splits["train"])
            network = Network(dataset.image_shape, len(dataset.classes), configuration)
        except ConfigurationError as error:
            raise invalid_configuration(error) from error
        _check_parameter_count(network, settings)
        specification = TrainingSpecification(
            model=wanted.model, dataset=dataset.id, configuration=configuration.to_dict(), promote=wanted.promote
        )
        job, warnings = submission.submit(
            Job(
                id=id_to_make(),
                kind=Kind.TRAINING,
                model=wanted.model,
                timeout_seconds=wanted.timeout_seconds,
                webhook=webhook,
                progress=Progress(total=configuration.epochs, unit="epochs"),
                request={**wanted.model_dump(mode="json", exclude_unset=True), "preset": wanted.preset},
                specification=specification.pinned(),
            )
        )
        return job_view(job, warnings, submission.waiting(job)), 202, {"Location": f"/v1/jobs/{job.id}"}

    return routes


def _check_parameter_count(network: Network, settings: Settings) -> None:
    if network.parameter_count > settings.max_parameters:
        reason = f"must give a network of at most {settings.max_parameters} parameters; got {network.parameter_count}"
        fields = [FieldError(reason, pointer="#/hidden")]
        raise Invalid("validation_failed", summary(fields), fields)
