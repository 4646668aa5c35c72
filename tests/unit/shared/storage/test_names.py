"""Names that users choose, and generated ids."""

from __future__ import annotations

import pytest

from shared.storage.names import is_name, new_id
from tests.support.waiting import eventually


@pytest.mark.parametrize("name", ["a", "0", "digits", "mnist-2.v1_b", "a" * 64])
def test_a_name_has_lower_case_letters_digits_dots_hyphens_and_underscores(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "../a", "a/b", "a\\b", "-a", ".a", "_a", "A", "é", "a" * 65, "a\n", "a b"]
)
def test_a_text_that_could_leave_its_folder_is_not_a_name(text: str) -> None:
    assert not is_name(text)


def test_an_id_is_a_name() -> None:
    assert is_name(new_id())


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


def test_ids_sort_by_time() -> None:
    earlier = new_id()
    later = eventually(lambda: (made := new_id())[:10] != earlier[:10] and made)  # the first ten are the time in ms

    assert earlier < str(later)
