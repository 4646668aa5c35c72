"""The dispatcher's presence: in Redis, and in a file for its container's health check."""

from __future__ import annotations

import threading
from pathlib import Path

from redis import Redis

from shared.jobs import keys
from shared.jobs.files import JobFiles
from shared.jobs.task_queue import DISPATCHER, Presence, connect
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from shared.webhooks.outbox import Outbox
from tests.support.network import closed_port
from tests.support.waiting import eventually
from worker.running.presence_file import PresenceFile
from worker.webhooks.__main__ import RegularPresence
from worker.webhooks.dispatcher import Dispatcher


def test_presence_is_renewed_when_it_is_due_and_no_earlier(redis: Redis, tmp_path: Path) -> None:
    file = tmp_path / "present"
    presence = RegularPresence(Presence(redis, "host:1", DISPATCHER, 1), PresenceFile(file))
    presence.renew_when_due()
    assert redis.zcard(keys.workers(DISPATCHER)) == 1
    assert file.exists()

    file.unlink()
    presence.renew_when_due()
    assert not file.exists()

    presence.withdraw()
    assert redis.zcard(keys.workers(DISPATCHER)) == 0


def test_the_file_is_not_renewed_while_redis_is_unreachable(settings: Settings, tmp_path: Path) -> None:
    away = connect(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{closed_port()}/0"}))
    presence = RegularPresence(Presence(away, "host:1", DISPATCHER, 1), PresenceFile(tmp_path / "present"))

    presence.renew_when_due()
    presence.withdraw()

    assert list(tmp_path.iterdir()) == []


def test_the_dispatchers_loop_renews_its_presence(redis: Redis, settings: Settings, volume: Volume) -> None:
    stop = threading.Event()
    turns: list[None] = []
    dispatcher = Dispatcher(Outbox(redis), JobFiles(volume), [], settings)
    thread = threading.Thread(target=dispatcher.run, args=(stop, lambda: turns.append(None)))
    thread.start()
    try:
        eventually(lambda: len(turns) > 1)
    finally:
        stop.set()
        thread.join()
