"""The settings that a program reads, found in its source: the attributes of `Settings` in its imported modules."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from shared.runtime.settings import Settings
from tests.support.programs.processes import ROOT

HOLDERS = {"settings", "_settings", "limits", "_limits"}  # the names that variables and attributes with settings have
SETTINGS = ROOT / "shared" / "runtime" / "settings.py"


def settings_read_by(entries: Iterable[str], unused: Iterable[str] = ()) -> set[str]:
    """Return the fields of `Settings` that are read in the modules that these files import, at any depth.

    `unused` are files and folders, from the root, with code that is imported and does not run in the program.
    """
    left_out = [ROOT / part for part in unused]
    reached: set[Path] = set()
    ahead = [ROOT / entry for entry in entries]
    while ahead:
        file = ahead.pop()
        if file in reached or any(file.is_relative_to(part) for part in left_out):
            continue
        reached.add(file)
        ahead += _imported_by(file)
    return {field for file in reached for field in _fields_in(file)}


def _fields_in(file: Path) -> set[str]:
    """Return the fields that one file reads, directly or by a property of `Settings`."""
    if file == SETTINGS:
        return set()
    found: set[str] = set()
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Attribute):
            holder = node.value
            name = holder.id if isinstance(holder, ast.Name) else getattr(holder, "attr", None)
            if name in HOLDERS:
                found |= _fields_of(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "limit":
            found |= {str(name.value) for name in node.args if isinstance(name, ast.Constant)}
    return found


@cache
def _fields_of(attribute: str) -> frozenset[str]:
    """Return the fields of an attribute of `Settings`: itself, or those that the property or the method reads."""
    if attribute in Settings.model_fields:
        return frozenset({attribute})
    [definition] = [node for node in _tree(SETTINGS).body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    for member in definition.body:
        if isinstance(member, ast.FunctionDef) and member.name == attribute:
            own = [node for node in ast.walk(member) if isinstance(node, ast.Attribute)]
            read = [node.attr for node in own if isinstance(node.value, ast.Name) and node.value.id == "self"]
            return frozenset(field for name in read for field in _fields_of(name))
    return frozenset()


def _imported_by(file: Path) -> Iterator[Path]:
    for node in ast.walk(_tree(file)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = ROOT.joinpath(*name.split("."))
            yield from (found for found in (path.with_suffix(".py"), path / "__init__.py") if found.is_file())


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
