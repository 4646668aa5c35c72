"""Lua scripts that run in Redis, with their keys and arguments passed by name.

A script declares its names in comments, one a line, and uses them as local variables:

    -- @key record: the job's record
    -- @keys in_state: the sorted sets of job ids, by the state's name (a Lua table)
    -- @arg lease_ms: the lease in milliseconds
    -- @rest fields: alternating fields and values (a Lua table; all further arguments)

`Script` adds the assignments from KEYS and ARGV, so that no code refers to positions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count
from typing import Any, cast

from redis import Redis

DECLARATION = re.compile(r"^-- @(key|keys|arg|rest) (\w+): \S", re.MULTILINE)
MARK = re.compile(r"^\s*--\s*@.*$", re.MULTILINE)
POSITION = re.compile(r"\b(KEYS|ARGV)\b")

Keys = Mapping[str, str | Mapping[str, str]]
Argument = str | int | float


class Script:
    """One script, registered with Redis. Raises `ValueError` if its source declares no valid names.

    sources: the texts that make up the script, in order; each may declare names.
    tables: the names in each `@keys` table.
    """

    def __init__(self, redis: Redis, *sources: str, tables: Mapping[str, Sequence[str]] | None = None) -> None:
        source = "\n".join(sources)
        declared = _declarations(source)
        self._keys = [name for kind, name in declared if kind == "key"]
        self._arguments = [name for kind, name in declared if kind == "arg"]
        self._rest = next((name for kind, name in declared if kind == "rest"), None)
        given = tables or {}
        self._tables = {name: tuple(map(str, given[name])) for kind, name in declared if kind == "keys"}
        self.source = (
            f"{self._assignments()} {source}"  # on one line, so that line numbers in errors match the first source
        )
        self._script = redis.register_script(self.source)

    def __call__(self, keys: Keys, /, **arguments: Argument | Sequence[Argument]) -> Any:
        """Run the script; raises `TypeError` if a key or an argument is missing or unknown."""
        expected = {*self._arguments, *([self._rest] if self._rest else [])}
        _compare("keys", {*self._keys, *self._tables}, set(keys))
        _compare("arguments", expected, set(arguments))
        positions = [cast("str", keys[name]) for name in self._keys]
        for name, members in self._tables.items():
            table = cast("Mapping[str, str]", keys[name])
            _compare(f"members of {name}", set(members), set(table))
            positions += [table[member] for member in members]
        values: list[Any] = [arguments[name] for name in self._arguments]
        if self._rest:
            values.extend(arguments[self._rest])  # type: ignore[arg-type]
        return self._script(keys=positions, args=values)

    def _assignments(self) -> str:
        position = count(1)
        lines = [f"local {name} = KEYS[{next(position)}];" for name in self._keys]
        for name, members in self._tables.items():
            lines.append(
                f"local {name} = {{{', '.join(f'[{member!r}] = KEYS[{next(position)}]' for member in members)}}};"
            )
        lines += [f"local {name} = ARGV[{number}];" for number, name in enumerate(self._arguments, 1)]
        if self._rest:
            lines.append(f"local {self._rest} = {{unpack(ARGV, {len(self._arguments) + 1})}};")
        return " ".join(lines)


@cache  # each `JobStore` of a process registers the same scripts
def _declarations(source: str) -> tuple[tuple[str, str], ...]:
    declared = DECLARATION.findall(source)
    if len(declared) != len(MARK.findall(source)):
        wrong = next(line for line in MARK.findall(source) if not DECLARATION.match(line))
        raise ValueError(f"{wrong.strip()!r} must be '-- @key|keys|arg|rest NAME: WHAT IT IS'")
    names = [name for _, name in declared]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the script declares {', '.join(twice)} more than once")
    if found := POSITION.search(source):
        raise ValueError(f"the script uses {found[0]} by position; declare a name with '-- @key' or '-- @arg'")
    return tuple(declared)


def _compare(what: str, expected: set[str], given: set[str]) -> None:
    if expected != given:
        missing, unknown = sorted(expected - given), sorted(given - expected)
        raise TypeError(f"the script's {what} do not match: missing {missing}, unknown {unknown}")
