"""`POST /v1/training-jobs`: a configuration and a data set become a job that ends in a new model version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint
from pydantic import Field

from api import examples
from api.examples import shown_as
from api.operations import Answer, operation, refusal
from api.submission import Submission
from api.validation import Form, from_json, invalid_configuration
from api.views import JobView, job_view
from api.webhooks import WEBHOOK, Webhooks
from shared.datasets.builtin import BuiltIn
from shared.datasets.manifest import Manifest
from shared.errors import FieldError, Invalid, NotFound, Unavailable
from shared.jobs import Job, Kind, Progress
from shared.names import Name, new_id
from shared.network import Configuration, ConfigurationError, Network, preset
from shared.settings import Settings
from shared.specifications import TrainingSpecification


class TrainingRequest(Form):
    """What to train, on what; every field of the network that is given, null included, overrides the preset's."""

    model_config = shown_as(examples.TRAINING_REQUEST)

    model: Name
    dataset: str
    preset: str = "fast"
    hidden: list[int] | None = None
    activation: str | None = None
    initializer: str | None = None
    optimizer: dict[str, Any] | None = None
    schedule: dict[str, Any] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    seed: int | None = None
    dtype: str | None = None
    dropout: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    gradient_clip: float | None = None
    augmentation: dict[str, Any] | None = None
    early_stopping: dict[str, Any] | None = None
    validation_fraction: float | None = None
    promote: Name | None = None
    webhook: str | None = Field(None, description=WEBHOOK)
    timeout_seconds: float | None = Field(None, gt=0)
    labels: dict[str, str] = Field(default_factory=dict)

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


def blueprint(built_in: BuiltIn, submission: Submission, webhooks: Webhooks, settings: Settings) -> Blueprint:
    """The route that takes training jobs."""
    routes = Blueprint("training-jobs", __name__)

    @routes.post("/v1/training-jobs")
    @operation(
        "Train a network",
        scope="submit",
        body=TrainingRequest,
        answers={202: Answer((JobView,), "The job was accepted.", headers=("Location",))},
        errors=(refusal(NotFound, "dataset_not_found"), refusal(Unavailable, "dataset_unavailable")),
        creates=True,
    )
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
                id=new_id(),
                kind=Kind.TRAINING,
                model=wanted.model,
                timeout_seconds=wanted.timeout_seconds,
                webhook=webhook,
                progress=Progress(total=configuration.epochs, unit="epochs"),
                request={**wanted.model_dump(exclude_unset=True), "preset": wanted.preset},
                specification=specification.model_dump(mode="json"),
            )
        )
        return job_view(job, warnings), 202, {"Location": f"/v1/jobs/{job.id}"}

    return routes


def _refuse_too_many_parameters(configuration: Configuration, dataset: Manifest, settings: Settings) -> None:
    network = Network(dataset.image_shape, len(dataset.classes), configuration)
    if network.parameter_count > settings.max_parameters:
        reason = f"makes {network.parameter_count} parameters; at most {settings.max_parameters} are taken"
        raise Invalid("validation_failed", f"#/hidden: {reason}", [FieldError(reason, pointer="#/hidden")])
