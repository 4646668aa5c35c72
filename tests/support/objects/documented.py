"""An application with the resources that the OpenAPI document's examples name, for schemathesis's requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask

from api.app import create_app
from api.auth.keys import KeysFile, Scope, new_key
from api.schema.examples import JOB_ID, UPLOAD_ID
from shared.archives import validate
from shared.datasets import DatasetStore
from shared.datasets.arrays.npz import read_npz
from shared.errors import NotFound
from shared.jobs import JobStore, State
from shared.registry import Registry
from shared.runtime.settings import Settings
from shared.storage import durable
from shared.storage.names import new_id
from shared.storage.uploads.record import UploadRecord
from shared.storage.uploads.store import UploadStore
from shared.storage.volume import Volume
from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.objects.jobs import a_batch, claimed
from tests.support.objects.models import a_prediction_for_each, publish
from tests.support.objects.results import error, finish, row
from tests.support.servers.redis_server import RedisServer

EXAMPLES = {
    "name": "digits", "reference": "latest", "job_id": JOB_ID, "alias": "champion", "upload_id": UPLOAD_ID
}  # fmt: skip


class Served:
    """A proxy of an application that exists before the application, because requests are built before they are sent.

    `key` has all scopes; `refill` recreates deleted resources.
    """

    app: Flask
    key: str
    refill: Callable[[], None]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ.pop(
            "HTTP_ACCEPT_ENCODING", None
        )  # schemathesis does not decompress responses of an application in its process
        content: Any = self.app(environ, start_response)
        with closing(content):
            return list(content)


@contextmanager
def documented_settings(redis_server: RedisServer, database: int, folder: Path) -> Iterator[tuple[Settings, str]]:
    """Yield the settings of a service with keys and with the examples' resources, and a key with all scopes."""
    key, line = new_key("tester", frozenset({Scope.MANAGE}))
    KeysFile(folder / "keys").write([line])
    settings = Settings(
        redis_url=redis_server.url(database),
        volume=folder / "volume",
        api_keys_file=folder / "keys",
        rate_limit=0.0,
        submit_rate_limit=0.0,
        max_queued_jobs=0,
    )
    with redis_server.client(database) as redis:
        redis.flushdb()
        fill(settings, JobStore(redis))
        yield settings, key
        redis.flushdb()


@contextmanager
def served_on(redis_server: RedisServer, database: int, folder: Path, place: Served) -> Iterator[None]:
    """Serve the application through the proxy for the duration of a block."""
    with documented_settings(redis_server, database, folder) as (settings, key):
        place.app, place.key = create_app(settings), key
        with redis_server.client(database) as redis:
            place.refill = partial(fill, settings, JobStore(redis))
            yield


def fill(settings: Settings, jobs: JobStore) -> None:
    """Create a data set, a model with an alias, and an ended batch, if they do not exist."""
    volume = Volume(settings.volume)
    file = volume.incoming / "easy.npz"
    durable.write_bytes(file, npz(easy_arrays()))
    uploads = UploadStore(volume, settings)
    with suppress(NotFound):
        uploads.remove("tester", UPLOAD_ID)
    uploads.create("tester", UploadRecord(id=UPLOAD_ID, length=0))
    dataset, _ = DatasetStore(volume).add(read_npz(file, settings, 0.1, 0), EXAMPLES["name"], "upload")
    registry = Registry(volume)
    if EXAMPLES["name"] not in registry.models():
        predictions = a_prediction_for_each((0, 0, 0.9), (1, 2, 0.6))
        version = publish(registry, EXAMPLES["name"], job=new_id(), dataset=dataset.id, predictions=predictions)
        registry.point(EXAMPLES["name"], EXAMPLES["alias"], version.version)
    pinned = {"model": EXAMPLES["name"], "version": registry.get(EXAMPLES["name"]).version, "top_k": 1}
    batch = a_batch(id=JOB_ID, model=EXAMPLES["name"], specification=pinned)
    if jobs.create(batch):
        finish(volume, batch, 0, [row("a.png", ("0", 1.0))], [error("b.txt")])
        durable.write_bytes(volume.archive(JOB_ID), zip_of({"a.png": png(easy_images(1)[0][0]), "b.txt": b"text"}))
        validate(volume.archive(JOB_ID), settings).save(volume.archive_index(JOB_ID))
        jobs.finish(claimed(jobs, JOB_ID), State.SUCCEEDED)
