"""Groups of settings, such as an optimizer's or an augmentation's, and their form in JSON."""

from __future__ import annotations

import dataclasses
from abc import ABC
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, ClassVar, Generic, TypeVar

from shared.network.errors import ConfigurationError
from shared.network.settings import validation
from shared.network.settings.fields import Choice, Field, JsonObject, fields_of, normalize, or_null


@dataclass(frozen=True, kw_only=True)
class Options(ABC):
    """The base class of groups. An invalid setting raises ConfigurationError("<part>.<setting>")."""

    part: ClassVar[str]
    """The configuration's field that holds the group."""

    def __post_init__(self) -> None:
        normalize(self, f"{self.part}.")

    def to_dict(self) -> JsonObject:
        """Return every setting as a plain value."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """The settings of one named choice, such as one of the optimizers."""

    name: ClassVar[str]

    def to_dict(self) -> JsonObject:
        """Return the name and every setting as plain values."""
        return {"name": self.name, **asdict(self)}


Group = TypeVar("Group", bound=Options)
Kind = TypeVar("Kind", bound=Settings)


@dataclass(frozen=True)
class NamedGroup(Field, Generic[Kind]):
    """An object with the `name` of one of these kinds and that kind's settings."""

    kinds: Mapping[str, type[Kind]]

    def check(self, name: str, value: object) -> Kind:
        """Return the settings as one of the kinds."""
        return read(name, self.kinds, value)

    def check_override(self, name: str, value: object) -> Any:
        """Return the settings. Without a name they apply to the preset's kind, so they are checked with the preset."""
        if not isinstance(value, Mapping):
            raise ConfigurationError(name, f"must be an object, {_example(self.kinds)}; got {validation.shown(value)}")
        return value

    def schema(self) -> JsonObject:
        """Return the names, and the settings of all kinds.

        Raises TypeError if two kinds describe a setting of one name differently.
        """
        described: dict[str, Field] = {}
        owners: dict[str, list[str]] = {}
        for kind in self.kinds.values():
            for name, field in fields_of(kind).items():
                if described.setdefault(name, field) != field:
                    raise TypeError(f"{kind.__name__}.{name} differs from the setting of that name in {owners[name]}")
                owners.setdefault(name, []).append(kind.name)
        settings = {name: field.schema() for name, field in described.items()}
        for name, kinds in owners.items():
            if len(kinds) < len(self.kinds):
                settings[name]["description"] += f" ({', '.join(kinds)})"
        names = Choice(f"Name of the {self.description[0].lower()}{self.description[1:]}", self.kinds)
        return {**_object({"name": names.schema()} | settings), "description": self.description}


@dataclass(frozen=True)
class OptionalGroup(Field, Generic[Group]):
    """An object with a group's settings, or None, which turns the group off."""

    group: type[Group]

    def check(self, name: str, value: object) -> Group | None:  # noqa: ARG002 - the group has its own name
        """Return the group."""
        return read_optional(self.group, value)

    def check_override(self, name: str, value: object) -> Any:
        """Return the settings. The preset provides missing ones."""
        if value is not None and not isinstance(value, Mapping):
            raise ConfigurationError(name, f"must be an object or null; got {validation.shown(value)}")
        return value

    def schema(self) -> JsonObject:
        """Return the group's settings."""
        return {**or_null(_group_schema(self.group)), "description": self.description}


@dataclass(frozen=True)
class GroupList(Field, Generic[Group]):
    """A list of at most `longest` objects with a group's settings."""

    group: type[Group]
    _: dataclasses.KW_ONLY
    longest: int

    def check(self, name: str, value: object) -> tuple[Group, ...]:
        """Return the groups as a tuple; an error names the index, such as `convolutions.0.filters`."""
        if not isinstance(value, list | tuple):
            raise ConfigurationError(name, f"must be a list of objects; got {validation.shown(value)}")
        if len(value) > self.longest:
            raise ConfigurationError(name, f"must have at most {self.longest} objects; got {len(value)}")
        return tuple(self._read(f"{name}.{index}", each) for index, each in enumerate(value))

    def schema(self) -> JsonObject:
        """Return the schema of the objects and the bound."""
        return {
            "type": "array",
            "items": _group_schema(self.group),
            "maxItems": self.longest,
            "description": self.description,
        }

    def _read(self, name: str, value: object) -> Group:
        if isinstance(value, self.group):
            return value
        if not isinstance(value, Mapping):
            raise ConfigurationError(name, f"must be an object; got {validation.shown(value)}")
        try:
            return _build(self.group, dict(value), "an object of the list")
        except ConfigurationError as error:
            raise ConfigurationError(name + error.field.removeprefix(self.group.part), error.reason) from None


def read(part: str, kinds: Mapping[str, type[Kind]], settings: object) -> Kind:
    """Read the result of `Settings.to_dict` as one of these kinds; a missing setting has its default.

    An instance of one of these kinds is returned unchanged. Raises ConfigurationError.
    """
    for kind in kinds.values():
        if isinstance(settings, kind):
            return settings
    if not isinstance(settings, Mapping):
        raise ConfigurationError(part, f"must be an object, {_example(kinds)}; got {validation.shown(settings)}")
    kind = kinds[validation.choice(f"{part}.name", settings.get("name"), kinds)]
    return _build(kind, {field: value for field, value in settings.items() if field != "name"}, kind.name)


def read_optional(kind: type[Group], settings: object) -> Group | None:
    """Read the result of `Options.to_dict`, or None, which turns the group off. Raises ConfigurationError."""
    if settings is None or isinstance(settings, kind):
        return settings
    if not isinstance(settings, Mapping):
        raise ConfigurationError(kind.part, f"must be an object or null; got {validation.shown(settings)}")
    return _build(kind, dict(settings), kind.part)


def _build(kind: type[Group], values: JsonObject, title: str) -> Group:
    known = {field.name: field for field in fields(kind)}
    for name in values:
        if name not in known:
            settings = f"which has {', '.join(known)}" if known else "which has none"
            raise ConfigurationError(f"{kind.part}.{name}", f"is not a setting of {title}, {settings}")
    for name, field in known.items():
        if name not in values and field.default is MISSING:
            raise ConfigurationError(f"{kind.part}.{name}", "is missing")
    return kind(**values)


def _group_schema(group: type[Options]) -> JsonObject:
    schema = _object({name: field.schema() for name, field in fields_of(group).items()})
    required = [field.name for field in fields(group) if field.default is MISSING]
    return schema | ({"required": required} if required else {})


def _object(properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _example(kinds: Mapping[str, type[Kind]]) -> str:
    return f'such as {{"name": "{next(iter(kinds))}"}}'
