"""Aliases move atomically, in the order of the moves, and never to a version that does not exist."""

from __future__ import annotations

from functools import partial
from itertools import count
from pathlib import Path

import pytest

from shared.errors import Invalid, NotFound, PreconditionFailed
from shared.registry import Alias, Registry
from shared.storage.volume import Volume
from tests.support.objects.models import publish
from tests.support.programs.forks import dies_before_change, together


@pytest.fixture
def three(registry: Registry) -> Registry:
    """A registry of three versions; the first is the champion."""
    for job in ("job-1", "job-2", "job-3"):
        publish(registry, job=job)
    registry.point("toy", "champion", 1)
    return registry


def test_an_alias_moves(three: Registry) -> None:
    three.point("toy", "champion", 2)

    assert three.resolve("toy@champion").version == 2
    assert three.aliases("toy") == {"champion": 2}


def test_a_model_without_aliases_has_none(registry: Registry) -> None:
    publish(registry)

    assert registry.aliases("toy") == {}


def test_another_registry_reads_each_move(three: Registry, volume: Volume) -> None:
    other = Registry(volume)
    for version in (2, 3, 1, 3):
        three.point("toy", "champion", version)

        assert other.number("toy", "champion") == version


def test_each_move_has_its_own_revision(three: Registry) -> None:
    revisions = [three.point("toy", "champion", version).revision for version in (2, 1, 2)]

    assert len(set(revisions)) == 3
    assert revisions == sorted(revisions)


def test_a_move_to_the_same_version_changes_nothing(three: Registry) -> None:
    before = three.alias("toy", "champion")

    assert three.point("toy", "champion", 1) == before


def test_an_alias_keeps_its_revision_when_another_moves(three: Registry) -> None:
    before = three.alias("toy", "champion")

    three.point("toy", "challenger", 2)

    assert three.alias("toy", "champion") == before


def test_an_alias_does_not_move_to_a_missing_version(three: Registry) -> None:
    with pytest.raises(NotFound) as caught:
        three.point("toy", "champion", 4)

    assert caught.value.code == "version_not_found"
    assert three.aliases("toy") == {"champion": 1}


@pytest.mark.parametrize("name", ["latest", "3", "03", "", "A", "a/b", "..", "x" * 65])
def test_an_invalid_alias_is_refused(three: Registry, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        three.point("toy", name, 1)

    assert caught.value.code == "invalid_alias"


def test_a_removed_alias_is_not_found_and_its_version_stays(three: Registry) -> None:
    three.remove_alias("toy", "champion")

    assert three.aliases("toy") == {}
    assert three.get("toy", "1").version == 1
    with pytest.raises(NotFound) as caught:
        three.alias("toy", "champion")
    assert caught.value.code == "alias_not_found"


def test_a_missing_alias_cannot_be_removed(three: Registry) -> None:
    with pytest.raises(NotFound):
        three.remove_alias("toy", "challenger")


def test_a_failed_condition_leaves_the_alias(three: Registry) -> None:
    def refuse(_: Alias | None) -> None:
        raise PreconditionFailed("alias_moved", "no")

    with pytest.raises(PreconditionFailed):
        three.point("toy", "champion", 2, refuse)
    with pytest.raises(PreconditionFailed):
        three.remove_alias("toy", "champion", refuse)

    assert three.aliases("toy") == {"champion": 1}


def test_moves_by_several_processes_keep_all_aliases(three: Registry) -> None:
    together([partial(move_often, three, f"alias-{number}") for number in range(4)])

    assert three.aliases("toy") == {"champion": 1, **{f"alias-{number}": 3 for number in range(4)}}


def test_one_of_several_processes_wins_each_conditional_move(three: Registry, tmp_path: Path) -> None:
    together([partial(win_often, three, tmp_path / name) for name in "abcd"])

    wins = [int((tmp_path / name).read_text()) for name in "abcd"]
    assert sum(wins) == three.alias("toy", "champion").revision - 1


def test_a_crash_while_an_alias_moves_leaves_the_old_or_the_new_version(tmp_path: Path) -> None:
    registry = Registry(Volume(tmp_path))
    publish(registry, job="a")
    publish(registry, job="b")
    registry.point("toy", "champion", 1)

    for step in count(1):
        died = dies_before_change(step, partial(registry.point, "toy", "champion", 2))
        assert registry.aliases("toy") in [{"champion": 1}, {"champion": 2}]
        if not died:
            break
    assert registry.aliases("toy") == {"champion": 2}
    assert step > 1


def move_often(registry: Registry, alias: str) -> None:
    for version in (1, 2, 3, 1, 2, 3):
        registry.point("toy", alias, version)


def win_often(registry: Registry, path: Path) -> None:
    """Move the champion from where it was read; write how often no other process was faster."""
    wins = 0
    for _ in range(20):
        seen = registry.alias("toy", "champion")

        def condition(now: Alias | None, seen: Alias = seen) -> None:
            if now != seen:
                raise PreconditionFailed("alias_moved", "another process was faster")

        try:
            registry.point("toy", "champion", seen.version % 3 + 1, condition)
            wins += 1
        except PreconditionFailed:
            pass
    path.write_text(str(wins))
