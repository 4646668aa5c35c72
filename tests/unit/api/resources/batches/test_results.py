"""`/v1/jobs/{id}/results` and `/errors`."""

from __future__ import annotations

import csv
import io
import json
import shutil
from itertools import chain
from threading import Thread

import numpy as np
import pytest
from flask.testing import FlaskClient
from pyarrow import parquet

from shared.jobs import Job, JobStore
from shared.registry import ModelVersion
from shared.results.formats.parquet import one_group
from shared.storage.volume import Volume
from tests.support.objects.jobs import a_batch, a_training
from tests.support.objects.results import error, finish, row
from tests.support.problems import assert_problem, parameters

ROWS = [
    [row("a.png", ("2", 0.75), ("0", 0.25)), row('ü, "q"\u2028.png', ("0", 0.5), ("2", 0.5))],
    [],
    [row("c.png", ("1", 1.0), ("0", 0.0))],
]
ERRORS = [[], [error("b.txt")], []]
PATHS = [row["path"] for row in chain(*ROWS)]
FORMATS = ["jsonl", "csv", "npz", "parquet"]


@pytest.fixture
def batch(jobs: JobStore, volume: Volume, model: ModelVersion) -> Job:
    """A batch whose first three shards and fifth shard are finished."""
    job = a_batch(specification={"top_k": 2, "model": "toy", "version": 1})
    jobs.create(job)
    for number, (rows, errors) in enumerate(zip(ROWS, ERRORS, strict=True)):
        finish(volume, job, number, rows, errors)
    finish(volume, job, 4, [row("z.png", ("0", 1.0), ("2", 0.0))], [error("y.txt")])
    return job


@pytest.fixture
def empty(jobs: JobStore, model: ModelVersion) -> Job:
    """A batch that has not started."""
    job = a_batch(specification={"top_k": 1, "model": "toy", "version": 1})
    jobs.create(job)
    return job


def results(client: FlaskClient, job: Job, form: str) -> bytes:
    response = client.get(f"/v1/jobs/{job.id}/results?format={form}")
    assert response.status_code == 200
    content: bytes = response.data
    return content


class TestJsonLines:
    def test_rows_follow_the_archive_up_to_the_first_missing_shard(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results")

        assert response.content_type == "application/x-ndjson"
        assert [json.loads(line) for line in response.data.splitlines()] == list(chain(*ROWS))

    def test_errors_follow_the_archive_up_to_the_first_missing_shard(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/errors")

        assert response.content_type == "application/x-ndjson"
        assert [json.loads(line) for line in response.data.splitlines()] == [error("b.txt")]

    def test_errors_may_be_csv(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/errors?format=csv")

        header, *lines = csv.reader(io.StringIO(response.text, newline=""))
        assert response.content_type == "text/csv; charset=utf-8"
        assert [dict(zip(header, line, strict=True)) for line in lines] == [error("b.txt")]

    def test_errors_are_uncapped(self, client: FlaskClient, batch: Job, volume: Volume) -> None:
        finish(volume, batch, 3, [], [error(f"{number}.txt") for number in range(20_000)])

        assert client.get(f"/v1/jobs/{batch.id}/errors").data.count(b"\n") == 20_002

    def test_missing_shard_hides_the_following_shards(self, client: FlaskClient, batch: Job, volume: Volume) -> None:
        volume.shard(batch.id, 0, 0).unlink()

        assert client.get(f"/v1/jobs/{batch.id}/results").data == b""
        assert client.get(f"/v1/jobs/{batch.id}/errors").data == b""

    def test_newest_file_of_a_repeated_shard_counts(self, client: FlaskClient, batch: Job, volume: Volume) -> None:
        retried = batch.model_copy(update={"retries": 11})
        finish(volume, batch.model_copy(update={"retries": 2}), 1, [row("older", ("0", 1.0))])
        finish(volume, retried, 1, [row("b.txt", ("0", 1.0))])

        lines = client.get(f"/v1/jobs/{batch.id}/results").data.splitlines()

        assert [json.loads(line)["path"] for line in lines] == [*PATHS[:2], "b.txt", PATHS[2]]
        assert client.get(f"/v1/jobs/{batch.id}/errors").data == b""

    def test_batch_that_has_not_started_has_no_rows(self, client: FlaskClient, empty: Job) -> None:
        assert results(client, empty, "jsonl") == b""


class TestCsv:
    def test_rows_can_be_csv(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results?format=csv")

        assert response.content_type == "text/csv; charset=utf-8"
        assert list(csv.reader(io.StringIO(response.text, newline=""))) == [
            ["path", "label", "confidence", "label_2", "confidence_2"],
            ["a.png", "2", "0.75", "0", "0.25"],
            ['ü, "q"\u2028.png', "0", "0.5", "2", "0.5"],
            ["c.png", "1", "1.0", "0", "0.0"],
        ]

    def test_csv_of_one_class_has_three_columns(self, client: FlaskClient, empty: Job, volume: Volume) -> None:
        finish(volume, empty, 0, [row("a.png", ("1", 0.75))])

        assert results(client, empty, "csv") == b"path,label,confidence\r\na.png,1,0.75\r\n"

    @pytest.mark.parametrize(
        "beginning",
        [
            *("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'", "'=", " =", "\u00a0@", "\r\n="),
            *("\0=", "\x01\x7f+", "\u200b=", "\ufeff\u2060@", "\u202e=", "\xad-", "\x85=", "\u061c="),  # invisible
            *("\u2212", "\ufe62", "\ufe63", "\ufe66", "\ufe6b", "\u207a", "\u208b", "\u207c"),  # other signs
        ],
    )
    def test_no_cell_is_a_formula_and_programs_get_the_exact_texts(
        self, client: FlaskClient, empty: Job, volume: Volume, beginning: str
    ) -> None:
        texts = (f'{beginning}cmd|" /C calc"!A0,;x', f"{beginning}1+1")
        finish(volume, empty, 0, [row(f"{texts[0]}.png", (texts[1], 0.75))])

        (_, cells) = csv.reader(io.StringIO(results(client, empty, "csv").decode(), newline=""))

        assert all(cell[0] == "'" for cell in cells[:2])
        assert [cell.removeprefix("'") for cell in cells] == [f"{texts[0]}.png", texts[1], "0.75"]
        assert json.loads(results(client, empty, "jsonl"))["path"] == f"{texts[0]}.png"

    @pytest.mark.parametrize(
        "text", ["a=1", "1-2", "a/=b", "a@b", "it's", "日本", "a b", "0", "#x", "%x", "\u200bx", "\u2013", "½"]
    )
    def test_other_texts_are_unchanged(self, client: FlaskClient, empty: Job, volume: Volume, text: str) -> None:
        finish(volume, empty, 0, [row(text, (text, 0.75))])

        assert results(client, empty, "csv").decode().splitlines()[1] == f"{text},{text},0.75"

    def test_path_is_one_cell_also_where_semicolons_or_tabs_separate(
        self, client: FlaskClient, empty: Job, volume: Volume
    ) -> None:
        finish(volume, empty, 0, [row("a;=1+1;b\t=2.png", ("x", 0.75))])
        (line,) = results(client, empty, "csv").decode().splitlines()[1:]

        for separator in ";\t":
            (cells,) = csv.reader([line], delimiter=separator)
            assert cells[0].startswith("a;=1+1;b\t=2.png")
            assert len(cells) == 1

    def test_errors_have_no_formula_either(self, client: FlaskClient, empty: Job, volume: Volume) -> None:
        finish(volume, empty, 0, [], [error("=1+1.txt")])

        text = client.get(f"/v1/jobs/{empty.id}/errors?format=csv").text
        (cells,) = list(csv.reader(io.StringIO(text, newline="")))[1:]

        assert cells[0] == "'=1+1.txt"

    def test_csv_without_rows_has_a_header(self, client: FlaskClient, empty: Job) -> None:
        assert results(client, empty, "csv") == b"path,label,confidence\r\n"


class TestNpz:
    def test_numpy_loads_the_rows_without_pickle(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results?format=npz")

        assert response.headers["Content-Disposition"] == f"attachment; filename={batch.id}.npz"
        with np.load(io.BytesIO(response.data), allow_pickle=False) as arrays:
            assert arrays["paths"].tolist() == PATHS
            assert arrays["labels"].tolist() == [[2, 0], [0, 2], [1, 0]]
            assert arrays["probabilities"].tolist() == [[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]]
            assert arrays["probabilities"].dtype == np.float32
            assert arrays["classes"].tolist() == ["0", "1", "2"]

    @pytest.mark.parametrize("longest", [255, 256, 4096])
    def test_long_paths_do_not_pad_the_others(
        self, client: FlaskClient, empty: Job, volume: Volume, longest: int
    ) -> None:
        paths = [["a.png", "é" * (longest - 4) + ".png"], ["b.png"]]
        for number, names in enumerate(paths):
            finish(volume, empty, number, [row(name, ("1", 0.75)) for name in names])

        with np.load(io.BytesIO(results(client, empty, "npz")), allow_pickle=False) as arrays:
            assert arrays["labels"].shape == (3, 1)
            if longest == 255:
                found = arrays["paths"].tolist()
            else:
                assert "paths" not in arrays
                ends, content = arrays["path_ends"].tolist(), arrays["path_bytes"].tobytes()
                found = [content[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
            assert found == [*paths[0], *paths[1]]

    def test_arrays_without_rows_are_empty(self, client: FlaskClient, empty: Job) -> None:
        with np.load(io.BytesIO(results(client, empty, "npz")), allow_pickle=False) as arrays:
            assert [arrays[name].shape for name in ("paths", "labels", "probabilities")] == [(0,), (0, 1), (0, 1)]

    def test_deleted_model_is_reported(self, client: FlaskClient, empty: Job, volume: Volume) -> None:
        shutil.rmtree(volume.model("toy"))

        assert_problem(client.get(f"/v1/jobs/{empty.id}/results?format=npz"), 404, "model_not_found")


class TestParquet:
    def test_parquet_has_the_columns_of_the_csv(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results?format=parquet")

        assert response.content_type == "application/vnd.apache.parquet"
        table = parquet.read_table(io.BytesIO(response.data))
        assert table.column_names == ["path", "label", "confidence", "label_2", "confidence_2"]
        assert table["path"].to_pylist() == PATHS
        assert table["label"].to_pylist() == ["2", "0", "1"]
        assert table["confidence_2"].to_pylist() == [0.25, 0.5, 0.0]

    def test_one_row_group_is_built_at_a_time(self, client: FlaskClient, batch: Job) -> None:
        found: list[bytes] = []
        thread = Thread(target=lambda: found.append(results(client, batch, "parquet")))

        with one_group:
            thread.start()
            thread.join(0.2)
            assert thread.is_alive()
        thread.join(20)

        assert parquet.read_table(io.BytesIO(found[0])).num_rows == len(PATHS)

    def test_no_download_keeps_others_waiting_while_its_client_reads(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results?format=parquet", buffered=False)

        parts = response.iter_encoded()
        assert next(parts) == b"PAR1"
        next(parts)

        assert not one_group.locked()

    def test_parquet_without_rows_has_the_columns(self, client: FlaskClient, empty: Job) -> None:
        table = parquet.read_table(io.BytesIO(results(client, empty, "parquet")))

        assert (table.num_rows, table.column_names) == (0, ["path", "label", "confidence"])


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"label": "0"}, [PATHS[1]]),
            ({"above": "0.5", "below": "1"}, PATHS[:2]),
            ({"path": 'ü, "q'}, [PATHS[1]]),
            ({"path": ".png", "label": "1"}, [PATHS[2]]),
            ({"label": "none"}, []),
        ],
    )
    def test_each_format_has_the_rows_that_match(
        self, client: FlaskClient, batch: Job, query: dict[str, str], found: list[str]
    ) -> None:
        path = f"/v1/jobs/{batch.id}/results"
        lines, text, npz, table = (client.get(path, query_string={**query, "format": form}).data for form in FORMATS)

        assert [json.loads(line)["path"] for line in lines.splitlines()] == found
        assert [cells[0] for cells in csv.reader(io.StringIO(text.decode(), newline=""))][1:] == found
        with np.load(io.BytesIO(npz), allow_pickle=False) as arrays:
            assert arrays["paths"].tolist() == found
            assert len(arrays["labels"]) == len(arrays["probabilities"]) == len(found)
        assert parquet.read_table(io.BytesIO(table))["path"].to_pylist() == found


class TestRejections:
    @pytest.mark.parametrize("path", ["results", "errors"])
    def test_rows_of_a_training_are_a_conflict(self, client: FlaskClient, jobs: JobStore, path: str) -> None:
        job = a_training()
        jobs.create(job)

        assert_problem(client.get(f"/v1/jobs/{job.id}/{path}"), 409, "not_a_batch")

    def test_unknown_format_is_rejected(self, client: FlaskClient, batch: Job) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results?format=xml")

        assert parameters(assert_problem(response, 422, "validation_failed")) == ["format"]


@pytest.mark.parametrize("form", FORMATS)
def test_results_are_streamed_in_constant_memory(client: FlaskClient, empty: Job, volume: Volume, form: str) -> None:
    for number in range(40):
        finish(volume, empty, number, [row(f"{number:03d}/{index:04d}.png", ("1", 0.75)) for index in range(500)])

    response = client.get(f"/v1/jobs/{empty.id}/results?format={form}", buffered=False)
    largest = max(len(part) for part in response.iter_encoded())

    assert largest < 100_000 if form != "parquet" else largest < 1_000_000


@pytest.mark.parametrize("form", FORMATS)
def test_rows_of_a_large_shard_are_streamed_in_constant_memory(
    client: FlaskClient, jobs: JobStore, model: ModelVersion, volume: Volume, form: str
) -> None:
    job = a_batch(specification={"top_k": 1000, "model": model.model, "version": model.version})
    jobs.create(job)
    best = tuple((str(label % 3), 0.001) for label in range(1000))
    finish(volume, job, 0, [row(f"{index:04d}.png", *best) for index in range(600)])  # more than 20 MB

    response = client.get(f"/v1/jobs/{job.id}/results?format={form}", buffered=False)
    sizes = [len(part) for part in response.iter_encoded()]

    assert sum(sizes) > 1_000_000
    assert max(sizes) < 3_000_000


def test_errors_of_a_large_shard_are_streamed_in_blocks(client: FlaskClient, empty: Job, volume: Volume) -> None:
    errors = [error(f"{number:05d}{'x' * 200}") for number in range(20_000)]
    finish(volume, empty, 0, [row("a.png", ("0", 1.0))], errors)

    response = client.get(f"/v1/jobs/{empty.id}/errors", buffered=False)
    parts = list(response.iter_encoded())

    assert max(map(len, parts)) < 2_000_000
    assert [json.loads(line) for line in b"".join(parts).splitlines()] == errors
