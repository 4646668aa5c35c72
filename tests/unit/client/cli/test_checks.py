"""What `glassbox doctor` says of the server's version."""

from __future__ import annotations

import glassbox
import pytest
from glassbox.cli import checks
from glassbox.client import Client
from glassbox.errors import NotReachable
from glassbox.service import Readiness


class Server(Client):
    """A client of a server whose readiness is given."""

    def __init__(self, ready: Readiness | Exception) -> None:
        self._ready = ready

    def server_version(self) -> str:
        return glassbox.__version__

    def ready(self) -> Readiness:
        if isinstance(self._ready, Exception):
            raise self._ready
        return self._ready


@pytest.mark.parametrize(
    ("ready", "shown"),
    [
        (Readiness("ready", "ok", "ok", {}, glassbox.__version__, "0123456789abcdef"), " (0123456789ab)"),
        (Readiness("ready", "ok", "ok", {}, glassbox.__version__), ""),
        (NotReachable("away"), ""),
    ],
)
def test_the_version_has_the_revision_if_the_server_knows_it(ready: Readiness | Exception, shown: str) -> None:
    [check] = checks._version(Server(ready))

    assert check.ok
    assert check.told == f"server {glassbox.__version__}{shown}, client {glassbox.__version__}"
