"""The session of a command: the options before it, and the client for the server that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from glassbox.cli.messages import remember

if TYPE_CHECKING:
    import typer

    from glassbox.client import Client
    from glassbox.http.retrying import Retries


@dataclass(frozen=True)
class Session:
    """The options before the command. url: the server, or None for the default."""

    url: str | None = None

    def client(self, timeout: float = 60.0, retries: Retries | None = None) -> Client:
        """Return a client for a `with` block."""
        from glassbox.client import Client  # noqa: PLC0415 - see the package's docstring

        return Client(self.url, timeout=timeout, retries=retries)


def client_of(context: typer.Context) -> Client:
    """Return the client for the server that the command's options name."""
    remember(context)
    return cast("Session", context.obj).client()
