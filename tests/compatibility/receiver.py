"""A webhook receiver at the address that the recorded jobs name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.servers.receiver import Receiver, receiving

HOST, PORT = "127.86.19.4", 18604  # an address of the loopback interface that no other test uses
HOOK = f"http://{HOST}:{PORT}/hook"


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Run the receiver until the block ends."""
    with receiving(address=(HOST, PORT)) as receiver:
        yield receiver
