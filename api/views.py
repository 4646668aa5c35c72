"""How jobs, data sets and models look in JSON."""

from __future__ import annotations

from typing import Any

from shared.clock import rfc3339
from shared.datasets import Manifest
from shared.jobs import Job, Kind
from shared.registry import ModelVersion


def job_view(job: Job, warnings: list[str] | None = None) -> dict[str, Any]:
    """A job as `/v1/jobs/{id}` shows it."""
    path = f"/v1/jobs/{job.id}"
    links = {"self": path, "events": f"{path}/events"}
    if job.kind is Kind.BATCH:
        links |= {"results": f"{path}/results", "errors": f"{path}/errors"}
    elif job.result is not None:
        links["version"] = f"/v1/models/{job.result['model']}/versions/{job.result['version']}"
    view = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "created_at": rfc3339(job.created_at),
        "started_at": job.started_at and rfc3339(job.started_at),
        "finished_at": job.finished_at and rfc3339(job.finished_at),
        "attempt": job.attempt,
        "progress": job.progress.model_dump(),
        "metrics": job.metrics,
        "request": job.request,
        "result": job.result,
        "error": job.error,
        "links": links,
    }
    return view | {"warnings": warnings} if warnings else view


def dataset_view(manifest: Manifest) -> dict[str, Any]:
    """A data set as `/v1/datasets/{id}` shows it."""
    return {
        "id": manifest.id,
        "name": manifest.name,
        "source": manifest.source,
        "image_shape": manifest.image_shape,
        "classes": manifest.classes,
        "splits": manifest.splits,
        "class_counts": manifest.class_counts,
        "bytes": manifest.bytes,
        "created_at": manifest.created_at,
    }


def version_view(version: ModelVersion, aliases: dict[str, int], damaged: bool) -> dict[str, Any]:
    """A model's version as `/v1/models/{name}/versions/{ref}` shows it; a damaged one cannot be used."""
    path = f"/v1/models/{version.model}/versions/{version.version}"
    return {
        "model": version.model,
        "version": version.version,
        "aliases": sorted(alias for alias, number in aliases.items() if number == version.version),
        "created_at": version.created_at,
        "job": version.job,
        "dataset": version.dataset,
        "configuration": version.configuration,
        "seed": version.seed,
        "blas_threads": version.blas_threads,
        "input": {"image_shape": version.image_shape},
        "classes": version.classes,
        "parameters": version.parameters,
        "metrics": version.metrics,
        "weights": version.weights.model_dump(),
        "damaged": damaged,
        "links": {what: f"{path}/{what}" for what in ("weights", "evaluation", "predict")},
    }


def evaluation_view(version: ModelVersion) -> dict[str, Any]:
    """How good a version is, as `/v1/models/{name}/versions/{ref}/evaluation` shows it: on the data set's test images.

    A row of the confusion matrix is what images of one class were taken for.
    """
    measured = version.evaluation
    return {
        "model": version.model,
        "version": version.version,
        "dataset": version.dataset,
        "samples": measured["samples"],
        "loss": measured["loss"],
        "accuracy": measured["accuracy"],
        "top_accuracy": measured["top"],
        "classes": [
            {"label": label, **measures} for label, measures in zip(version.classes, measured["classes"], strict=True)
        ],
        "confusion_matrix": measured["confusion"],
        "calibration": measured["calibration"],
        "history": version.history,
    }


def model_view(name: str, versions: list[ModelVersion], aliases: dict[str, int], damaged: bool) -> dict[str, Any]:
    """A model as `/v1/models/{name}` shows it: how many versions it has, the newest, and whether that is damaged."""
    return {
        "name": name,
        "versions": len(versions),
        "aliases": aliases,
        "latest": version_view(versions[0], aliases, damaged),
        "links": {"versions": f"/v1/models/{name}/versions"},
    }
