"""The checks of `glassbox doctor`, in order, each with a remedy if it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import glassbox
from glassbox.cli.exits import JOB_FAILED, UNAUTHORIZED, UNREACHABLE
from glassbox.cli.messages import message
from glassbox.client import Client
from glassbox.errors import Forbidden, GlassboxError, NotReachable, Refused, Unauthenticated, UnexpectedAnswer
from glassbox.settings import settings

CLOCK_SECONDS = 30.0
START_REDIS = "start Redis, or set the API's GLASSBOX_REDIS_URL to its address"
VOLUME_REMEDY = "set the API's GLASSBOX_VOLUME to a folder that it can write to, with free space"
DELETE_JOBS = "delete finished jobs (`glassbox jobs list`, `glassbox jobs delete`)"
REMEDIES = {  # by the reason codes of the server
    "Redis": {
        "redis_full": f"{DELETE_JOBS}, or raise the limit: under Compose GLASSBOX_REDIS_MAXMEMORY (and"
        " GLASSBOX_REDIS_MEMORY, twice as much) in .env, then `docker compose up --wait redis`; elsewhere"
        " `redis-cli config set maxmemory …`",
        "redis_disk_error": "free space on the disk with Redis's data; under Compose the disk with Docker's volumes",
        "redis_loading": "wait until Redis has read its data",
        "redis_read_only": "set the API's GLASSBOX_REDIS_URL to the address of the primary",
        "redis_login_refused": "set GLASSBOX_REDIS_URL and GLASSBOX_REDIS_PASSWORD_FILE to an existing user of Redis;"
        " under Compose `docker compose restart redis api trainer classifier courier` after new passwords",
        "redis_permission_missing": "grant Redis's user the permissions in docs/operations/settings.md",
        "redis_too_many_clients": "raise Redis's maxclients, or run fewer API processes and workers",
    },
    "volume": {
        "volume_full": f"{DELETE_JOBS}, versions (`glassbox models delete`) or data sets (`glassbox datasets delete`),"
        " or make the volume larger",
    },
}


@dataclass(frozen=True)
class Check:
    """The result of a check: its subject, the finding, and the remedy. status: the exit status if it failed."""

    what: str
    ok: bool
    finding: str
    remedy: str = ""
    status: int = JOB_FAILED


def examined(client: Client) -> Iterator[Check]:
    """Run the checks; if the server does not answer, only the first."""
    try:
        headers = client.transport.head("/healthz")
    except GlassboxError as error:
        yield Check(
            "server",
            False,
            str(error),
            "start it (`glassbox serve`, `make up`, `docker compose up`), or set --url or GLASSBOX_URL to another one",
            UNREACHABLE,
        )
        return
    yield Check("server", True, f"answers at {client.url}")
    yield from _version(client)
    yield from _parts(client)
    yield _clock(headers.get("Date"))
    yield from _key(client)


def _version(client: Client) -> Iterator[Check]:
    try:
        version = client.server_version()
    except (GlassboxError, LookupError, TypeError) as error:
        finding = f"{client.url} does not report a version of Glassbox: {error}"
        yield Check("version", False, finding, "check the address", UNREACHABLE)
        return
    same = version.split(".")[:2] == glassbox.__version__.split(".")[:2]
    remedy = "" if same else "install the client of the server's version if a command fails"
    yield Check("version", True, f"server {version}{_revision(client)}, client {glassbox.__version__}", remedy)


def _revision(client: Client) -> str:
    """Return the start of the server's commit in parentheses, or an empty text if it is unknown."""
    try:
        revision = client.ready().revision
    except GlassboxError:  # `_parts` reports the reason
        return ""
    return f" ({revision[:12]})" if revision else ""


def _parts(client: Client) -> Iterator[Check]:
    try:
        ready = client.ready()
    except (NotReachable, Refused, UnexpectedAnswer) as error:
        yield Check("readiness", False, str(error), "read the API's log", UNREACHABLE)
        return
    codes = {reason.code for reason in ready.reasons}
    for what, state, general in (("Redis", ready.redis, START_REDIS), ("volume", ready.volume, VOLUME_REMEDY)):
        specific = (REMEDIES[what][code] for code in sorted(codes & REMEDIES[what].keys()))
        yield Check(what, state == "ok", state, "" if state == "ok" else next(specific, general))
    for queue, count in ready.workers.items():
        finding = f"{count} online" if count else "none is online: the jobs of this queue wait"
        service = {"training": "trainer", "inference": "classifier"}.get(queue, queue)
        start = f"start one: `docker compose up --wait {service}`, or `python -m worker {queue}` without containers"
        remedy = "" if count else start
        yield Check(f"workers, {queue}", bool(count), finding, remedy)


def _clock(date: str | None) -> Check:
    """Compare the server's clock with the local one; the service itself depends on neither."""
    if date is None:
        return Check("clock", True, "the server sends no date")
    offset = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    if abs(offset) <= CLOCK_SECONDS:
        return Check("clock", True, "agrees with this machine's")
    finding = f"the server's is {abs(offset):,.0f} s {'behind' if offset > 0 else 'ahead of'} this machine's"
    return Check("clock", False, finding, "synchronize both by NTP; until then times in lists and logs differ")


def _key(client: Client) -> Iterator[Check]:
    """Check whether the server accepts the key, and name its scopes."""
    has_key = settings(client.url).api_key is not None
    try:
        scopes = client.access().scopes
    except Unauthenticated as error:
        remedy = "set GLASSBOX_API_KEY, or api_key in the configuration file; the server's operator creates keys"
        yield Check("key", False, message(error), remedy, UNAUTHORIZED)
    except Forbidden as error:
        yield Check("key", False, error.detail, "use another host name of the server", UNAUTHORIZED)
    except Refused as error:
        yield Check("key", True, f"the server cannot check it now: {message(error)}")
    else:
        finding = f"has the scopes {', '.join(scopes)}" if has_key else "none is set, and the server requires none"
        yield Check("key", True, finding)
