"""The model registry: the volume itself. Finds versions by number or alias, moves aliases, deletes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from shared.errors import Conflict, Damaged, Invalid, NotFound
from shared.registry.manifest import ModelVersion, VersionDraft
from shared.registry.publishing import Publications
from shared.registry.state import Alias, State, States
from shared.registry.weights import WeightFiles
from shared.runtime import clock
from shared.storage import durable
from shared.storage.names import ALIAS_RULE, is_alias, is_name
from shared.storage.reserve import Reserve
from shared.storage.volume import Volume

Condition = Callable[[Alias | None], None]
"""Looks at an alias before it changes, None where there is none, and raises to forbid it."""


class Registry:
    """Publishes, finds, loads and deletes model versions, beside any number of others on the same volume."""

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
    ) -> ModelVersion:
        """Publish what a job trained as the next version; see `Publications.publish`."""
        self._reserve.keep()
        self._publications.publish(draft, parameters, scratch, confirm)
        version = self.version_of_job(draft.model, draft.job)
        assert version is not None
        return version

    def version_of_job(self, name: str, job: str) -> ModelVersion | None:
        """What the job has published, or None; `NotFound` where that was deleted."""
        number = self._publications.number_of_job(name, job)
        if number is None:
            return None
        self._refuse_deleted(name, number)
        return self._publications.manifest(name, number)

    def models(self) -> list[str]:
        """The names of all models that have a version, sorted."""
        folders = self._volume.models.iterdir() if self._volume.models.exists() else ()
        return sorted(folder.name for folder in folders if is_name(folder.name) and self._has_versions(folder.name))

    def each(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, list[ModelVersion]]]:
        """These models, or all, with their versions; one that is deleted meanwhile is passed over."""
        for name in self.models() if names is None else names:
            try:
                versions = self.versions(name)
            except NotFound:
                continue
            yield name, versions

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, the newest first; `NotFound` where there is none."""
        numbers = self._numbers(name) if is_name(name) else []
        if not numbers:
            raise _no_model(name)
        return [self._publications.manifest(name, number) for number in numbers]

    def number(self, name: str, reference: str = "latest") -> int:
        """The number of a version by number, by alias, or of the newest (`latest`); cheap enough for each request."""
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
        """One version: by number, by alias, or the newest (`latest`)."""
        return self._publications.manifest(name, self.number(name, reference))

    def resolve(self, reference: str) -> ModelVersion:
        """One version by a reference as people write it: `name`, `name@alias` or `name@3`."""
        name, at, version = reference.partition("@")
        if at and not version:
            how = f"write {name}, {name}@alias or {name}@3"
            raise Invalid("invalid_reference", f"{reference!r} names no version: {how}")
        return self.get(name, version or "latest")

    def aliases(self, name: str) -> dict[str, int]:
        """The model's aliases and the versions that they point to; `NotFound` where there is no model."""
        return {name: alias.version for name, alias in self.alias_states(name).items()}

    def alias_states(self, name: str) -> dict[str, Alias]:
        """The model's aliases as they are, sorted; `NotFound` where there is no model."""
        self.number(name)
        return dict(sorted(self._states.read(name).aliases.items()))

    def alias(self, name: str, alias: str) -> Alias:
        """One alias as it is; `NotFound` where there is no such alias."""
        found = self.alias_states(name).get(alias)
        if found is None:
            raise _no_alias(name, alias)
        return found

    def point(self, name: str, alias: str, version: int, condition: Condition = lambda _: None) -> Alias:
        """Let the alias point to a version; `NotFound` where there is no such version, `Invalid` for a bad name."""
        if not is_alias(alias):
            raise Invalid("invalid_alias", f"{alias!r} cannot be an alias, which {ALIAS_RULE}")
        self.number(name)

        def moved(state: State) -> State:
            before = state.aliases.get(alias)
            condition(before)
            self.number(name, str(version))
            if before is not None and before.version == version:
                return state
            points = Alias(version=version, revision=state.revision + 1, moved_at=clock.now())
            return state.model_copy(update={"aliases": {**state.aliases, alias: points}})

        return self._states.change(name, moved).aliases[alias]

    def remove_alias(self, name: str, alias: str, condition: Condition = lambda _: None) -> None:
        """Remove an alias; the version stays. `NotFound` where there is no such alias."""
        self.number(name)

        def removed(state: State) -> State:
            condition(state.aliases.get(alias))
            if alias not in state.aliases:
                raise _no_alias(name, alias)
            others = {other: points for other, points in state.aliases.items() if other != alias}
            return state.model_copy(update={"aliases": others})

        self._reserve.spend(lambda: self._states.change(name, removed))

    def is_deleted(self, name: str, version: int) -> bool:
        """Whether there was such a version, and is not any more."""
        return version in self._states.read(name).deleted

    def delete(self, name: str, reference: str, *, force: bool = False) -> None:
        """Delete a version and free its space; its number is not given again.

        Raises `Conflict` where an alias points to it, unless by `force`, which removes those aliases.
        """
        number = self.number(name, reference)
        self._reserve.spend(lambda: self._delete(name, lambda: [number], force=force))

    def delete_model(self, name: str, *, force: bool = False) -> None:
        """Delete all versions that a model has; raises `Conflict` where it has aliases, unless by `force`.

        If it is trained again, its numbers go on.
        """
        self.number(name)
        self._reserve.spend(lambda: self._delete(name, lambda: self._numbers(name), force=force))

    def is_served(self, name: str) -> bool:
        """Whether the model answers online; it does unless somebody unloaded it. `NotFound` for what is no name."""
        return self._state(name).served

    def serve(self, name: str, *, served: bool) -> None:
        """Let the model answer online, in all processes, or not; batches are none of it. `NotFound` without a model."""
        self.number(name)
        self._states.change(
            name, lambda state: state if state.served == served else state.model_copy(update={"served": served})
        )

    def weights_path(self, version: ModelVersion, *, anew: bool = True) -> Path:
        """The version's `.npz`, after a check of its digest; raises `Damaged` where it is wrong.

        Reads the file for that, unless `anew` is false and it has not changed since it was read last.
        """
        try:
            return self._weights.checked_path(version, anew=anew)
        except Damaged:
            self._refuse_deleted(version.model, version.version)
            raise

    def is_damaged(self, version: ModelVersion) -> bool:
        """Whether the version's file is not what was published, as far as that is cheap to say."""
        return self._weights.is_damaged(version)

    def load(self, version: ModelVersion) -> dict[str, NDArray[Any]]:
        """The version's parameters by name; raises `Damaged` where the file is not what was published."""
        try:
            return self._weights.load(version)
        except (Damaged, FileNotFoundError):
            self._refuse_deleted(version.model, version.version)
            raise

    def _delete(self, name: str, numbers: Callable[[], list[int]], *, force: bool) -> None:
        def without(state: State) -> State:
            doomed = set(numbers()) - state.deleted
            pointing = {alias: to.version for alias, to in sorted(state.aliases.items()) if to.version in doomed}
            if pointing and not force:
                raise _in_use(pointing)
            aliases = {alias: points for alias, points in state.aliases.items() if alias not in pointing}
            return state.model_copy(update={"aliases": aliases, "deleted": state.deleted | doomed}) if doomed else state

        for number in self._states.change(name, without).deleted:
            self._free(name, number)  # all of them: whoever deleted one may have died before this

    def _free(self, name: str, number: int) -> None:
        """Remove a deleted version's weights; what stays of its manifest keeps the number taken."""
        folder = self._volume.version(name, number)
        weights = folder / "weights.npz"
        if weights.exists():
            kept = self._publications.manifest(name, number).model_copy(update={"history": (), "evaluation": {}})
            durable.write_json(folder / "manifest.json", kept.model_dump(mode="json"))
            weights.unlink(missing_ok=True)

    def _refuse_deleted(self, name: str, number: int) -> None:
        if self.is_deleted(name, number):
            raise NotFound("version_deleted", f"version {number} of {name!r} was deleted")

    def _state(self, name: str) -> State:
        """The model's state; `NotFound` for what is no name, which must not come near a path."""
        if not is_name(name):
            raise _no_model(name)
        return self._states.read(name)

    def _has_versions(self, name: str) -> bool:
        return self._publications.newest(name, self._states.read(name).deleted) is not None

    def _numbers(self, name: str) -> list[int]:
        """The numbers of all versions, the newest first."""
        deleted = self._states.read(name).deleted
        return [number for number in self._publications.numbers(name) if number not in deleted]


def _no_model(name: str) -> NotFound:
    return NotFound("model_not_found", f"there is no model {name!r}; a training job makes one")


def _no_alias(name: str, alias: str) -> NotFound:
    return NotFound("alias_not_found", f"the model {name!r} has no alias {alias!r}")


def _in_use(pointing: dict[str, int]) -> Conflict:
    them = ", ".join(f"{alias!r} points to version {number}" for alias, number in pointing.items())
    return Conflict("version_in_use", f"{them}: let it point elsewhere, remove it, or delete with ?force=true")
