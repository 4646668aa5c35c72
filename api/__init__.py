"""The HTTP API: Flask in, JSON out. It validates, stores, enqueues and reads; it trains nothing.

`api.app` builds the application. This module stays light, because gunicorn's configuration imports `api.server` and
`api.auth` before settings have taken effect that Flask, NumPy and prometheus_client read when they are imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["create_app"]


def create_app() -> Flask:
    """Build the application from the environment: the factory that gunicorn calls as `api:create_app()`."""
    from api.app import create_app as build  # noqa: PLC0415 - see above

    return build()
