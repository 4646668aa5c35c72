"""What a data set is needed for: a version can be trained again, and understood, only while its data are there."""

from __future__ import annotations

from shared.datasets import Manifest
from shared.errors import Conflict
from shared.jobs import JobStore, Kind, State
from shared.registry import Registry

NAMED = 10  # versions and jobs that an error names; it counts the rest
TRAINS = {Kind.TRAINING, Kind.REPRODUCTION}
NOT_OVER = tuple(state for state in State if not state.is_terminal)


def refuse_if_needed(manifest: Manifest, registry: Registry, jobs: JobStore) -> None:
    """Raise `Conflict` where a version was trained on the data set, or a job that is not over will be."""
    users = [
        f"{version.model}@{version.version}"
        for name, versions in registry.each()
        for version in versions
        if version.dataset == manifest.id
    ] + [
        f"job {job.id}"
        for state in NOT_OVER
        for job in jobs.newest_first(state)
        if job.kind in TRAINS and job.specification["dataset"] == manifest.id
    ]
    if users:
        others = f" and {len(users) - NAMED} more" if len(users) > NAMED else ""
        raise Conflict(
            "dataset_in_use",
            f"{manifest.id} is needed by {', '.join(users[:NAMED])}{others}; ?force=true deletes it all the same",
        )
