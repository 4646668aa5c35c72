"""URLs of files that the server reads itself, in place of an upload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from glassbox import Client, Invalid, LocalFileError, WrongArgument
from glassbox.cli.sorting import check_sorting
from glassbox.files.references import is_url, name_in
from glassbox.http.resumable import Uploads
from glassbox.records.uploads import Upload

from api.schema.examples import BATCH_JOB, DATASET, TRAINING_JOB
from tests.support.servers.scripted import Scripted, document, problem, scripted

URL = "https://data.example.org/my%20pets.zip?signature=1"


def sent(server: Scripted, number: int = -1) -> tuple[str, Any]:
    request = server.requests[number]
    return request.path, json.loads(request.body)


@pytest.mark.parametrize(
    "url", ["https://h/a.zip", "HTTPS://h/a.zip", "http://h/a.zip", "file:///imports/a", "s3://b/a/"]
)
def test_these_texts_are_urls(url: str) -> None:
    assert is_url(url)


@pytest.mark.parametrize(
    "source", ["images.zip", "./https/a.zip", "C:\\images.zip", Path("https://h/a.zip"), b"", None]
)
def test_other_sources_are_not(source: object) -> None:
    assert not is_url(source)


def test_classify_sends_the_url_and_not_a_file() -> None:
    with scripted(document(BATCH_JOB, 202)) as server, Client(server.url) as client:
        client.classify(URL, model="digits", top_k=3)
    assert sent(server) == ("/v1/batch-jobs?model=digits&top_k=3", {"source": {"url": URL}})


def test_several_archives_are_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, upload = tmp_path / "b.zip", Upload("01j0", 3, 3, True, False, "", "")
    file.write_bytes(b"zip")
    monkeypatch.setattr(Uploads, "send", lambda *_, **__: upload)
    with scripted(document(BATCH_JOB, 202)) as server, Client(server.url) as client:
        client.classify([URL, str(file)], model="digits")
    archives = [{"source": {"url": URL}}, {"upload": "01j0", "name": "b.zip"}]
    assert sent(server, 0) == ("/v1/batch-jobs?model=digits", {"archives": archives})


def test_a_missing_archive_of_several_is_reported_before_the_first_is_sent(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"zip")
    archives = [tmp_path / "a.zip", tmp_path / "b.zip"]
    with scripted(document(BATCH_JOB, 202)) as server, Client(server.url) as client:
        with pytest.raises(LocalFileError, match=r"b\.zip"):
            client.classify(archives, model="digits")
        with pytest.raises(WrongArgument, match="is a folder"):
            client.classify([archives[0], tmp_path], model="digits")
    assert server.requests == []


def test_a_data_set_has_the_name_in_the_url() -> None:
    with scripted(document(DATASET, 201)) as server, Client(server.url) as client:
        client.datasets.upload(URL, image_shape=(28, 28))
        client.datasets.upload("s3://pets")
        client.datasets.upload("file:///imports/pets/", "own-name")
    assert sent(server, 0) == ("/v1/datasets?name=my-pets&image_shape=28x28", {"source": {"url": URL}})
    assert sent(server, 1) == ("/v1/datasets?name=pets", {"source": {"url": "s3://pets"}})
    assert sent(server) == ("/v1/datasets?name=own-name", {"source": {"url": "file:///imports/pets/"}})


def test_train_adds_the_data_set_first() -> None:
    with scripted(document(DATASET, 201), document(TRAINING_JOB, 202)) as server, Client(server.url) as client:
        client.train(URL, model="digits")
    assert sent(server, 0)[1] == {"source": {"url": URL}}
    assert sent(server)[1]["dataset"] == DATASET["id"]


def test_an_error_of_the_server_is_raised() -> None:
    with scripted(problem(422, "source_refused")) as server, Client(server.url) as client, pytest.raises(Invalid):
        client.classify(URL, model="digits")


def test_a_path_is_never_a_url() -> None:
    with scripted(document(BATCH_JOB, 202)) as server, Client(server.url) as client, pytest.raises(LocalFileError):
        client.classify(Path(URL), model="digits")
    assert server.requests == []


def test_a_wrong_url_is_named() -> None:
    with pytest.raises(WrongArgument, match="is not a URL"):
        name_in("https://[::1/a.zip")


def test_only_local_images_can_be_sorted(tmp_path: Path) -> None:
    with pytest.raises(WrongArgument, match="sorts local images"):
        check_sorting([URL], tmp_path / "sorted", link=False, min_confidence=None, detach=False)
    with pytest.raises(WrongArgument, match="one by one"):
        check_sorting(["a.zip", "b.zip"], tmp_path / "sorted", link=False, min_confidence=None, detach=False)
    assert not (tmp_path / "sorted").exists()
