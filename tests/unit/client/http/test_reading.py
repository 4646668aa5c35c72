"""JSON of newer and older servers is read into the client's records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from glassbox import UnexpectedAnswer
from glassbox.http.reading import field_names, read


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass(frozen=True)
class Circle:
    centre: Point
    radius: float


@dataclass(frozen=True)
class Square:
    corner: Point
    side: float


@dataclass(frozen=True)
class Drawing:
    shape: Circle | Square | None
    points: tuple[Point, ...]
    names: dict[str, tuple[int, ...]]
    note: str = "none"
    _owner: Any = field(kw_only=True, repr=False)


def drawn(**values: Any) -> Drawing:
    return read(Drawing, {"shape": None, "points": [], "names": {}} | values, _owner="me")


def test_records_are_read_in_records_in_tuples_and_in_dictionaries() -> None:
    drawing = drawn(points=[{"x": 1, "y": 2}, {"x": 3}], names={"a": [1, 2]})
    assert drawing.points == (Point(1, 2), Point(3, 0))
    assert drawing.names == {"a": (1, 2)}


def test_a_union_is_read_as_the_record_with_these_fields() -> None:
    assert drawn(shape={"centre": {"x": 1}, "radius": 2.0}).shape == Circle(Point(1), 2.0)
    assert drawn(shape={"corner": {"x": 1}, "side": 2.0}).shape == Square(Point(1), 2.0)
    assert drawn().shape is None


def test_unknown_fields_of_a_newer_server_are_skipped() -> None:
    assert drawn(colour="red", points=[{"x": 1, "z": 2}]).points == (Point(1),)


def test_a_missing_field_takes_its_default() -> None:
    assert drawn().note == "none"


def test_a_private_field_is_set_by_the_caller_and_never_read() -> None:
    assert drawn(_owner="another")._owner == "me"
    assert "_owner" not in field_names(Drawing)


@pytest.mark.parametrize("values", [{"shape": {"angles": 3}}, {"points": [{"y": 1}]}, {"points": 7}])
def test_an_object_with_wrong_fields_is_rejected(values: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedAnswer, match="is not a Drawing"):
        drawn(**values)


def test_a_response_that_is_not_an_object_is_rejected() -> None:
    with pytest.raises(UnexpectedAnswer):
        read(Drawing, ["a list"], _owner=None)
