"""`/v1/jobs/{id}/results/rows` and `/summary`."""

from __future__ import annotations

import csv
import io
import json
import shutil
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from pyarrow import parquet

from shared.archives import ArchiveIndex
from shared.archives.index import ENTRY, Kind
from shared.jobs import Job, JobStore
from shared.registry import Registry
from shared.results import selection
from shared.results.columns import columns_of_lines
from shared.results.files import ShardFiles
from shared.results.shard import Shard
from shared.storage.volume import Volume
from tests.support.objects import models
from tests.support.objects.jobs import a_batch, a_training
from tests.support.objects.results import Line, error, finish, lines, row
from tests.support.problems import assert_problem, parameters

STRANGE = 'ü", "label": "x\n<b>\u202e.png'
SHARDS: list[tuple[list[Line], list[Line], list[int]]] = [  # rows, errors, and the errors' positions
    ([row("a/0.png", ("7", 0.9)), row("a/2.png", ("1", 0.4), ("7", 0.3))], [error("a/1.png")], [1]),
    ([], [error("b/3.png")], [0]),
    ([row("a/4.png", ("7", 0.4)), row(STRANGE, ("<b>", 0.05)), row("c/6.png", ("1", 1.0))], [], []),
]
INDICES = [0, 2, 4, 5, 6]


def publish(volume: Volume, job: Job, number: int, rows: list[Line], errors: list[Line], failed: list[int]) -> None:
    """Publish a shard with the columns of its rows, as workers do."""
    volume.job(job.id).mkdir(parents=True, exist_ok=True)
    files = ShardFiles(volume, job.id, job.retries)
    files.prepare()
    columns = columns_of_lines(
        (line.encode() for line in lines(rows)), (line.encode() for line in lines(errors)), failed
    )
    files.publish(
        number,
        Shard.of(lines(rows), lines(errors), max((len(row["path"]) for row in rows), default=0), columns=columns),
    )


@pytest.fixture
def job(jobs: JobStore) -> Job:
    """A batch without results."""
    job = a_batch(specification={"top_k": 2, "model": "toy", "version": 1})
    jobs.create(job)
    return job


@pytest.fixture
def batch(job: Job, volume: Volume) -> Job:
    """A batch with three finished shards."""
    for number, shard in enumerate(SHARDS):
        publish(volume, job, number, *shard)
    return job


@pytest.fixture
def old_batch(job: Job, volume: Volume) -> Job:
    """The same batch as an older release stored it: without columns."""
    names = [*("a/0.png", "a/1.png", "a/2.png", "b/3.png", "a/4.png"), STRANGE, "c/6.png"]
    texts = [name.encode() for name in names]
    entries = np.zeros(len(names), ENTRY)
    entries["name_length"] = list(map(len, texts))
    entries["name"] = np.cumsum([0, *map(len, texts)])[:-1]
    folder = volume.archive_index(job.id)
    folder.mkdir(parents=True)
    ArchiveIndex(Kind.ZIP, 0, entries, np.frombuffer(b"".join(texts), np.uint8)).save(folder)
    for number, (rows, errors, _) in enumerate(SHARDS):
        finish(volume, job, number, rows, errors)
    return job


def page(client: FlaskClient, job: Job, **query: Any) -> dict[str, Any]:
    response = client.get(f"/v1/jobs/{job.id}/results/rows", query_string=query)
    assert response.status_code == 200, response.text
    return response.get_json()  # type: ignore[no-any-return]


def found(client: FlaskClient, job: Job, **query: Any) -> list[int]:
    """Return the indices of the rows on all pages, read two at a time."""
    indices: list[int] = []
    after: dict[str, str] = {}
    while True:
        one = page(client, job, limit=2, **query, **after)
        indices += [item["index"] for item in one["items"]]
        if one["next"] is None:
            return indices
        assert len(one["items"]) == 2
        after = {"after": one["next"]}


@pytest.mark.parametrize("stored", ["batch", "old_batch"])
class TestRows:
    def test_items_are_rows_with_the_index_of_their_entry(
        self, client: FlaskClient, request: pytest.FixtureRequest, stored: str
    ) -> None:
        items = page(client, request.getfixturevalue(stored))["items"]

        rows = [each for rows, _, _ in SHARDS for each in rows]
        assert items == [{"index": index, **each} for index, each in zip(INDICES, rows, strict=True)]

    @pytest.mark.parametrize(
        ("query", "indices"),
        [
            ({}, INDICES),
            ({"order": "least_confident"}, [5, 2, 4, 0, 6]),
            ({"order": "most_confident"}, [6, 0, 2, 4, 5]),
            ({"label": "7"}, [0, 4]),
            ({"label": "<b>"}, [5]),
            ({"label": "8"}, []),
            ({"above": 0.4}, [0, 2, 4, 6]),
            ({"below": 0.4}, [5]),
            ({"above": 0.05, "below": 0.9, "order": "most_confident"}, [2, 4, 5]),
            ({"above": 0.9, "label": "7"}, [0]),
            ({"path": "a/"}, [0, 2, 4]),
            ({"path": "a/", "order": "most_confident", "label": "7"}, [0, 4]),
            ({"path": "label"}, [5]),
            ({"path": '", "label": "x'}, [5]),
            ({"path": "\n<"}, [5]),
            ({"path": "\u202e"}, [5]),
            ({"path": "n"}, [0, 2, 4, 5, 6]),
            ({"path": "\\n"}, []),
            ({"path": "confidence"}, []),
        ],
    )
    def test_rows_are_filtered_and_ordered_over_all_pages(
        self,
        client: FlaskClient,
        request: pytest.FixtureRequest,
        stored: str,
        query: dict[str, Any],
        indices: list[int],
    ) -> None:
        assert found(client, request.getfixturevalue(stored), **query) == indices

    def test_summary_counts_labels_confidences_and_codes(
        self, client: FlaskClient, request: pytest.FixtureRequest, stored: str
    ) -> None:
        job = request.getfixturevalue(stored)

        summary: Any = client.get(f"/v1/jobs/{job.id}/results/summary").json

        assert (summary["rows"], summary["errors"]) == (5, 2)
        assert summary["codes"] == [{"code": "not_an_image", "count": 2}]
        assert summary["edges"][:3] == [0.0, 0.05, 0.1]
        counted = {
            each["label"]: {bin_: count for bin_, count in enumerate(each["bins"]) if count}
            for each in summary["labels"]
        }
        assert counted == {"1": {8: 1, 19: 1}, "7": {8: 1, 18: 1}, "<b>": {1: 1}}
        assert [each["count"] for each in summary["labels"]] == [2, 2, 1]


class TestWhileTheBatchRuns:
    def test_pages_by_confidence_continue_after_new_rows(self, client: FlaskClient, job: Job, volume: Volume) -> None:
        publish(volume, job, 0, *SHARDS[0])
        first = page(client, job, order="least_confident", limit=1)
        publish(volume, job, 1, [row("new.png", ("7", 0.5))], [], [])

        second = page(client, job, order="least_confident", limit=1, after=first["next"])

        assert [item["path"] for item in first["items"] + second["items"]] == ["a/2.png", "new.png"]

    def test_summary_grows_and_a_retry_replaces_counts(self, client: FlaskClient, job: Job, volume: Volume) -> None:
        path = f"/v1/jobs/{job.id}/results/summary"
        assert client.get(path).json["rows"] == 0  # type: ignore[index]
        for number, shard in enumerate(SHARDS):
            publish(volume, job, number, *shard)
            client.get(path)

        publish(volume, job.model_copy(update={"retries": 1}), 1, [row("b/3.png", ("7", 0.5))], [], [])

        summary: Any = client.get(path).json
        assert (summary["rows"], summary["errors"]) == (6, 1)
        assert summary["labels"][1]["count"] == 3

    def test_batch_without_results_has_an_empty_page(self, client: FlaskClient, job: Job) -> None:
        assert page(client, job) == {"items": [], "next": None}


class TestBounds:
    def test_page_is_limited_in_bytes(self, client: FlaskClient, batch: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selection, "PAGE_BYTES", 1)

        first = page(client, batch, order="least_confident")
        second = page(client, batch, order="least_confident", after=first["next"])

        assert [item["index"] for item in first["items"] + second["items"]] == [5, 2]

    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ({"order": "random"}, "order"),
            ({"above": "nan"}, "above"),
            ({"below": "1.5"}, "below"),
            ({"limit": "501"}, "limit"),
            ({"path": ""}, "path"),
            ({"after": "17"}, "after"),
            ({"after": "a0000000000000000", "order": "least_confident"}, "after"),
        ],
    )
    def test_invalid_parameter_is_named(
        self, client: FlaskClient, batch: Job, query: dict[str, str], named: str
    ) -> None:
        response = client.get(f"/v1/jobs/{batch.id}/results/rows", query_string=query)

        assert parameters(assert_problem(response, 422, "validation_failed")) == [named]

    @pytest.mark.parametrize("path", ["rows", "summary"])
    def test_other_jobs_have_no_rows(self, client: FlaskClient, jobs: JobStore, path: str) -> None:
        training = a_training()
        jobs.create(training)

        assert_problem(client.get(f"/v1/jobs/{training.id}/results/{path}"), 409, "not_a_batch")
        assert_problem(client.get(f"/v1/jobs/01k8z4y6w9m3n5p7q1r2s4t6v8/results/{path}"), 404, "job_not_found")

    @pytest.mark.parametrize("columns", ['"columns": 3', '"columns": {"labels": []}'])
    def test_damaged_columns_are_reported(self, client: FlaskClient, batch: Job, volume: Volume, columns: str) -> None:
        file = volume.shard(batch.id, 0, 0)
        header, _, rest = file.read_bytes().partition(b"\n")
        start = header[: header.index(b'"columns"')]
        file.write_bytes(start + columns.encode() + b"}\n" + rest)

        assert_problem(client.get(f"/v1/jobs/{batch.id}/results/rows"), 500, "shard_damaged")


def test_rows_of_an_older_release_without_their_archive_are_not_found(
    client: FlaskClient, old_batch: Job, volume: Volume
) -> None:
    shutil.rmtree(volume.archive_index(old_batch.id))

    response = client.get(f"/v1/jobs/{old_batch.id}/results/rows")

    assert_problem(response, 404, "archive_not_found")


FILTERS: list[dict[str, Any]] = [
    {"label": "7"},
    {"above": 0.4, "below": 0.9},
    {"path": '"'},
    {"path": ".png", "below": 1},
    {"label": "1", "path": "a/"},
    {"label": "none"},
    {"above": 0},
]


@pytest.mark.parametrize("wanted", FILTERS)
def test_download_has_the_rows_of_the_filter_in_every_format(
    client: FlaskClient, job: Job, volume: Volume, registry: Registry, wanted: dict[str, Any]
) -> None:
    models.publish(registry, classes=("1", "7", "<b>"))
    first = [row("a/0.png", ("7", 0.9), ("1", 0.1)), row("a/2.png", ("1", 0.6), ("7", 0.4))]
    third = [row(STRANGE, ("<b>", 0.4), ("7", 0.3)), row("c/6.png", ("1", 1.0), ("7", 0.0))]
    for number, rows in enumerate((first, [], third)):
        publish(volume, job, number, rows, [], [])
    listed: Any = client.get(f"/v1/jobs/{job.id}/results/rows", query_string=wanted).json
    paths = [item["path"] for item in listed["items"]]

    def download(form: str) -> bytes:
        response = client.get(f"/v1/jobs/{job.id}/results", query_string=wanted | {"format": form})
        assert response.status_code == 200
        return bytes(response.data)

    assert [json.loads(line)["path"] for line in download("jsonl").splitlines()] == paths
    rows_of_csv = list(csv.reader(io.StringIO(download("csv").decode(), newline="")))
    assert [line[0] for line in rows_of_csv] == ["path", *paths]
    assert parquet.read_table(io.BytesIO(download("parquet"))).column("path").to_pylist() == paths
    with np.load(io.BytesIO(download("npz"))) as arrays:
        assert arrays["paths"].tolist() == paths
        assert len(arrays["labels"]) == len(arrays["probabilities"]) == len(paths)


def test_download_rejects_an_invalid_filter(client: FlaskClient, batch: Job) -> None:
    response = client.get(f"/v1/jobs/{batch.id}/results?above=2&label=7")

    assert parameters(assert_problem(response, 422, "validation_failed")) == ["above"]
