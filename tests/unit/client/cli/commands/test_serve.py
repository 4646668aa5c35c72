"""`glassbox serve` finds the checkout that contains the current folder or the command, or says how to get one."""

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


def test_serve_finds_the_checkout_that_contains_the_command() -> None:
    assert serve.checkout_folder(None) == ROOT


def test_serve_prefers_the_checkout_around_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_checkout(tmp_path / "checkout")
    (folder / "docs").mkdir()
    monkeypatch.chdir(folder / "docs")
    assert serve.checkout_folder(None) == folder


def test_serve_rejects_a_given_folder_that_is_not_a_checkout(tmp_path: Path) -> None:
    assert serve.checkout_folder(a_checkout(tmp_path / "checkout")) == tmp_path / "checkout"
    with pytest.raises(LocalFileError, match="is not a checkout"):
        serve.checkout_folder(tmp_path)


def test_serve_without_a_checkout_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "__file__", str(tmp_path / "site-packages" / "glassbox" / "cli" / "serve.py"))
    with pytest.raises(LocalFileError, match=r"only the client is installed.*--checkout FOLDER"):
        serve.checkout_folder(None)
