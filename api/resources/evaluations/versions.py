"""`GET /v1/models/{name}/versions/{ref}/evaluation`: a version's test metrics and training history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from flask import Blueprint
from pydantic import with_config
from typing_extensions import TypedDict

from api.schema.examples import ACCURACY_INTERVAL, DATASET_ID, PNG, shown_as
from api.schema.operations import error_response, operation
from shared.errors import Damaged, NotFound
from shared.jobs.outcome import Interval
from shared.json_types import AS_WRITTEN, JsonObject
from shared.network.evaluation.calibration import CalibrationMeasures
from shared.registry import ModelVersion, Registry
from shared.registry.evaluations import JobEvaluation
from shared.registry.manifest import StoredEvaluation


class ClassView(TypedDict):
    """The precision, recall and F1 score of a class. `support` is its number of test images."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


class MistakeView(TypedDict):
    """A misclassified test image: true and predicted label, confidence, and a PNG thumbnail as a data URL."""

    index: int
    label: str
    predicted: str
    confidence: float
    image: str


@with_config(
    shown_as(
        {
            "model": "digits",
            "version": 3,
            "dataset": DATASET_ID,
            "split": "test",
            "samples": 71,
            "loss": 0.0912,
            "accuracy": 0.9859,
            "accuracy_interval": ACCURACY_INTERVAL,
            "top_accuracy": {"1": 0.9859, "2": 1.0},
            "classes": [
                {"label": "0", "precision": 1.0, "recall": 0.9722, "f1": 0.9859, "support": 36},
                {"label": "1", "precision": 0.9722, "recall": 1.0, "f1": 0.9859, "support": 35},
            ],
            "confusion_matrix": [[35, 1], [0, 35]],
            "calibration": {
                "expected_error": 0.0159,
                "bins": [{"above": 0.9, "to": 1.0, "count": 71, "confidence": 0.97, "accuracy": 0.9859}],
            },
            "mistakes": [{"index": 17, "label": "0", "predicted": "1", "confidence": 0.93, "image": PNG}],
            "history": [{"epoch": 1, "train_loss": 0.41, "train_accuracy": 0.88, "seconds": 0.3}],
        }
    )
)
class EvaluationView(TypedDict):
    """Metrics of a version on the images of a split; its own evaluation is on the test images of its data set.

    accuracy_interval: the 95 % confidence interval (Wilson) of the accuracy; null for versions of older releases.
    confusion_matrix: true classes in rows, predicted classes in columns. calibration: accuracy in bins of confidence.
    mistakes: at most 24 errors, the most confident first; empty for versions of old releases. history: one entry per
    epoch; of more than 200 epochs, 200 at equal distances.
    """

    model: str
    version: int
    dataset: str
    split: str
    samples: int
    loss: float
    accuracy: float
    accuracy_interval: Interval | None
    top_accuracy: dict[str, float]
    classes: list[ClassView]
    confusion_matrix: list[list[int]]
    calibration: Annotated[CalibrationMeasures, AS_WRITTEN]
    mistakes: list[MistakeView]
    history: list[JsonObject]


def blueprint(registry: Registry) -> Blueprint:
    """Return the evaluations' route."""
    routes = Blueprint("evaluations", __name__)

    @routes.get("/v1/models/<name>/versions/<reference>/evaluation")
    @operation(
        "Show a version's evaluation",
        scope="read",
        responses={200: EvaluationView},
        errors=(
            error_response(NotFound, "model_not_found", "version_not_found", "version_deleted", "evaluation_not_found"),
            error_response(Damaged, "version_damaged", "version_unreadable"),
        ),
    )
    def show(name: str, reference: str) -> EvaluationView:
        version = registry.get(name, reference)
        measured = registry.evaluation(version)
        if not measured:
            raise NotFound("evaluation_not_found", f"version {version.version} of {name!r} has no evaluation")
        return evaluation_view(version, measured, "test", version.history)

    return routes


def evaluation_view(
    version: ModelVersion | JobEvaluation,
    measured: StoredEvaluation,
    split: str,
    history: Sequence[JsonObject] = (),
) -> EvaluationView:
    """Return the JSON of a version's evaluation, its own or that of an evaluation job."""
    return {
        "model": version.model,
        "version": version.version,
        "dataset": version.dataset,
        "split": split,
        "samples": measured["samples"],
        "loss": measured["loss"],
        "accuracy": measured["accuracy"],
        "accuracy_interval": version.accuracy_interval,
        "top_accuracy": measured["top"],
        "classes": [
            {"label": label, **measures} for label, measures in zip(version.classes, measured["classes"], strict=True)
        ],
        "confusion_matrix": measured["confusion"],
        "calibration": measured["calibration"],
        "mistakes": [
            {
                **mistake,
                "label": version.classes[mistake["label"]],
                "predicted": version.classes[mistake["predicted"]],
            }
            for mistake in measured.get("mistakes", ())
        ],
        "history": list(history),
    }
