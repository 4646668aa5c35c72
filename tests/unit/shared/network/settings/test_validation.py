from __future__ import annotations

import json
import math

import numpy as np
import pytest

from shared.network import ConfigurationError
from shared.network.settings.validation import choice, integer, number


def test_integer_accepts_its_range() -> None:
    assert [integer("f", value, minimum=1, maximum=3) for value in (1, 2, 3)] == [1, 2, 3]


@pytest.mark.parametrize("value", [0, 4, -1, True, 2.0, "2", None, [2], np.int64(2), math.nan])
def test_integer_refuses_other_values_and_names_the_field(value: object) -> None:
    with pytest.raises(ConfigurationError) as error:
        integer("f", value, minimum=1, maximum=3)
    assert error.value.field == "f"


def test_number_accepts_its_range_and_returns_a_float() -> None:
    values = [number("f", value, above=0, below=2) for value in (1, 0.5, np.float64(1.5))]
    assert json.dumps(values) == "[1.0, 0.5, 1.5]"
    assert number("f", 0, minimum=0) == 0


@pytest.mark.parametrize("value", [0, -1, 2, 3, True, "1", None, math.nan, math.inf, 10**400, 1j])
def test_number_refuses_other_values_and_names_the_field(value: object) -> None:
    with pytest.raises(ConfigurationError) as error:
        number("f", value, above=0, below=2)
    assert error.value.field == "f"


def test_a_number_below_its_minimum_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="f must be at least 0"):
        number("f", -1e-9, minimum=0)


def test_choice_accepts_a_known_name() -> None:
    assert choice("f", "b", ["a", "b"]) == "b"


@pytest.mark.parametrize("value", ["c", "", "A", None, 1, ["a"]])
def test_choice_refuses_other_values_and_lists_the_known_names(value: object) -> None:
    with pytest.raises(ConfigurationError, match="f must be one of a, b") as error:
        choice("f", value, ["a", "b"])
    assert error.value.field == "f"
