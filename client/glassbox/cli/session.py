"""The session of a command: the options before it, and the client for the server that they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from glassbox.cli.messages import remember

if TYPE_CHECKING:
    from pathlib import Path

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
    client = cast("Session", context.obj).client()
    client.uploads.on_resume = say_resumed
    return client


def say_resumed(path: Path, received: int, size: int) -> None:
    """Print that an interrupted upload continues, and how much of the file the server has already."""
    from glassbox.cli.exits import say  # noqa: PLC0415 - see the package's docstring

    say(f"{path}: the upload continues; the server has {received / 1e6:,.1f} of {size / 1e6:,.1f} MB")
