"""Lua scripts get their keys and arguments by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from redis import Redis

from shared.runtime.redis_scripts import DECLARATION, Argument, Keys, Script

ROOT = Path(__file__).parents[4]
SOURCES = sorted(path for room in ("api", "shared", "worker") for path in (ROOT / room).rglob("*.lua"))
SCRIPT = """-- @arg unit: a text
-- @key first: a counter
-- @keys other: counters by name
-- @rest values: the numbers to add
-- @key last: a list
for _, value in ipairs(values) do
  redis.call('INCRBY', first, value)
  redis.call('INCRBY', other.b, value)
end
redis.call('RPUSH', last, unit)
return #values
"""
KEYS: Keys = {"last": "l", "other": {"b": "counter-b", "a": "counter-a"}, "first": "f"}


def test_a_script_gets_each_key_and_argument_by_its_name(redis: Redis) -> None:
    script = Script(redis, SCRIPT, tables={"other": ("a", "b")})

    assert script(KEYS, values=[2, 3], unit="cm") == 2

    assert redis.mget("f", "counter-b", "counter-a") == ["5", "5", None]
    assert redis.lrange("l", 0, -1) == ["cm"]


def test_a_script_accepts_no_further_arguments(redis: Redis) -> None:
    assert Script(redis, SCRIPT, tables={"other": ("a", "b")})(KEYS, values=(), unit="cm") == 0


def test_several_sources_are_joined_to_one_script(redis: Redis) -> None:
    first = "-- @arg a: a number\nlocal function doubled(x) return 2 * x end"

    assert Script(redis, first, "-- @arg b: a number\nreturn doubled(a) + b")({}, a=20, b=2) == 42


@pytest.mark.parametrize(
    ("keys", "arguments", "named"),
    [
        (KEYS, {"unit": "cm"}, "missing ['values'], unknown []"),
        (KEYS, {"unit": "cm", "values": [], "extra": 1}, "missing [], unknown ['extra']"),
        ({"first": "f", "other": {"a": "", "b": ""}}, {"unit": "cm", "values": []}, "missing ['last'], unknown []"),
        ({**KEYS, "other": {"a": "x"}}, {"unit": "cm", "values": []}, "members of other do not match: missing ['b']"),
    ],
)
def test_a_missing_or_unknown_name_raises_an_error_with_the_name(
    redis: Redis, keys: Keys, arguments: dict[str, Argument], named: str
) -> None:
    script = Script(redis, SCRIPT, tables={"other": ("a", "b")})

    with pytest.raises(TypeError, match=re.escape(named)):
        script(keys, **arguments)
    assert redis.dbsize() == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("return KEYS[1]", "uses KEYS by position"),
        ("-- @arg a: a number\nreturn a + ARGV[2]", "uses ARGV by position"),
        ("-- @arg a: a number\n-- @key a: a key", "declares a more than once"),
        ("-- @argument a: a number", "'-- @argument a: a number' must be"),
        ("-- @arg a", "'-- @arg a' must be"),
    ],
)
def test_a_wrong_declaration_is_refused(redis: Redis, source: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Script(redis, source)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_script_uses_every_name_that_it_declares(path: Path) -> None:
    source = path.read_text()
    common = path.name == "common.lua"
    users = [other for other in path.parent.glob("*.lua") if other != path] if common else []
    code = "\n".join(re.sub(r"--.*", "", text) for text in (source, *(user.read_text() for user in users)))

    unused = [name for _, name in DECLARATION.findall(source) if not re.search(rf"\b{name}\b", code)]

    assert unused == []
