"""The model registry on the volume: publishes versions, finds them by number or alias, moves aliases, deletes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from shared.errors import Conflict, Damaged, Invalid, NotFound
from shared.json_types import JsonObject
from shared.network.evaluation.predictions import PredictionColumns
from shared.registry.details import EVALUATION, HISTORY, read_history
from shared.registry.manifest import ModelVersion, StoredEvaluation, VersionDraft, VersionHead
from shared.registry.predictions.stored import PREDICTIONS, StoredPredictions
from shared.registry.publishing import Publications
from shared.registry.state import Alias, State, States
from shared.registry.stored import StoredArray
from shared.registry.weights import WeightFiles
from shared.runtime import clock
from shared.storage import durable
from shared.storage.names import ALIAS_RULE, is_alias, is_name
from shared.storage.reserve import Reserve
from shared.storage.volume import Volume

Condition = Callable[[Alias | None], None]
"""A check of an alias, or of None if it does not exist, before a change; it raises an error to reject the change."""


class Registry:
    """The registry of one volume, which any number of processes and hosts may use at once."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._publications = Publications(volume)
        self._states = States(volume)
        self._weights = WeightFiles(volume)
        self._reserve = Reserve(volume)

    def publish(
        self,
        draft: VersionDraft,
        parameters: dict[str, NDArray[Any]],
        scratch: Path,
        confirm: Callable[[], None] = lambda: None,
        check: Callable[[], None] = lambda: None,
        predictions: PredictionColumns | None = None,
    ) -> ModelVersion:
        """Publish a job's parameters as the next version; see `Publications.publish`."""
        self._reserve.keep()
        self._publications.publish(draft, parameters, scratch, confirm, check, predictions)
        version = self.version_of_job(draft.model, draft.job)
        assert version is not None
        return version

    def version_of_job(self, name: str, job: str) -> ModelVersion | None:
        """Return the version that the job has published, or None; raises `NotFound` if it was deleted."""
        number = self._publications.number_of_job(name, job)
        if number is None:
            return None
        self._refuse_deleted(name, number)
        return self._publications.manifest(name, number)

    def models(self) -> list[str]:
        """Return the names of all models that have a version, sorted."""
        folders = self._volume.models.iterdir() if self._volume.models.exists() else ()
        return sorted(folder.name for folder in folders if is_name(folder.name) and self._has_versions(folder.name))

    def each(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, list[VersionHead]]]:
        """Iterate over these models, or all, with what lists need of their versions, newest first.

        Skips a model that is deleted meanwhile, and one whose manifests this version of the code cannot read.
        """
        for name in self.models() if names is None else names:
            try:
                versions = self.heads(name)
            except (NotFound, Damaged):
                continue
            yield name, versions

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the versions of a model as `heads` does, with their whole manifests."""
        return [self._publications.manifest(name, head.version) for head in self.heads(name)]

    def heads(self, name: str) -> list[VersionHead]:
        """Return what lists need of a model's versions, newest first, from its index.

        The versions whose manifests this code cannot read are omitted. Raises `NotFound` if the model has no version,
        and `Damaged` if it has no readable one.
        """
        numbers = self._numbers(name) if is_name(name) else []
        if not numbers:
            raise _no_model(name)
        found = [head for number in numbers if (head := self._publications.head(name, number)) is not None]
        if not found:
            self._publications.manifest(name, numbers[0])  # raises the error
        return found

    def trained_on(self, dataset: str) -> list[str]:
        """Return the references of all versions that were trained on a data set, such as `digits@3`."""
        return [
            f"{name}@{number}"
            for name in self.models()
            for number in self._numbers(name)
            if self._dataset_of(name, number) == dataset
        ]

    def _dataset_of(self, name: str, number: int) -> object:
        head = self._publications.head(name, number)
        if head is not None:
            return head.dataset
        return self._publications.content(name, number).get("dataset")  # of a manifest that this code cannot read

    def number(self, name: str, reference: str = "latest") -> int:
        """Resolve a number, an alias or `latest` to a version's number; fast enough for each request."""
        state = self._state(name)
        if (alias := state.aliases.get(reference)) is not None:
            return alias.version
        newest = self._publications.newest(name, state.deleted)
        if newest is not None and reference == "latest":
            return newest
        number = int(reference) if reference.isascii() and reference.isdecimal() and len(reference) < 19 else 0
        if str(number) == reference and self._publications.is_published(name, number):
            self._refuse_deleted(name, number)
            return number
        if newest is None:
            raise _no_model(name)
        raise NotFound("version_not_found", f"the model {name!r} has no version {reference!r}; its newest is {newest}")

    def get(self, name: str, reference: str = "latest") -> ModelVersion:
        """Return a version by number, by alias, or the newest (`latest`).

        Raises `Damaged` if this version of the code cannot read its manifest.
        """
        return self._publications.manifest(name, self.number(name, reference))

    def resolve(self, reference: str) -> ModelVersion:
        """Return a version by a reference: `name`, `name@alias` or `name@3`."""
        name, at, version = reference.partition("@")
        if at and not version:
            how = f"write {name}, {name}@alias or {name}@3"
            raise Invalid("invalid_reference", f"{reference!r} has no version after the @; {how}")
        return self.get(name, version or "latest")

    def aliases(self, name: str) -> dict[str, int]:
        """Return the model's aliases and the versions that they point to; raises `NotFound` without a model."""
        return {name: alias.version for name, alias in self.alias_states(name).items()}

    def alias_states(self, name: str) -> dict[str, Alias]:
        """Return the model's aliases with their revisions, sorted; raises `NotFound` without a model."""
        self.number(name)
        return dict(sorted(self._states.read(name).aliases.items()))

    def alias(self, name: str, alias: str) -> Alias:
        """Return an alias with its revision; raises `NotFound` if it does not exist."""
        found = self.alias_states(name).get(alias)
        if found is None:
            raise _no_alias(name, alias)
        return found

    def alias_revision(self, name: str, alias: str) -> int | None:
        """Return the revision of an alias; None if the alias or the model does not exist."""
        found = self._state(name).aliases.get(alias)
        return None if found is None else found.revision

    def point(
        self, name: str, alias: str, version: int, condition: Condition = lambda _: None, *, by: str | None = None
    ) -> Alias:
        """Point the alias to a version; `by` says who moves it.

        Raises `NotFound` if the version does not exist, `Invalid` for an invalid name.
        """
        if not is_alias(alias):
            raise Invalid("invalid_alias", f"{alias!r} cannot be an alias; it {ALIAS_RULE}")
        self.number(name)

        def moved(state: State) -> State:
            before = state.aliases.get(alias)
            condition(before)
            self.number(name, str(version))
            if before is not None and before.version == version:
                return state
            points = Alias(version=version, revision=state.revision + 1, moved_at=clock.now(), moved_by=by)
            return state.model_copy(update={"aliases": {**state.aliases, alias: points}})

        return self._states.change(name, moved).aliases[alias]

    def remove_alias(self, name: str, alias: str, condition: Condition = lambda _: None) -> None:
        """Remove an alias; the version stays. Raises `NotFound` if the alias does not exist."""
        self.number(name)

        def removed(state: State) -> State:
            condition(state.aliases.get(alias))
            if alias not in state.aliases:
                raise _no_alias(name, alias)
            others = {other: points for other, points in state.aliases.items() if other != alias}
            return state.model_copy(update={"aliases": others})

        self._reserve.spend(lambda: self._states.change(name, removed))

    def is_deleted(self, name: str, version: int) -> bool:
        """Return whether the version was deleted."""
        return version in self._states.read(name).deleted

    def delete(self, name: str, reference: str, *, force: bool = False) -> None:
        """Delete a version and free its space; its number is not used again.

        Raises `Conflict` if an alias points to it; with `force`, such aliases are removed.
        """
        number = self.number(name, reference)
        self._reserve.spend(lambda: self._delete(name, lambda: [number], force=force))

    def delete_model(self, name: str, *, force: bool = False) -> None:
        """Delete all versions of a model; raises `Conflict` if it has aliases, unless `force` is true.

        If the model is trained again, the numbers continue.
        """
        self.number(name)
        self._reserve.spend(lambda: self._delete(name, lambda: self._numbers(name), force=force))

    def free_leftovers(self, name: str, is_left: Callable[[Path, str], bool]) -> list[Path]:
        """Remove the weights that killed processes have left, and return their paths; the versions' numbers stay taken.

        These are the weights of deleted versions, and of versions that were not published. is_left: whether an
        unpublished version's file is left, by its path and the id of its job.
        """
        left = [
            (number, job)
            for number, job in self._publications.abandoned(name)
            if is_left(self._volume.version(name, number) / "weights.npz", job)
        ]
        published = {number for number, job in left if self._publications.number_of_job(name, job) == number}
        numbers = {number for number, _ in left} - published | self._states.read(name).deleted
        paths = [self._volume.version(name, number) / "weights.npz" for number in sorted(numbers)]
        found = [path for path in paths if path.exists()]
        for path in found:
            self._free(name, int(path.parent.name))
        return found

    def is_served(self, name: str) -> bool:
        """Return whether the model is served online, and not unloaded. Raises `NotFound` for an invalid name."""
        return self._state(name).served

    def serve(self, name: str, *, served: bool) -> None:
        """Enable or disable the online predictions of a model in all processes; raises `NotFound` without a model."""
        self.number(name)
        self._states.change(
            name, lambda state: state if state.served == served else state.model_copy(update={"served": served})
        )

    def weights_path(self, version: ModelVersion, *, anew: bool = True) -> Path:
        """Return the path of the version's `.npz` after a check of its digest; raises `Damaged` if that is wrong.

        The check reads the file, unless `anew` is false and the file has not changed since it was last read.
        """
        try:
            return self._weights.checked_path(version, anew=anew)
        except Damaged:
            self._refuse_deleted(version.model, version.version)
            raise

    def evaluation(self, version: ModelVersion) -> StoredEvaluation:
        """Return the version's evaluation, {} without one; raises `Damaged` if its file has changed."""
        path = self._weights.details_path(version, EVALUATION)
        return version.evaluation if path is None else cast("StoredEvaluation", json.loads(path.read_bytes()))

    def predictions(self, version: ModelVersion) -> StoredPredictions | None:
        """Return the predictions for the version's test images, to be read in blocks; None if older releases made it.

        Raises `Damaged` if the file has changed.
        """
        try:
            path = self._weights.details_path(version, PREDICTIONS)
            return None if path is None else StoredPredictions.of(path, version.classes)
        except (Damaged, FileNotFoundError):
            self._refuse_deleted(version.model, version.version)
            raise

    def history(self, version: ModelVersion, first: int, count: int) -> list[JsonObject]:
        """Return the reports of at most `count` epochs from epoch `first`, which counts from 1.

        Raises `Damaged` if the file with the history has changed.
        """
        path = self._weights.details_path(version, HISTORY)
        if path is None:
            return list(version.history[first - 1 : first - 1 + count])
        return read_history(path, first, count)

    def is_damaged(self, version: ModelVersion | VersionHead) -> bool:
        """Return whether the version's file has changed since publication, by the fast `WeightFiles.is_damaged`."""
        return self._weights.is_damaged(version)

    def load(self, version: ModelVersion) -> dict[str, NDArray[Any]]:
        """Load the version's parameters by name; raises `Damaged` if the file's digest is wrong."""
        try:
            return self._weights.load(version)
        except (Damaged, FileNotFoundError):
            self._refuse_deleted(version.model, version.version)
            raise

    def stored(self, version: ModelVersion, *, anew: bool = True) -> dict[str, StoredArray]:
        """Return the version's parameters by name, to be read in blocks, after the check that `weights_path` makes."""
        try:
            return self._weights.stored(version, anew=anew)
        except (Damaged, FileNotFoundError):
            self._refuse_deleted(version.model, version.version)
            raise

    def _delete(self, name: str, numbers: Callable[[], list[int]], *, force: bool) -> None:
        def without(state: State) -> State:
            added = set(numbers()) - state.deleted
            pointing = {alias: to.version for alias, to in sorted(state.aliases.items()) if to.version in added}
            if pointing and not force:
                raise _in_use(pointing)
            aliases = {alias: to for alias, to in state.aliases.items() if alias not in pointing}
            return state.model_copy(update={"aliases": aliases, "deleted": state.deleted | added}) if added else state

        for number in self._states.change(name, without).deleted:
            self._free(name, number)  # all of them: a process may have died between a deletion and this step

    def _free(self, name: str, number: int) -> None:
        """Remove a deleted version's weights; the rest of its manifest keeps the number reserved."""
        folder = self._volume.version(name, number)
        weights = folder / "weights.npz"
        if weights.exists():
            if content := self._publications.content(name, number):
                shortened = {**content, "history": [], "evaluation": {}, "files": {}}
                durable.write_json(folder / "manifest.json", shortened)
            self._publications.free(name, number)

    def _refuse_deleted(self, name: str, number: int) -> None:
        if self.is_deleted(name, number):
            raise NotFound("version_deleted", f"version {number} of {name!r} was deleted")

    def _state(self, name: str) -> State:
        """Return the model's state; raises `NotFound` for an invalid name, which must never become part of a path."""
        if not is_name(name):
            raise _no_model(name)
        return self._states.read(name)

    def _has_versions(self, name: str) -> bool:
        return self._publications.newest(name, self._states.read(name).deleted) is not None

    def _numbers(self, name: str) -> list[int]:
        """Return the numbers of all versions, newest first."""
        deleted = self._states.read(name).deleted
        return [number for number in self._publications.numbers(name) if number not in deleted]


def _no_model(name: str) -> NotFound:
    return NotFound("model_not_found", f"there is no model {name!r}; a training job creates one")


def _no_alias(name: str, alias: str) -> NotFound:
    return NotFound("alias_not_found", f"the model {name!r} has no alias {alias!r}")


def _in_use(pointing: dict[str, int]) -> Conflict:
    aliases = ", ".join(f"alias {alias!r} points to version {number}" for alias, number in pointing.items())
    return Conflict("version_in_use", f"{aliases}: move or remove the alias, or delete with ?force=true")
