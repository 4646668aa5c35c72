"""No request gets a 500, with any method, path, query, headers and body."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client, run_wsgi_app

from api.app import create_app
from api.resources.trainings.training_jobs import TrainingRequest
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of_images
from tests.support.data.npz import easy_arrays, easy_images, npz
from tests.support.objects.documented import EXAMPLES, Served, served_on
from tests.support.servers.redis_server import RedisServer

DATABASE = 5
ROUTES: Flask = create_app(Settings(bind="127.0.0.1", published_on=None, api_keys_file=None))
RULES = sorted({rule.rule for rule in ROUTES.url_map.iter_rules()})
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "get", ""]
HEADERS = [
    "Accept", "Accept-Encoding", "Authorization", "Content-Digest", "Content-Encoding", "Content-Length",
    "Content-Type", "Cookie", "Expect", "Host", "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match",
    "If-Range", "Last-Event-ID", "Origin", "Range", "Repr-Digest", "Transfer-Encoding", "X-API-Key",
    "X-Forwarded-For", "X-Request-Id",
]  # fmt: skip
HEADER_VALUES = [
    "", "*", "application/json", "application/zip", "multipart/form-data; boundary=b", "multipart/form-data",
    "text/event-stream", "application/json; charset=klingon", "gzip", "bytes=0-", "bytes=-0", "bytes=9-1,2-", "-1",
    "99999999999999999999", "0x10", "chunked", "100-continue", '"key"', '"', "W/", '"a", W/"b"', "Basic Og==",
    "sha-256=:AA==:", "sha-256=:é:", "localhost:99999", "[::1", "[::1]:x", "null", "http://[", "1-1",
    "99999999999999999999-0",
]  # fmt: skip
TYPES = ["application/json", "multipart/form-data; boundary=b", "application/zip", ""]
QUERIES = ["limit", "after", "kind", "state", "model", "format", "name", "top_k", "seed", "test_fraction", "force"]
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ndigits\r\n'
    b'--b\r\nContent-Disposition: form-data; name="archive"; filename="a"\r\n\r\nx\r\n--b--\r\n'
)
BODIES = [
    b"", b"{}", b"[]", b"null", b"NaN", b'{"model": "digits", "dataset": "digits"}', b"[" * 5000, b'"\\ud800"',
    b"\xef\xbb\xbf{}", b'{"a":1,"a":2}', b'{"epochs":1e999}', b'{"model": "digits", "seed": ' + b"9" * 5000 + b"}",
    FORM, npz(easy_arrays()), zip_of_images(easy_images(2)[0]),
]  # fmt: skip

latin = st.text(st.characters(max_codepoint=255), max_size=20)  # the bytes of a path, as a WSGI server decodes them
line = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=20)  # … of the header lines
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    scalars, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3)
)
trainings = st.dictionaries(st.sampled_from(sorted(TrainingRequest.model_fields)), anything).map(
    lambda some: json.dumps({"model": "digits", "dataset": "digits", **some}).encode()
)


@pytest.fixture(scope="module")
def served(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    service = Served()
    with served_on(redis_server, DATABASE, tmp_path_factory.mktemp("strange"), service):
        yield service


@st.composite
def paths(draw: st.DrawFn) -> str:
    """A route's path with any text for its variables, or any text."""
    if draw(st.integers(0, 9)) == 0:
        return "/" + draw(latin)
    path = draw(st.sampled_from(RULES))
    for name, known in EXAMPLES.items():
        path = path.replace(f"<{name}>", draw(st.just(known) | latin))
    return path


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A request as a WSGI environment (PEP 3333)."""
    body = draw(st.sampled_from(BODIES) | st.binary(max_size=50) | trainings)
    query = draw(st.lists(st.tuples(st.sampled_from(QUERIES) | line, line), max_size=3))
    environ = {
        "REQUEST_METHOD": draw(st.sampled_from(METHODS[:3]) | st.sampled_from(METHODS)),
        "PATH_INFO": draw(paths()),
        "QUERY_STRING": draw(st.just("&".join(f"{name}={value}" for name, value in query)) | line),
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": draw(st.sampled_from(TYPES)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    headers = st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(HEADER_VALUES) | line, max_size=3)
    for name, value in draw(headers).items():
        key = name.upper().replace("-", "_")
        environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
    return environ


@given(environ=requests(), with_key=st.booleans())
@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_no_request_gets_a_500(served: Served, environ: dict[str, Any], with_key: bool) -> None:
    if with_key:
        environ.setdefault("HTTP_AUTHORIZATION", f"Bearer {served.key}")

    content, status, headers = run_wsgi_app(served.app, environ, buffered=True)

    body = b"".join(content)
    assert status[:3] not in {"500", "501", "502", "504"}, (environ, body)
    assert headers["X-Request-Id"]
    if int(status[:3]) >= 400 and environ["REQUEST_METHOD"] != "HEAD" and headers.get("Content-Encoding") is None:
        assert headers["Content-Type"] == "application/problem+json", (environ, body)
        problem = json.loads(body)
        assert problem["status"] == int(status[:3])
        assert problem["code"]


@pytest.mark.parametrize("name", ["x" * 300, "\0", "a\0b", "..", "é", "\udcff", "a" * 64, "A", " "])
@pytest.mark.parametrize("rule", [rule for rule in RULES if "<" in rule])
def test_an_invalid_name_is_rejected_or_not_found(served: Served, rule: str, name: str) -> None:
    client = Client(served.app)
    for variable in re.findall("<[^>]+>", rule):
        path = re.sub("<([^>]+)>", lambda found: name if found[0] == variable else EXAMPLES.get(found[1], "1"), rule)  # noqa: B023
        for method, body in [("GET", {}), ("PUT", {"version": 1}), ("POST", {"inputs": []}), ("DELETE", {})]:
            response = client.open(
                quote(path, errors="surrogateescape"),
                method=method,
                json=body,
                headers={"Authorization": f"Bearer {served.key}"},
            )

            assert response.status_code < 500, (method, path, response.text)
