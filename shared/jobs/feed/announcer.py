"""Events of the stream of all jobs' events that belong to no job: deleted models, versions and data sets."""

from __future__ import annotations

import json
import logging
from typing import Literal

from redis import Redis, RedisError

from shared.jobs import feed, keys
from shared.json_types import JsonObject
from shared.runtime.redis_faults import explained
from shared.runtime.redis_scripts import Script

log = logging.getLogger(__name__)

Deletion = Literal["model_deleted", "version_deleted", "dataset_deleted", "dataset_name_deleted"]

EVENT = """
-- @arg event: its type
-- @arg model: the model's name, or an empty text
-- @arg data: its data as JSON
announce('', '', model, event, data)
"""


class Announcer:
    """Adds an event after a deletion. Clients that follow the stream learn of it; without Redis they do not."""

    def __init__(self, redis: Redis) -> None:
        self._announce = Script(redis, feed.CONSTANTS, feed.SOURCE, EVENT)

    def deleted(self, event: Deletion, data: JsonObject, model: str = "") -> None:
        """Add an event. A failure is logged, because the deletion itself has succeeded."""
        try:
            self._announce({"all_events": keys.ALL_EVENTS}, event=event, model=model, data=json.dumps(data))
        except RedisError as error:
            log.warning("the event %s is missing in /v1/events: %s", event, explained(error))
