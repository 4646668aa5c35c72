"""The HTTP API, built with Flask. It validates requests, stores files, enqueues jobs and reads results.

`api.app` builds the application. This module imports nothing heavy: gunicorn's configuration imports `api.server` and
`api.auth` before it sets the variables that Flask, NumPy and prometheus_client read on import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["create_app"]


def create_app() -> Flask:
    """Build the application from the environment. gunicorn calls this factory as `api:create_app()`."""
    from api.app import create_app as build  # noqa: PLC0415 - see above

    return build()
