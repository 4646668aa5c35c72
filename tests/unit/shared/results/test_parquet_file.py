"""Parquet files, read by Apache Arrow."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from shared.results.chosen_rows import ChosenRows
from shared.results.formats import parquet as formats
from shared.results.formats.parquet_file import Column, ParquetFile
from shared.results.shard import Shard

COLUMNS = [Column("path", "text"), Column("label", "repeated text"), Column("confidence", "float")]


def written(groups: list[list[list[object]]]) -> bytes:
    file = ParquetFile(COLUMNS)
    return b"".join([file.head, *(file.group(group) for group in groups), file.end()])


@pytest.mark.parametrize("distinct", [1, 2, 3, 256, 257, 70_000])
def test_arrow_reads_the_values_of_all_row_groups(distinct: int) -> None:
    rows = max(distinct, 9)
    paths = [f"ü/\0{number}\n.png" for number in range(rows)]
    labels = [f"label {number % distinct}" for number in range(rows)]
    confidences = [number / rows for number in range(rows)]
    columns: list[list[object]] = [[*paths], [*labels], [*confidences]]
    groups: list[list[list[object]]] = [columns, [column[:3] for column in columns], [[""], [""], [1e-10]]]

    table = parquet.read_table(io.BytesIO(written(groups)))

    assert table["path"].to_pylist() == [*paths, *paths[:3], ""]
    assert table["label"].to_pylist() == [*labels, *labels[:3], ""]
    assert table["confidence"].to_pylist() == pytest.approx([*confidences, *confidences[:3], 1e-10])


def test_schema_has_required_texts_and_float32() -> None:
    schema = parquet.read_schema(io.BytesIO(written([])))

    assert [(field.name, field.type, field.nullable) for field in schema] == [
        ("path", pyarrow.string(), False),
        ("label", pyarrow.string(), False),
        ("confidence", pyarrow.float32(), False),
    ]


def test_footer_describes_many_row_groups() -> None:
    groups: list[list[list[object]]] = [[["a.png"], ["7"], [0.5]]] * 20

    file = parquet.ParquetFile(io.BytesIO(written(groups)))

    assert (file.num_row_groups, file.metadata.num_rows) == (20, 20)
    assert file.read_row_group(19)["path"].to_pylist() == ["a.png"]
    column = file.metadata.row_group(0).column(1)
    assert (column.compression, column.num_values, column.has_dictionary_page) == ("ZSTD", 1, True)


def test_same_rows_give_the_same_bytes() -> None:
    groups: list[list[list[object]]] = [[["a.png", "b.png"], ["7", "7"], [0.5, 0.25]]]

    assert written(groups) == written(groups)


def test_row_groups_of_long_paths_have_fewer_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(formats, "GROUP_CHARACTERS", 50_000)
    monkeypatch.setattr(formats, "CHECKED_ROWS", 10)
    end = '", "label": "7", "confidence": 0.5, "top": [{"label": "7", "probability": 0.5}]}\n'
    rows = [f'{{"path": "{number:01000}{end}' for number in range(120)]
    shard = tmp_path / "shard"
    shard.write_bytes(b"".join(Shard.of(rows, [], 1000).parts()))

    file = parquet.ParquetFile(io.BytesIO(b"".join(formats.as_parquet(ChosenRows([shard]), 1))))

    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [50, 50, 20]
    assert file.read()["path"].to_pylist() == [f"{number:01000}" for number in range(120)]
