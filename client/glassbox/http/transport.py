"""Requests to one server: retried if that is safe, with JSON or a stream as the result, or the client's exceptions.

A GET, and a POST with an `Idempotency-Key`, are safe to repeat. `Transport.create` makes one key for each call.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, TypeVar

import httpx

from glassbox.errors import NotReachable, Refused, UnexpectedAnswer, refusal
from glassbox.http.bodies import Body, FormBody, OnBytes, with_progress
from glassbox.http.retrying import TRANSIENT, Retries

T = TypeVar("T")

RAW = {"Accept-Encoding": "identity"}  # no compression of streams and downloads
PAGE = 500
IN_USE = "idempotency_key_in_use"  # the server still handles the previous attempt, whose response was lost
STILL_RUNNING = Retries(attempts=1000, first_pause=0.5, longest_pause=10.0, within=900.0)
"""Retries of a request that the server may handle for minutes, longer than a proxy waits for its response."""


class Transport:
    """A connection to one server. Several threads may share it; `close` it at the end."""

    def __init__(
        self, url: str, api_key: str | None = None, timeout: float = 60.0, retries: Retries | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self.retries = retries or Retries()
        self.timeout = timeout
        try:
            self._http = httpx.Client(
                base_url=self.url,
                timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
                headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
                verify=self.url.startswith("https:"),  # loading the certificates takes longer than a small job
                trust_env=not _is_loopback(self.url),  # a proxy cannot reach loopback addresses of this machine
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise NotReachable(f"{self.url!r} is not the URL of a server: {error}") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, route: str, **params: Any) -> Any:
        """Return the JSON of a GET, which is retried."""
        return self._repeated(lambda: self._json("GET", route, params=_given(params)), self.retries)

    def change(self, method: str, route: str, **request: Any) -> Any:
        """Send a request that changes something, once; return its JSON, or None without a body."""
        return self._json(method, route, **request)

    def query(self, route: str, **request: Any) -> Any:
        """Return the JSON of a POST that changes nothing, which is retried."""
        return self._repeated(lambda: self._json("POST", route, **request), self.retries)

    def create(
        self,
        route: str,
        *,
        params: Mapping[str, Any] | None = None,
        document: Any = None,
        body: Body | None = None,
        on_bytes: OnBytes | None = None,
        read_timeout: float = 0.0,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Create a resource by a POST of a JSON `document` or an upload; retries create it only once.

        read_timeout: seconds to wait for the response, if the server may need more than the client's timeout.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4()), **(headers or {})}
        timeout = httpx.Timeout(self.timeout, connect=min(self.timeout, 10.0), read=max(self.timeout, read_timeout))
        request: dict[str, Any] = {"params": _given(params or {}), "timeout": timeout}
        if body is None:
            request["json"] = document
        else:
            content_type = body.content_type if isinstance(body, FormBody) else "application/octet-stream"
            headers |= {"Content-Type": content_type, "Content-Length": str(body.size)}

        def send() -> Any:
            content = {} if body is None else {"content": with_progress(body, on_bytes)}
            return self._json("POST", route, headers=headers, **request, **content)

        return self._repeated(send, self.retries, STILL_RUNNING if read_timeout > self.timeout else None)

    def pages(self, route: str, size: int | None = None, **params: Any) -> Iterator[Any]:
        """Return the items of a list, at most `size`, page by page."""
        after, left = None, size
        while left is None or left > 0:
            page = self.get(route, **params, limit=PAGE if left is None else min(left, PAGE), after=after)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return
            left = None if left is None else left - len(page["items"])

    def lines(self, route: str, **params: Any) -> Iterator[Any]:
        """Return the JSON in each line of a response, which is streamed."""
        with self.opened(route, params=params) as response:
            try:
                yield from map(json.loads, filter(None, response.iter_lines()))
            except httpx.TransportError as error:
                raise self._unreachable(error, "stopped answering") from error

    def content(self, route: str, **params: Any) -> bytes:
        """Return the bytes of a GET."""
        with self.opened(route, params=params) as response:
            try:
                return response.read()
            except httpx.TransportError as error:
                raise self._unreachable(error, "stopped answering") from error

    @contextmanager
    def opened(
        self,
        route: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float | None = None,
        retries: Retries | None = None,
    ) -> Iterator[httpx.Response]:
        """Send a GET and return its response as a context; reading its body can raise `httpx.TransportError`."""
        timeout = httpx.Timeout(self.timeout, read=read_timeout or self.timeout)
        request = self._http.build_request(
            "GET", route, params=_given(params or {}), headers={**RAW, **(headers or {})}, timeout=timeout
        )

        def send() -> httpx.Response:
            response = self._sent(request, stream=True)
            if response.is_error:
                try:
                    response.read()
                except httpx.TransportError as error:
                    raise self._unreachable(error, "stopped answering") from error
                finally:
                    response.close()
                raise self._problem(response)
            return response

        response = self._repeated(send, retries or self.retries)
        try:
            yield response
        finally:
            response.close()

    def probe(self, route: str) -> Any:
        """Return the JSON of a probe, whatever its status, without retries."""
        return self._decoded(self._sent(self._http.build_request("GET", route)))

    def head(self, route: str) -> httpx.Headers:
        """Return the headers of a HEAD."""
        return self._sent(self._http.build_request("HEAD", route)).headers

    def _json(self, method: str, route: str, **request: Any) -> Any:
        response = self._sent(self._http.build_request(method, route, **request))
        if response.is_error:
            raise self._problem(response)
        return None if response.status_code == 204 else self._decoded(response)

    def _sent(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        try:
            return self._http.send(request, stream=stream)
        except httpx.TransportError as error:
            raise self._unreachable(error, "does not answer") from error
        except httpx.InvalidURL as error:
            raise NotReachable(f"{self.url!r} is not the URL of a server: {error}") from error

    def _repeated(self, send: Callable[[], T], retries: Retries, long: Retries | None = None) -> T:
        """Return what `send` returns.

        long: retries once the server has begun to handle a long request, also if it is restarted meanwhile.
        """
        failures, waited = 0, 0.0
        while True:
            try:
                return send()
            except (NotReachable, Refused) as error:
                if isinstance(error, Refused) and error.status not in TRANSIENT and error.code != IN_USE:
                    raise
                if long is not None and _was_begun(error):
                    retries = long
                failures += 1
                pause = retries.pause(failures, waited, getattr(error, "retry_after", None))
                if pause is None:
                    raise
            time.sleep(pause)
            waited += pause

    def _decoded(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise UnexpectedAnswer(
                f"{response.url} responded with {response.headers.get('Content-Type', 'no type')}, not JSON;"
                f" is {self.url} a Glassbox server?"
            ) from error

    def _problem(self, response: httpx.Response) -> Exception:
        """Return the exception for an error response; a proxy may send one without a problem's JSON."""
        try:
            problem = response.json()
        except ValueError:
            problem = None
        if isinstance(problem, dict) and {"status", "code", "detail"} <= set(problem):
            return refusal(problem, response.headers.get("X-Request-Id", ""), _seconds(response.headers))
        if response.status_code in TRANSIENT:
            return NotReachable(f"{self.url} does not answer: a proxy responded with {response.status_code}")
        return UnexpectedAnswer(
            f"{response.url} responded with {response.status_code}, without an error of Glassbox;"
            f" is {self.url} a Glassbox server?"
        )

    def _unreachable(self, error: httpx.TransportError, what: str) -> NotReachable:
        return NotReachable(f"{self.url} {what}: {str(error) or type(error).__name__}")


def _was_begun(error: NotReachable | Refused) -> bool:
    """Return whether the server received the request, and handles it, or has died while it did."""
    lost = isinstance(error.__cause__, httpx.RemoteProtocolError | httpx.ReadError | httpx.ReadTimeout)
    return lost or (isinstance(error, Refused) and error.code == IN_USE)


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _seconds(headers: httpx.Headers) -> float | None:
    """Return `Retry-After` in seconds, or None if it is missing or a date."""
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
