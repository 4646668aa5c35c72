"""A named choice with settings of its own, such as an optimizer or a schedule, and its form in JSON."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

from shared.network import validation
from shared.network.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Settings(ABC):
    """The base of such choices. A setting that cannot work raises ConfigurationError("<part>.<setting>")."""

    part: ClassVar[str]
    """The configuration's field that holds the choice."""

    name: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Give the name and every setting as plain values."""
        return {"name": self.name, **asdict(self)}

    def _normalize(
        self, field: str, *, above: float | None = None, minimum: float | None = None, below: float | None = None
    ) -> None:
        """Check a number and keep it as a float: 1 and 1.0 are one setting, and have one form in JSON."""
        value = getattr(self, field)
        value = validation.number(f"{self.part}.{field}", value, above=above, minimum=minimum, below=below)
        object.__setattr__(self, field, value)


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
    values = {field: value for field, value in settings.items() if field != "name"}
    known = {field.name for field in fields(kind)}
    for name in values:
        if name not in known:
            raise ConfigurationError(f"{part}.{name}", f"is no setting of {kind.name}")
    return kind(**values)
