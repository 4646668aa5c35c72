"""Settings in a group of their own, such as an optimizer's or an augmentation's, and their form in JSON."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

from shared.network import validation
from shared.network.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Options(ABC):
    """The base of such groups. A setting that cannot work raises ConfigurationError("<part>.<setting>")."""

    part: ClassVar[str]
    """The configuration's field that holds the group."""

    def to_dict(self) -> dict[str, Any]:
        """Give every setting as a plain value."""
        return asdict(self)

    def _normalize(
        self, field: str, *, above: float | None = None, minimum: float | None = None, below: float | None = None
    ) -> None:
        """Check a number and keep it as a float: 1 and 1.0 are one setting, and have one form in JSON."""
        value = getattr(self, field)
        value = validation.number(f"{self.part}.{field}", value, above=above, minimum=minimum, below=below)
        object.__setattr__(self, field, value)


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """A group that belongs to a named choice."""

    name: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Give the name and every setting as plain values."""
        return {"name": self.name, **asdict(self)}


Group = TypeVar("Group", bound=Options)
Kind = TypeVar("Kind", bound=Settings)


def read(part: str, kinds: Mapping[str, type[Kind]], settings: object) -> Kind:
    """Read `Settings.to_dict`'s form as one of these kinds; a setting left out has its default.

    What is one of these kinds already is given back as it is. Raises ConfigurationError.
    """
    for kind in kinds.values():
        if isinstance(settings, kind):
            return settings
    if not isinstance(settings, Mapping):
        raise ConfigurationError(part, 'must be an object with a "name"')
    kind = kinds[validation.choice(f"{part}.name", settings.get("name"), kinds)]
    return _build(kind, {field: value for field, value in settings.items() if field != "name"}, kind.name)


def read_optional(kind: type[Group], settings: object) -> Group | None:
    """Read `Options.to_dict`'s form; None, which turns the group off, stays None. Raises ConfigurationError."""
    if settings is None or isinstance(settings, kind):
        return settings
    if not isinstance(settings, Mapping):
        raise ConfigurationError(kind.part, "must be an object or null")
    return _build(kind, dict(settings), kind.part)


def _build(kind: type[Group], values: dict[str, Any], title: str) -> Group:
    known = {field.name: field for field in fields(kind)}
    for name in values:
        if name not in known:
            raise ConfigurationError(f"{kind.part}.{name}", f"is no setting of {title}")
    for name, field in known.items():
        if name not in values and field.default is MISSING:
            raise ConfigurationError(f"{kind.part}.{name}", "is missing")
    return kind(**values)
