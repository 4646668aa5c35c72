"""The layout of the shared volume: the only module that builds its paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Volume:
    """The paths below one root.

    incoming/                     uploads in progress, each in one request
    uploads/<owner>/<id>/         upload.json, data, lock, unverified, used: resumable uploads
    datasets/<sha256>/            data.npz, manifest.json; paths.npz if the images have paths; summary.json,
                                  near-pairs.json, distances.npz if requested
    datasets/names/<name>         the id that the name points to
    models/<name>/<version>/      weights.npz, manifest.json, predictions.npz; history.jsonl, evaluation.json if large
    models/<name>/index.json      what lists need of the versions' manifests
    models/<name>/by-job/<id>     commits a publication: the version that this job produced
    models/<name>/states/<n>      its aliases and deletions; the highest n is valid
    jobs/<id>/                    specification.json (specification.draft.json until the job is accepted), deleted,
                                  archive, plan/, shards/, checkpoints/, evaluation/,
                                  promotion.<retry>.json, end.json, events.jsonl, notice.json
    reserve                       space that is freed so that deletions work if the disk is full
    webhook-secret                signs webhooks, unless the settings name another file
    """

    root: Path

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    def uploads_of(self, owner: str) -> Path:
        return self.uploads / owner

    def upload(self, owner: str, upload_id: str) -> Path:
        return self.uploads_of(owner) / upload_id

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def dataset_names(self) -> Path:
        return self.datasets / "names"

    def dataset(self, digest: str) -> Path:
        return self.datasets / digest

    @property
    def models(self) -> Path:
        return self.root / "models"

    def model(self, name: str) -> Path:
        return self.models / name

    def version(self, name: str, version: int) -> Path:
        return self.model(name) / str(version)

    def version_index(self, name: str) -> Path:
        return self.model(name) / "index.json"

    def commit(self, name: str, job_id: str) -> Path:
        return self.model(name) / "by-job" / job_id

    def states(self, name: str) -> Path:
        return self.model(name) / "states"

    @property
    def reserve(self) -> Path:
        return self.root / "reserve"

    @property
    def webhook_secret(self) -> Path:
        return self.root / "webhook-secret"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    def job(self, job_id: str) -> Path:
        return self.jobs / job_id

    def specification(self, job_id: str) -> Path:
        return self.job(job_id) / "specification.json"

    def draft(self, job_id: str) -> Path:
        return self.job(job_id) / "specification.draft.json"

    def deletion(self, job_id: str) -> Path:
        return self.job(job_id) / "deleted"

    def end(self, job_id: str) -> Path:
        return self.job(job_id) / "end.json"

    def events(self, job_id: str) -> Path:
        return self.job(job_id) / "events.jsonl"

    def delivery(self, job_id: str) -> Path:
        return self.job(job_id) / "notice.json"

    def checkpoints(self, job_id: str) -> Path:
        return self.job(job_id) / "checkpoints"

    def promotion(self, job_id: str, retry: int) -> Path:
        return self.job(job_id) / f"promotion.{retry}.json"

    def evaluation(self, job_id: str) -> Path:
        return self.job(job_id) / "evaluation"

    def archive(self, job_id: str) -> Path:
        return self.job(job_id) / "archive"

    def archive_index(self, job_id: str) -> Path:
        return self.job(job_id) / "plan"

    def shards(self, job_id: str) -> Path:
        return self.job(job_id) / "shards"

    def shard(self, job_id: str, number: int, retry: int) -> Path:
        return self.shards(job_id) / f"{number:06d}.{retry}.jsonl"

    def shard_files(self, job_id: str) -> Iterator[tuple[int, int]]:
        """Iterate over the number and the retry of each shard's file, unordered; none if the folder does not exist."""
        with suppress(FileNotFoundError), os.scandir(self.shards(job_id)) as entries:
            for entry in entries:
                if match := re.fullmatch(r"(\d+)\.(\d+)\.jsonl", entry.name):
                    yield int(match[1]), int(match[2])
