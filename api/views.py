"""How jobs, data sets and models look in JSON."""

from __future__ import annotations

from typing import Any

from shared.datasets import Manifest
from shared.jobs import Job
from shared.jobs.view import job_view as shown_job
from shared.registry import ModelVersion


def job_view(job: Job, warnings: list[str] | None = None) -> dict[str, Any]:
    """A job as `/v1/jobs/{id}` shows it, with warnings for who has just submitted it."""
    view = shown_job(job)
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
        "links": {"weights": f"/v1/models/{version.model}/versions/{version.version}/weights"},
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
