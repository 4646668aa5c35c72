"""What `glassbox doctor` looks at, one thing after the other, each with what to do where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import glassbox
from glassbox.cli.exits import JOB_FAILED, UNAUTHORIZED, UNREACHABLE
from glassbox.client import Client
from glassbox.errors import Forbidden, GlassboxError, NotReachable, Refused, Unauthenticated, UnexpectedAnswer
from glassbox.http.routes import path_to
from glassbox.settings import settings

NO_JOB = "00000000000000000000000000"  # no job has this id: to ask for it changes nothing, and tells what a key may do
CLOCK_SECONDS = 30.0
START_REDIS = "start Redis, or set the API's GLASSBOX_REDIS_URL to where it is"
VOLUME_REMEDY = "make the API's GLASSBOX_VOLUME a folder that it can write to, with space left"
DELETE_JOBS = "delete ended jobs (`glassbox jobs list`, `glassbox jobs delete`)"
REMEDIES = {  # by the codes that the server gives as reasons
    "Redis": {
        "redis_full": f"{DELETE_JOBS}, or raise the limit: under Compose GLASSBOX_REDIS_MAXMEMORY (and"
        " GLASSBOX_REDIS_MEMORY, twice as much) in .env, then `docker compose up --wait redis`; elsewhere"
        " `redis-cli config set maxmemory …`",
        "redis_disk_error": "free space on the disk that holds Redis's data; under Compose that of Docker's volumes",
        "redis_loading": "wait until Redis has read its data",
        "redis_read_only": "set the API's GLASSBOX_REDIS_URL to the address of the primary",
        "redis_login_refused": "set GLASSBOX_REDIS_URL and GLASSBOX_REDIS_PASSWORD_FILE to a user that Redis knows;"
        " under Compose `docker compose restart redis api trainer classifier courier` after new passwords",
        "redis_permission_missing": "give Redis's user the permissions in docs/operations/settings.md",
        "redis_too_many_clients": "raise Redis's maxclients, or run fewer API processes and workers",
    },
    "volume": {
        "volume_full": f"{DELETE_JOBS}, versions (`glassbox models delete`) or data sets (`glassbox datasets delete`),"
        " or make the volume larger",
    },
}


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do. `status` is the exit status that stands for it."""

    what: str
    ok: bool
    told: str
    remedy: str = ""
    status: int = JOB_FAILED


def examined(client: Client) -> Iterator[Check]:
    """The checks, as far as they make sense: without a server there is nothing else to look at."""
    try:
        headers = client.transport.head("/healthz")
    except GlassboxError as error:
        yield Check(
            "server",
            False,
            str(error),
            "start it (`glassbox serve`, `make up`, `docker compose up`), or name another with --url or GLASSBOX_URL",
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
        told = f"{client.url} does not say which Glassbox it is: {error}"
        yield Check("version", False, told, "is the address right?", UNREACHABLE)
        return
    same = version.split(".")[:2] == glassbox.__version__.split(".")[:2]
    remedy = "" if same else "install the client of the server's version if something is not understood"
    yield Check("version", True, f"server {version}{_revision(client)}, client {glassbox.__version__}", remedy)


def _revision(client: Client) -> str:
    """The start of the commit of the server's sources, in parentheses; empty if it is not known."""
    try:
        revision = client.ready().revision
    except GlassboxError:  # the check of its parts reports why
        return ""
    return f" ({revision[:12]})" if revision else ""


def _parts(client: Client) -> Iterator[Check]:
    try:
        ready = client.ready()
    except (NotReachable, Refused, UnexpectedAnswer) as error:
        yield Check("readiness", False, str(error), "look at the API's log", UNREACHABLE)
        return
    codes = {reason.code for reason in ready.reasons}
    for what, state, general in (("Redis", ready.redis, START_REDIS), ("volume", ready.volume, VOLUME_REMEDY)):
        specific = (REMEDIES[what][code] for code in sorted(codes & REMEDIES[what].keys()))
        yield Check(what, state == "ok", state, "" if state == "ok" else next(specific, general))
    for queue, count in ready.workers.items():
        told = f"{count} online" if count else "nobody works on this queue: its jobs wait"
        service = {"training": "trainer", "inference": "classifier"}.get(queue, queue)
        start = f"start one: `docker compose up --wait {service}`, or `python -m worker {queue}` without containers"
        remedy = "" if count else start
        yield Check(f"workers, {queue}", bool(count), told, remedy)


def _clock(date: str | None) -> Check:
    """The server's clock beside this one; the service itself relies on neither."""
    if date is None:
        return Check("clock", True, "the server does not tell its time")
    off = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    if abs(off) <= CLOCK_SECONDS:
        return Check("clock", True, "as this machine's")
    told = f"the server's is {abs(off):,.0f} s {'behind' if off > 0 else 'ahead of'} this machine's"
    return Check("clock", False, told, "set both by NTP: times in lists and logs will not agree until then")


def _key(client: Client) -> Iterator[Check]:
    """Whether the key is known, and which scopes it has: by asking for things that are not there."""
    shown = settings(client.url).api_key is not None
    scopes = []
    for scope, method, route in (
        ("read", "GET", path_to("jobs")),
        ("submit", "POST", path_to("jobs", NO_JOB, "cancel")),
        ("manage", "DELETE", path_to("jobs", NO_JOB)),
    ):
        try:
            client.transport.change(method, route)
        except Unauthenticated as error:
            remedy = "set GLASSBOX_API_KEY, or api_key in the file of settings; the server's operator makes keys"
            yield Check("key", False, error.detail, remedy, UNAUTHORIZED)
            return
        except Forbidden as error:
            if error.scope is None:
                yield Check("key", False, error.detail, "ask by another name of the server", UNAUTHORIZED)
                return
            continue
        except Refused as error:
            if error.status >= 500:
                yield Check("key", True, f"the server cannot judge it now: {error.detail}")
                return
        scopes.append(scope)
    if shown:
        yield Check("key", True, f"may {', '.join(scopes)}")
    else:
        yield Check("key", True, "none is set, and the server asks for none")
