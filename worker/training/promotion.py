"""The promotion of a training's version: its alias is moved unless somebody else has moved it while the job ran.

The alias's revision is stored in the job's folder when the job is first claimed. All attempts compare with that one, so
neither a later attempt nor a process that was stopped for a while undoes a change that was made in the meantime.
"""

from __future__ import annotations

import json

from shared.jobs import Job
from shared.jobs.outcome import Finding
from shared.registry import Alias, ModelVersion, Registry
from shared.storage import durable
from shared.storage.volume import Volume
from worker.running.lease import Lease


class _Moved(Exception):
    """The alias was moved or removed since the job was claimed."""

    def __init__(self, now: Alias | None) -> None:
        self.now = now


class Promotion:
    """Moves one alias of the job's model. A retry by a user compares with the alias as of the retry's first claim."""

    def __init__(self, job: Job, alias: str, registry: Registry, volume: Volume) -> None:
        self._job = job.id
        self._model = job.model
        self._alias = alias
        self._registry = registry
        self._path = volume.promotion(job.id, job.retries)

    def begin(self) -> None:
        """Store the alias's revision, unless an earlier attempt has stored it. Call it when the job is claimed."""
        if not self._path.exists():
            content = {"alias": self._alias, "revision": self._registry.alias_revision(self._model, self._alias)}
            durable.add(self._path, [durable.encode_json(content)])
            durable.fsync_folder(self._path.parent)

    def move(self, version: ModelVersion, lease: Lease) -> Finding | None:
        """Point the alias to the version; if it was changed since `begin`, leave it and return a finding about that.

        The lease is confirmed for each state of the model that the change is based on. If this process is stopped after
        that, the change fails as soon as the alias was changed, and the lease is confirmed again.
        Raises `LeaseLost`; also what `Registry.point` raises.
        """
        expected = json.loads(self._path.read_bytes())["revision"]

        def condition(now: Alias | None) -> None:
            lease.confirm_held()
            if now is not None and now.version == version.version:
                return  # an earlier attempt has moved it
            if (None if now is None else now.revision) != expected:
                raise _Moved(now)

        try:
            self._registry.point(self._model, self._alias, version.version, condition, by=f"job {self._job}")
        except _Moved as error:
            changed = "removed" if error.now is None else f"pointed to version {error.now.version}"
            return {
                "code": "alias_not_moved",
                "message": (
                    f"the alias {self._alias!r} was {changed} while this job ran, so it was not moved to version"
                    f" {version.version}; move it with PUT /v1/models/{self._model}/aliases/{self._alias}, or with"
                    f" `glassbox models promote {self._model}@{version.version} --alias {self._alias}`"
                ),
            }
        return None
