"""A worker container's health check, `healthcheck.py training|inference|webhooks`: Redis knows a worker of it.

A worker's presence lapses unless the part of it that takes jobs from the queue renews it, so this tells of a worker
that runs but consumes nothing, too.
"""

import socket
import sys
from typing import cast

from redis import RedisError

from shared.broker import connect
from shared.jobs import keys
from shared.redis_faults import explained
from shared.settings import Settings

queue = sys.argv[1]
try:
    redis = connect(Settings())
    seconds, _ = redis.time()
    online = cast("list[str]", redis.zrangebyscore(keys.workers(queue), seconds, "+inf"))
except RedisError as error:
    sys.exit(explained(error))
if not any(worker.startswith(f"{socket.gethostname()}:") for worker in online):
    sys.exit(f"no worker of this container listens to {queue!r}; online are {online}")
