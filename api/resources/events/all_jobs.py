"""`GET /v1/events`: the events of all jobs, as one stream or in pages."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field, with_config
from redis import RedisError
from typing_extensions import TypedDict

from api.requests.pagination import Page, PageQuery, cursor_like
from api.requests.validation import from_texts
from api.resources.events.broadcast import BATCH_EVENTS, Follower
from api.resources.events.connection import Connection
from api.resources.events.streams import (
    EVENT_ID,
    EVENT_STREAM,
    RECONNECT_MS,
    EventStreams,
    last_event_id,
    prefers_stream,
)
from api.schema import examples
from api.schema.examples import shown_as
from api.schema.operations import MediaType, error_response, operation
from shared.errors import Unavailable
from shared.jobs import Kind
from shared.jobs.feed import START, EventFeed, FeedEvent, Read, position_of
from shared.jobs.feed.tails import ALL_JOBS
from shared.jobs.view import Time
from shared.json_types import AS_WRITTEN, JsonObject
from shared.runtime.clock import rfc3339
from shared.runtime.redis_faults import explained

log = logging.getLogger(__name__)

STREAM_EXAMPLE = (
    "id: 1769860805120-0\nevent: state\n"
    'data: {"time": "2026-01-31T12:00:05.120Z", "job": "01k8z4y6w9m3n5p7q1r2s4t6v8", "kind": "training",'
    ' "model": "digits", "data": {"state": "running", "attempt": 1}}\n\n'
)


@with_config(shown_as(examples.ANY_EVENT))
class AnyEventView(TypedDict):
    """An event of any job: `type` and `data` are those in the job's own log, `id` is of this list.

    A job's deletion is an event `deleted`. The deletion of a model, a version or a data set is an event without a job:
    `model_deleted`, `version_deleted` with the `version`, `dataset_deleted` with the id as `dataset`, or, of a name
    besides others, `dataset_name_deleted` with the `name` too. The data of an event of more than 4 KiB are
    `{"truncated": true}`. An event `missed`, without a job, says that older events than the next one are no longer
    kept: read the lists again.
    """

    id: str
    type: str
    time: Time
    job: str | None
    kind: str | None
    model: str | None
    data: Annotated[JsonObject, AS_WRITTEN]


class EventsQuery(PageQuery):
    """Filters of the events of all jobs."""

    after: Annotated[str, cursor_like(EVENT_ID)] | None = Field(None, description="the id of an event of this list")
    kind: Kind | None = Field(None, description="only events of jobs of this kind")
    model: str | None = Field(None, description="only events of jobs that train or use this model")
    job: str | None = Field(None, description="only events of this job")

    def selects(self, event: FeedEvent) -> bool:
        """Return whether the event passes the filters."""
        return self.kind in {None, event.kind} and self.model in {None, event.model} and self.job in {None, event.job}


def blueprint(feed: EventFeed, streams: EventStreams) -> Blueprint:
    """Return the route of all jobs' events."""
    routes = Blueprint("events", __name__, url_prefix="/v1/events")

    @routes.get("")
    @operation(
        "Read or follow the events of all jobs",
        scope="read",
        query=EventsQuery,
        responses={
            200: (Page[AnyEventView], MediaType(EVENT_STREAM, "an event for each entry", example=STREAM_EXAMPLE))
        },
        errors=(error_response(Unavailable, "too_many_event_streams"),),
        headers=("Last-Event-ID",),
    )
    def index() -> Response | Page[AnyEventView]:
        """If the client accepts `text/event-stream`, a stream that stays open; it begins with the next event.

        After `Last-Event-ID` (or `after`) it continues without gaps, or with an event `missed`. Otherwise a JSON page
        of the about 5,000 newest events, oldest first; `next` is null at the end.
        """
        query = from_texts(EventsQuery, request.args)
        if prefers_stream():
            after = last_event_id() or query.after or feed.end()
            text = _stream(feed, streams, query, after, Connection(request.environ))
            return streams.respond(text, "poll /v1/jobs instead")
        return _page(feed, query)

    return routes


def _page(feed: EventFeed, query: EventsQuery) -> Page[AnyEventView]:
    """Return a page of one read: with filters it may be short, or empty, before the last page."""
    found = feed.read(query.after or START, query.limit + 1)
    events = found.events[: query.limit]
    missed = [_missed(found)] if found.missed and query.after is not None else []
    selected = [_view(event) for event in events if query.selects(event)]
    return {"items": [*missed, *selected], "next": events[-1].id if len(found.events) > query.limit else None}


def _stream(
    feed: EventFeed, streams: EventStreams, query: EventsQuery, position: str, connection: Connection
) -> Iterator[bytes]:
    """Yield the stream. A line `id` without an event moves a client's position past events that are filtered."""
    yield f"retry: {RECONNECT_MS}\nid: {position}\n\n".encode()
    source = AllJobsLog(feed)
    follower = Follower(connection, position, query.selects, lambda at: f": ping\nid: {at}\n\n".encode())
    while streams.can_send(connection, "all jobs"):
        if ping := follower.pings(streams.ping_seconds):
            yield ping
        try:
            found = feed.read(follower.position, BATCH_EVENTS)
            if not found.events and not found.missed:
                pieces = streams.broadcast.follow(source, follower)
                if pieces is None:
                    feed.wait(follower.position, streams.poll_seconds)
                else:
                    yield from pieces
                continue
        except RedisError as error:
            log.warning("the event stream of all jobs waits for Redis: %s", explained(error))
            time.sleep(streams.poll_seconds)
            continue
        if found.missed:
            follower.advance(found.resume, sent=True)
            yield _encoded(_missed(found))
        for event in found.events:
            is_selected = query.selects(event)
            follower.advance(event.id, sent=is_selected)
            if is_selected:
                yield source.encode(event)


class AllJobsLog:
    """The stream of all jobs' events."""

    name = ALL_JOBS

    def __init__(self, feed: EventFeed) -> None:
        self._feed = feed

    def encode(self, event: FeedEvent) -> bytes:
        """Encode an event as text/event-stream."""
        return _encoded(_view(event))

    def has_gap(self, position: str, event: FeedEvent) -> bool:
        """Return whether there was another event between the position and this event."""
        return event.previous != position

    def ends_with(self, _event: FeedEvent) -> bool:
        """Return False: the stream has no end."""
        return False

    def is_over(self, position: str) -> bool:
        """Return whether Redis has lost its data, or events after the position."""
        return self._feed.read(position, 1).missed


def _missed(found: Read) -> AnyEventView:
    detail = "older events than the next one are no longer kept; read the lists again"
    return {
        "id": found.resume,
        "type": "missed",
        "time": rfc3339(position_of(found.resume)[0]),
        "job": None,
        "kind": None,
        "model": None,
        "data": {"detail": detail},
    }


def _view(event: FeedEvent) -> AnyEventView:
    return {
        "id": event.id,
        "type": event.type,
        "time": event.time,
        "job": event.job or None,
        "kind": event.kind or None,
        "model": event.model or None,
        "data": event.data,
    }


def _encoded(event: AnyEventView) -> bytes:
    """Encode an event as text/event-stream."""
    data = {name: value for name, value in event.items() if name not in {"id", "type"}}
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
