"""A real Chromium: with parts alone, with pages on the OpenAPI document's examples, or with a real service.

Every test fails if a page prints an error, breaks the policy, or asks for anything of another host.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from PIL import Image
from playwright.sync_api import Browser, Page, Request, Route, expect, sync_playwright

from api.app import create_app
from api.resources.service.ui import POLICY, TYPES
from shared.runtime.settings import Settings
from tests.support.servers.redis_server import RedisServer

UI = Path(__file__).parents[2] / "ui"
ORIGIN = "http://127.0.0.1:1"  # a secure context; nothing listens there, because every request is answered by the test
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync", "--no-first-run"]
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""
ANSWERED = "Failed to load resource: the server responded"  # Chromium's line about an answer that is an error
PATIENCE = 20_000  # milliseconds, for machines that are busy
expect.set_options(timeout=PATIENCE)
NO_KEY_NEEDED = {"key_required": False, "key": None, "scopes": ["read", "submit", "manage"]}
Answer = Any  # JSON, a `Reply`, or a function of the request that returns either


@dataclass(frozen=True)
class Reply:
    """An answer that is not just 200 with JSON."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def problem(cls, status: int, code: str, detail: str, **members: Any) -> Reply:
        """Return an error as the API sends it."""
        body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail, **members}
        return cls(status, json.dumps(body).encode(), {"Content-Type": "application/problem+json"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--pictures=FOLDER`: keep pictures of some pages, for the documentation."""
    parser.addoption("--pictures", type=Path, default=None)


@pytest.fixture
def picture(page: Page, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep a small picture of the page by a name, if the tests run with `--pictures`."""
    folder: Path | None = request.config.getoption("--pictures", default=None)

    def keep(name: str) -> None:
        if folder is not None:
            whole = Image.open(io.BytesIO(page.screenshot()))
            whole.convert("RGB").quantize(64).save(folder / f"{name}.png", optimize=True)

    return keep


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chromium
        chromium.close()


def stop_clock(page: Page) -> None:
    """Stop the time of a page whose clock is installed: then "Undo" waits for a machine that is busy."""
    page.clock.pause_at(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))


@pytest.fixture
def complaints() -> list[str]:
    """What a page of the test has printed, or asked for elsewhere; a test empties it if that is what it expects."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """An empty page in a profile of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.add_init_script(REPORT_VIOLATIONS)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def check(request: Request) -> None:
        host = urlsplit(request.url).hostname
        if host not in {"127.0.0.1", None}:
            complaints.append(f"a request to another host: {request.url}")

    page.on("request", check)
    yield page
    context.close()
    assert [text for text in complaints if not text.startswith(ANSWERED)] == []


@pytest.fixture
def blank(page: Page) -> Page:
    """A page under the dashboard's policy with `<main>` and the styles, which can import the parts: `/ui/parts/…`."""
    styles = "".join(f'<link rel="stylesheet" href="/ui/style/{path.name}">' for path in (UI / "style").glob("*.css"))
    html = f'<!doctype html><html lang="en"><title>parts</title>{styles}<main id="main"></main></html>'

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path == "/":
            headers = {"Content-Security-Policy": POLICY, "Content-Type": "text/html"}
            route.fulfill(body=html, headers=headers)
        else:
            file = UI / path.removeprefix("/ui/")
            if file.is_file():
                route.fulfill(body=file.read_bytes(), content_type=TYPES[file.suffix])
            else:  # an error here would leave the page waiting
                route.fulfill(status=404)

    page.route(f"{ORIGIN}/**", answer)
    page.goto(ORIGIN)
    return page


@dataclass
class Dashboard:
    """The dashboard on answers of a test; what a test does not answer, the OpenAPI document's examples answer."""

    page: Page
    document: dict[str, Any]
    fetch: Callable[[str], Reply]
    answers: dict[str, Answer] = field(default_factory=lambda: {"/v1/me": NO_KEY_NEEDED})
    requests: list[Request] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def open(self, path: str, answers: dict[str, Answer] | None = None) -> Page:
        """Open a page. `answers` are by `GET /v1/jobs`, or by a path alone, for any method."""
        self.answers.update(answers or {})
        self.page.goto(f"{ORIGIN}{path}")
        return self.page

    def answer(self, route: Route) -> None:
        """Answer a request."""
        request = route.request
        path = urlsplit(request.url).path
        if path.startswith("/ui/"):
            self._fulfill(route, self.fetch(path))
            return
        self.requests.append(request)
        found = self.answers.get(f"{request.method} {path}", self.answers.get(path))
        if callable(found):
            found = found(request)
        if found is None:
            found = Reply(204) if path == "/v1/events" else self.example(request.method, path)
        self._fulfill(route, found)

    def sent(self, method: str, path: str) -> list[Request]:
        """Return the requests that the page has sent to a path."""
        return [one for one in self.requests if one.method == method and urlsplit(one.url).path == path]

    def example(self, method: str, path: str, number: int = 0) -> Any:
        """Return the document's example of a successful answer."""
        if path == "/openapi.json":
            return self.document
        for template, operations in self.document["paths"].items():
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
            if re.fullmatch(pattern, path) and method.lower() in operations:
                responses = operations[method.lower()]["responses"]
                status = next(code for code in sorted(responses) if code.startswith("2"))
                content = responses[status].get("content", {}).get("application/json", {})
                examples = list(content.get("examples", {}).values())
                if examples:
                    return json.loads(json.dumps(examples[number]["value"]))
                return Reply(int(status))
        self.unknown.append(f"the document has no operation {method} {path}")
        return Reply(404)

    @staticmethod
    def _fulfill(route: Route, found: Any) -> None:
        if not isinstance(found, Reply):
            found = Reply(200, json.dumps(found).encode(), {"Content-Type": "application/json"})
        route.fulfill(status=found.status, body=found.body, headers=found.headers)


@pytest.fixture(scope="session")
def served(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """The API, for the dashboard's files and the OpenAPI document; nothing else is asked of it."""
    volume = tmp_path_factory.mktemp("dashboard")
    return create_app(Settings(redis_url=redis_server.url(), volume=volume)).test_client()


@pytest.fixture(scope="session")
def document(served: FlaskClient) -> dict[str, Any]:
    """The OpenAPI document, whose examples answer the dashboard's requests."""
    read: dict[str, Any] = json.loads(served.get("/openapi.json").data)
    return read


@pytest.fixture
def dashboard(page: Page, served: FlaskClient, document: dict[str, Any]) -> Iterator[Dashboard]:
    """The dashboard, whose requests to the API the test answers."""

    def fetch(path: str) -> Reply:
        response = served.get(path)
        return Reply(response.status_code, response.data, dict(response.headers))

    result = Dashboard(page, document, fetch)
    page.route(f"{ORIGIN}/**", result.answer)
    yield result
    assert result.unknown == []
