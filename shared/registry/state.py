"""What changes about a model: its aliases, which versions were deleted, and whether it is served online.

All of it is one state with one chain of revisions (`shared/storage/revisions.py`), so that no alias can come to point
to a version while that is being deleted, whoever does what on which host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

from shared.storage import durable
from shared.storage.revisions import Revisions
from shared.storage.volume import Volume


class Alias(BaseModel):
    """Where an alias points, and the revision of the model's state that let it point there."""

    model_config = ConfigDict(frozen=True)

    version: int
    revision: int
    moved_at: str


class State(BaseModel):
    """A model's state; without any revision it is that of a model whose versions are all there.

    What a newer version of the code has put into it is kept when this one changes the rest.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    revision: int = Field(0, exclude=True)
    aliases: Mapping[str, Alias] = {}
    deleted: frozenset[int] = frozenset()
    served: bool = True

    def pointing_to(self, version: int) -> list[str]:
        """The aliases that point to the version, sorted."""
        return sorted(name for name, alias in self.aliases.items() if alias.version == version)


UNCHANGED = State()


class States:
    """Reads and changes the models' states."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._read: dict[str, State] = {}  # by model, as it was read last: a revision's content never changes

    def read(self, name: str) -> State:
        """The model's state as it is now."""
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
        """Put in force what `change` makes of the state; it may be called again, when somebody else was faster.

        Nothing is written where it gives back what it was given; what it raises is passed on.
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


@lru_cache(maxsize=1000)  # a prediction is short: to put a path together would take a part of it
def _revisions(volume: Volume, name: str) -> Revisions:
    return Revisions(volume.states(name))
