from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from shared.network import Configuration, ConfigurationError
from shared.network.augmentation.ranges import Augmentation
from shared.network.optimization.early_stopping import EarlyStopping
from shared.network.optimization.optimizers import OPTIMIZERS
from shared.network.optimization.schedules import SCHEDULES
from shared.network.settings.fields import Choice, Field, Flag, Integer, Integers, Number, fields_of, normalize
from shared.network.settings.groups import NamedGroup, OptionalGroup, Settings

DESCRIBED: list[Any] = [Configuration, Augmentation, EarlyStopping, *OPTIMIZERS.values(), *SCHEDULES.values()]


@dataclass(frozen=True)
class Oven:
    degrees: Annotated[float, Number("Temperature", minimum=0)]
    trays: Annotated[tuple[int, ...], Integers("Trays", minimum=1, longest=2)] = ()
    fan: Annotated[bool, Flag("Fan")] = False

    def __post_init__(self) -> None:
        normalize(self, "oven.")


@dataclass(frozen=True)
class Undescribed:
    degrees: float


@dataclass(frozen=True, kw_only=True)
class Slow(Settings):
    name = "slow"
    part = "speed"
    rate: Annotated[float, Number("Rate", above=0)] = 1.0


@dataclass(frozen=True, kw_only=True)
class Fast(Slow):
    name = "fast"
    boost: Annotated[float, Number("Boost", above=0)] = 1.0


@dataclass(frozen=True, kw_only=True)
class Odd(Settings):
    name = "odd"
    part = "speed"
    rate: Annotated[float, Number("Another rate", above=0)] = 1.0


@pytest.mark.parametrize("kind", DESCRIBED)
def test_each_setting_has_a_phrase_for_a_description(kind: Any) -> None:
    for field in fields_of(kind).values():
        assert field.description[0].isupper()
        assert not field.description.endswith(".")


def test_a_field_without_a_description_is_rejected_with_its_name() -> None:
    with pytest.raises(TypeError, match=r"annotate Undescribed\.degrees"):
        fields_of(Undescribed)


def test_a_frozen_value_keeps_its_fields_in_their_normal_form() -> None:
    oven = Oven(200, [1, 2])  # type: ignore[arg-type]
    assert repr(oven) == "Oven(degrees=200.0, trays=(1, 2), fan=False)"


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ((-1,), "oven.degrees", "must be at least 0; got -1"),
        ((1, 3), "oven.trays", "must be a list of whole numbers; got 3"),
        ((1, [1, 2, 3]), "oven.trays", "must have at most 2 numbers; got 3"),
        ((1, [1, 0]), "oven.trays.1", "must be at least 1; got 0"),
        ((1, [], 1), "oven.fan", "must be true or false; got 1"),
        ((1, [], "yes"), "oven.fan", 'must be true or false; got "yes"'),
        ((1, [], None), "oven.fan", "must be true or false; got null"),
    ],
)
def test_a_value_outside_its_bounds_is_rejected_with_the_value(values: Any, field: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Oven(*values)
    assert (error.value.field, error.value.reason) == (field, reason)


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        (Flag("D"), {"type": "boolean"}),
        (Integer("D", minimum=1), {"type": "integer", "minimum": 1}),
        (Integer("D", minimum=0, maximum=9), {"type": "integer", "minimum": 0, "maximum": 9}),
        (Number("D", minimum=0, below=1), {"type": "number", "minimum": 0, "exclusiveMaximum": 1}),
        (
            Number("D", above=0, optional=True),
            {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
        ),
        (Choice("D", ["a", "b"]), {"type": "string", "enum": ["a", "b"]}),
        (
            Integers("D", minimum=1, longest=2),
            {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 2},
        ),
        (
            OptionalGroup("D", EarlyStopping),
            {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"patience": fields_of(EarlyStopping)["patience"].schema()},
                        "additionalProperties": False,
                        "required": ["patience"],
                    },
                    {"type": "null"},
                ]
            },
        ),
    ],
)
def test_the_schema_states_the_bounds_and_the_description(field: Field, schema: dict[str, Any]) -> None:
    assert field.schema() == schema | {"description": "D"}


def test_the_schema_of_a_named_group_says_which_kinds_have_a_setting() -> None:
    properties = NamedGroup("Speed", {"slow": Slow, "fast": Fast}).schema()["properties"]
    assert properties["name"] == {
        "type": "string", "enum": ["slow", "fast"], "description": "Name of the speed"
    }  # fmt: skip
    assert [properties[name]["description"] for name in ("rate", "boost")] == ["Rate", "Boost (fast)"]


def test_two_kinds_cannot_describe_a_setting_of_one_name_differently() -> None:
    with pytest.raises(TypeError, match=r"Odd\.rate differs"):
        NamedGroup("D", {"slow": Slow, "odd": Odd}).schema()


def test_a_part_of_a_group_is_a_valid_override() -> None:
    assert NamedGroup("D", {"slow": Slow}).check_override("speed", {"rate": 2}) == {"rate": 2}
    assert OptionalGroup("D", EarlyStopping).check_override("early_stopping", None) is None


@pytest.mark.parametrize("field", [NamedGroup("D", {"slow": Slow}), OptionalGroup("D", EarlyStopping)])
@pytest.mark.parametrize("value", [3, "slow", [], True])
def test_an_override_of_a_group_is_an_object(field: Field, value: object) -> None:
    with pytest.raises(ConfigurationError, match="must be an object"):
        field.check_override("speed", value)
