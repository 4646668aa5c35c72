"""`POST /v1/training-jobs`: a configuration and a data set become a job that ends in a new model version."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field, StringConstraints

from api import examples
from api.examples import shown_as
from api.hints import named, number, one_of, share, whole_number, whole_numbers
from api.idempotency import id_to_make, idempotent
from api.operations import Answer, operation, refusal
from api.submission import Submission
from api.validation import Form, from_json, invalid_configuration
from api.views import JobView, job_view
from api.webhooks import WEBHOOK, Webhooks
from shared.datasets.builtin import BuiltIn
from shared.datasets.manifest import Manifest
from shared.errors import FieldError, Invalid, NotFound, TooMany, Unavailable
from shared.idempotency import IdempotencyKeys
from shared.jobs import Job, Kind, Progress
from shared.names import AliasName, Name
from shared.network import Configuration, ConfigurationError, Network, preset
from shared.network.activations import ACTIVATIONS
from shared.network.configuration import DTYPES
from shared.network.initializers import INITIALIZERS
from shared.network.optimizers import OPTIMIZERS
from shared.network.presets import PRESETS
from shared.network.schedules import SCHEDULES
from shared.settings import Settings
from shared.specifications import TrainingSpecification

MOST_EPOCHS = 100_000
MOST_LAYERS = 100  # what bounds the parameters does not bound layers of one unit
LabelName = Annotated[str, StringConstraints(max_length=128)]
LabelValue = Annotated[str, StringConstraints(max_length=1024)]


class TrainingRequest(Form):
    """What to train, on what; every field of the network that is given, null included, overrides the preset's."""

    model_config = shown_as(examples.TRAINING_REQUEST)

    model: Name = Field(description="the model of which a new version is made")
    dataset: str = Field(description="a data set's id or name; `digits`, `mnist` and `fashion-mnist` are built in")
    preset: Annotated[str, one_of(PRESETS)] = "fast"
    hidden: Annotated[
        list[int] | None, Field(max_length=MOST_LAYERS), whole_numbers("the widths of the hidden layers", MOST_LAYERS)
    ] = None
    activation: Annotated[str | None, one_of(ACTIVATIONS)] = None
    initializer: Annotated[str | None, one_of(INITIALIZERS)] = None
    optimizer: Annotated[dict[str, Any] | None, named(OPTIMIZERS, "with settings such as `learning_rate`")] = None
    schedule: Annotated[dict[str, Any] | None, named(SCHEDULES, "how the learning rate changes")] = None
    epochs: Annotated[int | None, Field(le=MOST_EPOCHS), whole_number(1, MOST_EPOCHS)] = None
    batch_size: Annotated[int | None, whole_number(1)] = None
    seed: Annotated[int | None, whole_number(0, 2**63 - 1)] = None
    dtype: Annotated[str | None, one_of(DTYPES)] = None
    dropout: Annotated[float | None, share("of the units that a training step leaves out")] = None
    weight_decay: Annotated[float | None, number(minimum=0)] = None
    label_smoothing: Annotated[float | None, share("of each target that goes to all classes alike")] = None
    gradient_clip: Annotated[float | None, Field(description="the longest that a gradient may be; null for any")] = None
    augmentation: Annotated[dict[str, Any] | None, Field(description="how images are changed at random")] = None
    early_stopping: Annotated[dict[str, Any] | None, Field(description="when to stop before the last epoch")] = None
    validation_fraction: Annotated[float | None, share("of the images that are kept to validate on")] = None
    promote: AliasName | None = Field(None, description="an alias to move to the new version")
    webhook: str | None = Field(None, description=WEBHOOK)
    timeout_seconds: float | None = Field(None, gt=0, description="how long the job may run")
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=64)] = Field(
        default_factory=dict, description="what you like to remember with the job"
    )

    def configuration(self, samples: int) -> Configuration:
        """The preset with the request's changes; raises `ConfigurationError`.

        A preset's mini-batch shrinks to the data where there are fewer images; one that was asked for does not.
        """
        about_the_job = {"model", "dataset", "preset", "promote", "webhook", "timeout_seconds", "labels"}
        configuration = preset(self.preset, **self.model_dump(exclude=about_the_job, exclude_unset=True))
        if self.batch_size is None:
            most = max(1, samples - configuration.validation_count(samples))
            configuration = replace(configuration, batch_size=min(configuration.batch_size, most))
        configuration.check(samples)
        return configuration


def blueprint(
    built_in: BuiltIn, submission: Submission, webhooks: Webhooks, keys: IdempotencyKeys, settings: Settings
) -> Blueprint:
    """The route that takes training jobs."""
    routes = Blueprint("training-jobs", __name__)

    @routes.post("/v1/training-jobs")
    @operation(
        "Train a network",
        scope="submit",
        body=TrainingRequest,
        answers={202: Answer((JobView,), "The job was accepted.", headers=("Location",))},
        errors=(
            refusal(NotFound, "dataset_not_found"),
            refusal(Unavailable, "dataset_unavailable"),
            refusal(TooMany, "queue_full"),
        ),
    )
    @idempotent(keys)
    def submit() -> tuple[JobView, int, dict[str, str]]:
        """The data set's content is pinned now; the training ends in a new version of the model."""
        wanted = from_json(TrainingRequest, settings)
        webhook = webhooks.choose(wanted.webhook, pointer="#/webhook")
        dataset = built_in.get(wanted.dataset)
        try:
            configuration = wanted.configuration(dataset.splits["train"])
        except ConfigurationError as error:
            raise invalid_configuration(error) from error
        _refuse_too_many_parameters(configuration, dataset, settings)
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
                request={**wanted.model_dump(exclude_unset=True), "preset": wanted.preset},
                specification=specification.pinned(),
            )
        )
        return job_view(job, warnings, submission.waiting(job)), 202, {"Location": f"/v1/jobs/{job.id}"}

    return routes


def _refuse_too_many_parameters(configuration: Configuration, dataset: Manifest, settings: Settings) -> None:
    network = Network(dataset.image_shape, len(dataset.classes), configuration)
    if network.parameter_count > settings.max_parameters:
        reason = f"makes {network.parameter_count} parameters; at most {settings.max_parameters} are taken"
        raise Invalid("validation_failed", f"#/hidden: {reason}", [FieldError(reason, pointer="#/hidden")])
