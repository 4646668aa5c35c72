"""CSV files of the changes that derive a data set."""

from __future__ import annotations

from pathlib import Path

import pytest
from glassbox import AddFromDataset, AddFromJob, LocalFileError, Relabel, Remove
from glassbox.files.changes import read_changes
from glassbox.records.changes import as_json

FILE = """action,index,split,label,job,dataset
add,17,,"cat, black",01k,
add,3,test,dog,,pets
relabel,4,train,cat,,
remove,5,validation,,,
"""


def test_lines_are_changes_in_any_order_of_columns(tmp_path: Path) -> None:
    (tmp_path / "changes.csv").write_text(FILE, encoding="utf-8-sig")

    changes = read_changes(tmp_path / "changes.csv")

    assert changes == [
        AddFromJob("01k", 17, "cat, black"),
        AddFromDataset("pets", "test", 3, "dog"),
        Relabel("train", 4, "cat"),
        Remove("validation", 5),
    ]
    assert as_json(changes) == {
        "add": [
            {"job": "01k", "index": 17, "label": "cat, black"},
            {"dataset": "pets", "split": "test", "index": 3, "label": "dog"},
        ],
        "relabel": [{"split": "train", "index": 4, "label": "cat"}],
        "remove": [{"split": "validation", "index": 5}],
    }


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("drop,train,1,,,", "must be add"),
        ("remove,train,-1,,,", "index"),
        ("remove,,1,,,", "split"),
        ("relabel,train,1, ,,", "label"),
        ("remove,train,1,cat,,", "remove with split and index"),
        ("add,,1,cat,,pets", "split"),
        ("add,train,1,cat,01k,pets", "must be add"),
        ("add,train,1,cat,01k,", "leave it empty"),
        ("remove,train,1,,,,more", "more columns"),
    ],
)
def test_wrong_line_is_named(tmp_path: Path, line: str, named: str) -> None:
    (tmp_path / "changes.csv").write_text(f"action,split,index,label,job,dataset\nremove,train,0,,,\n{line}\n")

    with pytest.raises(LocalFileError, match=rf"line 3: .*{named}"):
        read_changes(tmp_path / "changes.csv")


def test_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    for content in ("", "split,index\n", "action,split,index,colour\n"):
        (tmp_path / "changes.csv").write_text(content)
        with pytest.raises(LocalFileError, match="the first line must name columns"):
            read_changes(tmp_path / "changes.csv")
