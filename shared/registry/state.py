"""The mutable state of a model: its aliases, its deleted versions, and whether it is served online.

It is one state with one chain of revisions (`shared/storage/revisions.py`), so that no alias can be pointed to a
version while any host deletes that version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from shared.storage import durable
from shared.storage.revisions import Revisions
from shared.storage.volume import Volume


class Alias(BaseModel):
    """The version that an alias points to, and the revision of the model's state that pointed it there.

    moved_by: the key or the job that moved it, for people; None if the API requires no key, or an older release moved
    it.
    """

    model_config = ConfigDict(frozen=True)

    version: int
    revision: int
    moved_at: str
    moved_by: str | None = None


class State(BaseModel):
    """A model's state; revision 0 has no aliases and no deleted versions.

    Fields that a newer version of the code has added are kept when this version changes the others.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    revision: int = Field(0, exclude=True)
    aliases: Mapping[str, Alias] = {}
    deleted: frozenset[int] = frozenset()
    served: bool = True

    def pointing_to(self, version: int) -> list[str]:
        """Return the aliases that point to the version, sorted."""
        return sorted(name for name, alias in self.aliases.items() if alias.version == version)


UNCHANGED = State()


class States:
    """The reader and writer of the models' states."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._read: dict[str, State] = {}  # by model, the state that was last read; a revision's content never changes

    def read(self, name: str) -> State:
        """Return the model's current state."""
        revisions = self._revisions(name)
        known = self._read.get(name)
        if known is not None and revisions.is_newest(known.revision):
            return known
        while number := revisions.newest():
            content = revisions.read(number)
            if content is not None:
                state = State.model_validate_json(content).model_copy(update={"revision": number})
                self._read[name] = state
                return state
        return UNCHANGED

    def change(self, name: str, change: Callable[[State], State]) -> State:
        """Replace the state by the return value of `change`, which is called again if another process changed it first.

        Nothing is written if `change` returns the same object. An error that it raises is not caught.
        """
        while True:
            before = self.read(name)
            after = change(before)
            if after is before:
                return before
            content = durable.encode_json(after.model_dump(mode="json"))
            if self._revisions(name).append(before.revision, content):
                return after.model_copy(update={"revision": before.revision + 1})

    def _revisions(self, name: str) -> Revisions:
        return _revisions(self._volume, name)


@lru_cache(maxsize=1000)  # building a path each time would slow down predictions
def _revisions(volume: Volume, name: str) -> Revisions:
    return Revisions(volume.states(name))
