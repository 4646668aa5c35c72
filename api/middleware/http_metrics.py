"""A histogram of HTTP request durations, which `/metrics` exposes."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from shared.runtime.settings import metrics_folder

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class HttpMetrics:
    """The time from a request until its response starts, across all processes of this API."""

    def __init__(self) -> None:
        self._own = CollectorRegistry()  # not the global one: tests build several applications in one process
        self._durations = Histogram(
            "glassbox_http_request_duration_seconds",
            "Time from a request's arrival until its response starts.",
            ["route", "method", "code"],
            buckets=SECONDS,
            registry=self._own,
        )

    def register(self, app: Flask) -> None:
        """Measure every request of the application."""

        @app.before_request
        def start() -> None:
            g.started = time.perf_counter()

        @app.after_request
        def measure(response: Response) -> Response:
            route = request.url_rule.rule if request.url_rule is not None else "unknown"
            method = request.method if request.method in METHODS else "other"
            self.observe(route, method, response.status_code, g.started)
            return response

    def observe(self, route: str, method: str, status: int, started: float) -> None:
        """Record a request that started at `started`, a value of `time.perf_counter`."""
        self._durations.labels(route, method, str(status)).observe(time.perf_counter() - started)

    def add_to(self, registry: CollectorRegistry) -> None:
        """Add a collector of all processes' metrics to the registry."""
        folder = metrics_folder()
        if folder is None:
            registry.register(self._own)
        else:
            MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
