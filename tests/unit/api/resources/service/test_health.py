"""`/healthz` and `/readyz`."""

from __future__ import annotations

from flask.testing import FlaskClient
from redis import Redis

from api.app import create_app
from shared.jobs.task_queue import Presence
from shared.runtime.settings import Settings
from shared.runtime.version import VERSION
from shared.storage.volume import Volume


def test_healthz_returns_ok(client: FlaskClient) -> None:
    response = client.get("/healthz")

    assert (response.status_code, response.json) == (200, {"status": "ok"})


def test_healthz_returns_ok_without_redis(client_without_redis: FlaskClient) -> None:
    assert client_without_redis.get("/healthz").status_code == 200


def test_readyz_counts_the_online_workers(client: FlaskClient, redis: Redis) -> None:
    Presence(redis, "host:1", "inference", 1).renew()
    Presence(redis, "host:2", "inference", 1).renew()

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json == {
        "status": "ready",
        "redis": "ok",
        "volume": "ok",
        "workers": {"training": 0, "inference": 2},
        "version": VERSION,
        "revision": None,
    }


def test_readyz_has_the_revision_of_the_image(settings: Settings) -> None:
    built = settings.model_copy(update={"revision": "0123abc"})

    response = create_app(built).test_client().get("/readyz")

    assert response.json is not None
    assert (response.json["version"], response.json["revision"]) == (VERSION, "0123abc")


def test_readyz_without_redis_is_not_ready(client_without_redis: FlaskClient) -> None:
    response = client_without_redis.get("/readyz")

    assert response.status_code == 503
    assert response.json is not None
    assert response.json["redis"] != "ok"
    assert response.json["volume"] == "ok"


def test_readyz_without_a_volume_is_not_ready(settings: Settings, volume: Volume) -> None:
    volume.root.write_bytes(b"a file is in the way")

    response = create_app(settings).test_client().get("/readyz")

    assert response.status_code == 503
    assert response.json is not None
    assert response.json["volume"] != "ok"
    assert response.json["redis"] == "ok"
