"""Names of files, data sets, versions and formats, and the paths that they become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from glassbox import WrongArgument
from glassbox.datasets import BUILT_IN, is_file, name_of
from glassbox.files.formats import format_of
from glassbox.http.routes import path_to
from glassbox.models import Reference

from shared.datasets.builtin.built_in import NAMES
from tests.support.objects.evaluated import a_version


@pytest.mark.parametrize("text", ["mnist.npz", "data/pets", "./digits", "pets.tar.gz", "PETS.ZIP", Path("digits")])
def test_a_path_or_a_data_file_is_a_file(text: Path | str) -> None:
    assert is_file(text)


@pytest.mark.parametrize("text", ["mnist", "fashion-mnist", "sha256:00ff", "mine.v2"])
def test_a_plain_name_or_an_id_is_a_data_set_on_the_server(text: str) -> None:
    assert not is_file(text)


def test_the_name_of_an_existing_file_is_a_file_with_any_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").touch()
    monkeypatch.chdir(tmp_path)
    assert is_file("rows.csv")


@pytest.mark.parametrize(
    ("file", "name"),
    [("mnist2.npz", "mnist2"), ("My Pets (1).tar.gz", "my-pets-1"), ("../x/Größe.zip", "gr-e"), ("???.npz", "data")],
)
def test_a_data_set_is_named_after_its_file(file: str, name: str) -> None:
    assert name_of(Path(file)) == name


def test_a_file_named_like_a_built_in_data_set_gets_a_name_that_the_server_accepts() -> None:
    assert BUILT_IN == NAMES
    for name in NAMES:
        assert name_of(Path(f"{name.upper()}.npz")) == f"{name}-upload"


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("digits", "/v1/models/digits/versions/latest"),
        ("digits@3", "/v1/models/digits/versions/3"),
        ("digits@champion", "/v1/models/digits/versions/champion"),
        ("digits@a?b", "/v1/models/digits/versions/a%3Fb"),
    ],
)
def test_a_version_has_its_path(text: str, route: str) -> None:
    assert Reference.parse(text).route == route


@pytest.mark.parametrize("text", ["", "@3", "digits@", "a/b"])
def test_a_text_that_is_not_a_version_is_rejected(text: str) -> None:
    with pytest.raises(WrongArgument, match="is not a version"):
        Reference.parse(text)


def test_the_default_name_of_a_file_stays_in_its_folder() -> None:
    assert a_version().file_name("npz") == "digits-3.npz"
    assert replace(a_version(), model="../../x").file_name("html") == "x-3.html"


def test_a_name_stays_within_its_part_of_a_path() -> None:
    assert path_to("jobs", "../models", "x y") == "/v1/jobs/..%2Fmodels/x%20y"


@pytest.mark.parametrize(("file", "form"), [("a.csv", "csv"), ("a.JSONL", "jsonl"), ("a.npz", "npz")])
def test_a_format_is_that_of_the_files_ending(file: str, form: str) -> None:
    assert format_of(file) == form


def test_an_ending_without_a_format_is_rejected() -> None:
    with pytest.raises(WrongArgument, match="has none of the endings"):
        format_of("rows.txt")
