"""Revisions: the newest is valid, a change not based on the newest is refused, and old ones are removed."""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from shared.storage.revisions import KEPT, Revisions
from tests.support.programs.forks import dies_before_change, together
from tests.support.stepwise import Stepwise


@pytest.fixture
def revisions(tmp_path: Path) -> Revisions:
    return Revisions(tmp_path / "states")


def append_many(revisions: Revisions, upto: int) -> None:
    for base in range(revisions.newest(), upto):
        assert revisions.append(base, str(base + 1).encode())


def test_the_newest_revision_before_the_first_change_is_0(revisions: Revisions) -> None:
    assert revisions.newest() == 0
    assert revisions.is_newest(0)


def test_a_change_becomes_the_newest(revisions: Revisions) -> None:
    assert revisions.append(0, b"first")
    assert revisions.append(1, b"second")

    assert revisions.newest() == 2
    assert revisions.read(2) == b"second"
    assert revisions.is_newest(2)
    assert not revisions.is_newest(1)
    assert not revisions.is_newest(0)


def test_a_change_based_on_an_old_revision_is_refused(revisions: Revisions) -> None:
    append_many(revisions, 2)

    assert not revisions.append(0, b"late")
    assert not revisions.append(1, b"late")

    assert revisions.newest() == 2
    assert revisions.read(2) == b"2"


def test_old_revisions_are_removed(revisions: Revisions, tmp_path: Path) -> None:
    append_many(revisions, 3 * KEPT)

    assert revisions.newest() == 3 * KEPT
    assert len(list((tmp_path / "states").iterdir())) == KEPT
    assert revisions.read(1) is None
    assert not revisions.is_newest(1)


@pytest.mark.parametrize("base", [0, 1, KEPT])
def test_a_number_that_was_used_and_removed_is_not_used_again(revisions: Revisions, base: int) -> None:
    append_many(revisions, 3 * KEPT)

    assert not revisions.append(base, b"from long ago")

    assert revisions.newest() == 3 * KEPT
    assert revisions.read(base + 1) is None


def test_a_removed_revision_does_not_count_as_the_newest(revisions: Revisions) -> None:
    """Both that revision and the next one are removed."""
    append_many(revisions, 2)
    append_many(revisions, 3 * KEPT)

    assert not revisions.is_newest(2)
    assert not revisions.is_newest(0)


def test_changes_by_several_processes_are_all_kept(revisions: Revisions) -> None:
    together([partial(add_one_often, revisions) for _ in range(4)])

    content = revisions.read(revisions.newest())
    assert content is not None
    assert json.loads(content) == 4 * 40


def test_a_crash_at_any_step_of_a_change_leaves_the_old_or_the_new_revision(tmp_path: Path) -> None:
    for step in count(1):
        revisions = Revisions(tmp_path / str(step))
        append_many(revisions, KEPT + 1)
        if not dies_before_change(step, partial(revisions.append, KEPT + 1, b"new")):
            break
        assert revisions.read(revisions.newest()) in {str(KEPT + 1).encode(), b"new"}
        append_many(revisions, KEPT + 3)
        assert len([path for path in (tmp_path / str(step)).iterdir() if path.name.isdecimal()]) == KEPT
    assert step > 3


def test_a_change_that_was_suspended_during_many_others_is_refused(revisions: Revisions) -> None:
    append_many(revisions, 1)
    for changes in count():
        suspended = Stepwise(lambda: revisions.append(revisions.newest(), b"slept"))
        suspended.step(changes)
        if suspended.ended:
            break
        newest = revisions.newest() + 2 * KEPT
        append_many(revisions, newest)

        suspended.to_its_end()

        assert revisions.newest() == newest
        assert revisions.read(newest) == str(newest).encode()
    assert changes > 2


def add_one_often(revisions: Revisions) -> None:
    done = 0
    while done < 40:
        number = revisions.newest()
        content = revisions.read(number) if number else b"0"
        if content is not None and revisions.append(number, json.dumps(json.loads(content) + 1).encode()):
            done += 1
