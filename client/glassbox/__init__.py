"""The client of Glassbox: an SDK and a command for its HTTP API, without any dependency on the server's code.

    from glassbox import Client

    client = Client("http://127.0.0.1:8000")
    job = client.train("mnist.npz", model="digits", preset="accurate").wait()
    print(job.result)

Names of this package are imported at their first use, so that `glassbox --help` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from glassbox.client import Client
    from glassbox.datasets import Dataset
    from glassbox.errors import (
        ChecksumMismatch,
        Conflict,
        Damaged,
        DownloadDamaged,
        Forbidden,
        GlassboxError,
        Gone,
        Invalid,
        LengthRequired,
        LocalFileError,
        Locked,
        Malformed,
        NotFound,
        NotInstalled,
        NotReachable,
        PreconditionFailed,
        Refused,
        ServerFault,
        SettingsError,
        StillRunning,
        StorageFull,
        TooLarge,
        TooMany,
        TooSlow,
        Unauthenticated,
        Unavailable,
        UnexpectedAnswer,
        UnsupportedType,
        WrongArgument,
    )
    from glassbox.http.all_events import AnyEvent
    from glassbox.http.events import Event
    from glassbox.http.retrying import Retries
    from glassbox.jobs import (
        BatchResult,
        Epoch,
        EvaluationResult,
        Job,
        JobError,
        JobFailed,
        JobProgress,
        ReproductionResult,
        SinkResult,
        TrainingResult,
    )
    from glassbox.records.changes import AddFromDataset, AddFromJob, Relabel, Remove
    from glassbox.records.datasets import BuiltInDataset, DatasetSummary, NearPairs, Provenance
    from glassbox.records.evaluations import ClassEvaluation, Evaluation, Mistake
    from glassbox.records.explanations import Explanation, Neighbours
    from glassbox.records.images import Images
    from glassbox.records.predictions import ComparedImage, Comparison, ComparisonCounts, PredictedImage
    from glassbox.records.rows import BatchSummary, Best, IndexedRow, Prediction, Predictions, Row, RowError, RowFilter
    from glassbox.records.selections import Selection
    from glassbox.records.service import Access, Preset, Readiness, System, TrainingEstimate
    from glassbox.records.skipped import SkippedFiles
    from glassbox.records.uploads import Upload
    from glassbox.records.versions import Alias, Baselines, Finding, Model, Version
    from glassbox.records.weights import TensorHistogram, WeightHistograms

_NAMES = {
    "client": ("Client",),
    "datasets": ("Dataset",),
    "errors": (
        "ChecksumMismatch",
        "Conflict",
        "Damaged",
        "DownloadDamaged",
        "Forbidden",
        "GlassboxError",
        "Gone",
        "Invalid",
        "LengthRequired",
        "LocalFileError",
        "Locked",
        "Malformed",
        "NotFound",
        "NotInstalled",
        "NotReachable",
        "PreconditionFailed",
        "Refused",
        "ServerFault",
        "SettingsError",
        "StillRunning",
        "StorageFull",
        "TooLarge",
        "TooMany",
        "TooSlow",
        "Unauthenticated",
        "Unavailable",
        "UnexpectedAnswer",
        "UnsupportedType",
        "WrongArgument",
    ),
    "records.changes": ("AddFromDataset", "AddFromJob", "Relabel", "Remove"),
    "records.datasets": ("BuiltInDataset", "DatasetSummary", "NearPairs", "Provenance"),
    "records.evaluations": ("ClassEvaluation", "Evaluation", "Mistake"),
    "http.all_events": ("AnyEvent",),
    "http.events": ("Event",),
    "jobs": (
        "BatchResult",
        "Epoch",
        "EvaluationResult",
        "Job",
        "JobError",
        "JobFailed",
        "JobProgress",
        "ReproductionResult",
        "SinkResult",
        "TrainingResult",
    ),
    "records.uploads": ("Upload",),
    "records.versions": ("Alias", "Baselines", "Finding", "Model", "Version"),
    "records.weights": ("TensorHistogram", "WeightHistograms"),
    "http.retrying": ("Retries",),
    "records.explanations": ("Explanation", "Neighbours"),
    "records.images": ("Images",),
    "records.predictions": ("ComparedImage", "Comparison", "ComparisonCounts", "PredictedImage"),
    "records.rows": ("BatchSummary", "Best", "IndexedRow", "Prediction", "Predictions", "Row", "RowError", "RowFilter"),
    "records.selections": ("Selection",),
    "records.service": ("Access", "Preset", "Readiness", "System", "TrainingEstimate"),
    "records.skipped": ("SkippedFiles",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Access",
    "AddFromDataset",
    "AddFromJob",
    "Alias",
    "AnyEvent",
    "Baselines",
    "BatchResult",
    "BatchSummary",
    "Best",
    "BuiltInDataset",
    "ChecksumMismatch",
    "ClassEvaluation",
    "Client",
    "ComparedImage",
    "Comparison",
    "ComparisonCounts",
    "Conflict",
    "Damaged",
    "Dataset",
    "DatasetSummary",
    "DownloadDamaged",
    "Epoch",
    "Evaluation",
    "EvaluationResult",
    "Event",
    "Explanation",
    "Finding",
    "Forbidden",
    "GlassboxError",
    "Gone",
    "Images",
    "IndexedRow",
    "Invalid",
    "Job",
    "JobError",
    "JobFailed",
    "JobProgress",
    "LengthRequired",
    "LocalFileError",
    "Locked",
    "Malformed",
    "Mistake",
    "Model",
    "NearPairs",
    "Neighbours",
    "NotFound",
    "NotInstalled",
    "NotReachable",
    "PreconditionFailed",
    "PredictedImage",
    "Prediction",
    "Predictions",
    "Preset",
    "Provenance",
    "Readiness",
    "Refused",
    "Relabel",
    "Remove",
    "ReproductionResult",
    "Retries",
    "Row",
    "RowError",
    "RowFilter",
    "Selection",
    "ServerFault",
    "SettingsError",
    "SinkResult",
    "SkippedFiles",
    "StillRunning",
    "StorageFull",
    "System",
    "TensorHistogram",
    "TooLarge",
    "TooMany",
    "TooSlow",
    "TrainingEstimate",
    "TrainingResult",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "UnsupportedType",
    "Upload",
    "Version",
    "WeightHistograms",
    "WrongArgument",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'glassbox' has no attribute {name!r}")
    return getattr(import_module(f"glassbox.{module}"), name)
