"""`glassbox serve` finds the checkout that it, or the current folder, lies in; alone, it says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from glassbox import LocalFileError
from glassbox.cli.commands import serve

ROOT = Path(__file__).parents[5]


def a_checkout(folder: Path) -> Path:
    (folder / serve.UP).parent.mkdir(parents=True)
    (folder / serve.UP).touch()
    return folder


def test_the_checkout_that_the_command_lies_in_is_found() -> None:
    assert serve.found(None) == ROOT


def test_the_checkout_around_the_current_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_checkout(tmp_path / "checkout")
    (folder / "docs").mkdir()
    monkeypatch.chdir(folder / "docs")
    assert serve.found(None) == folder


def test_a_folder_that_is_named_must_be_one(tmp_path: Path) -> None:
    assert serve.found(a_checkout(tmp_path / "checkout")) == tmp_path / "checkout"
    with pytest.raises(LocalFileError, match="no checkout"):
        serve.found(tmp_path)


def test_the_client_alone_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "__file__", str(tmp_path / "site-packages" / "glassbox" / "cli" / "serve.py"))
    with pytest.raises(LocalFileError, match="the client alone"):
        serve.found(None)
