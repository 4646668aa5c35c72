"""One POST to a webhook: resolves the host, validates its addresses, and connects to one of these addresses.

The name is resolved only once, so DNS rebinding has no effect. The client follows no redirect, uses no proxy, and reads
only the head of the response.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping

from shared.addresses import Target
from shared.storage.sources.connections import Connection, Refused, Unreachable, ended_after, resolve
from worker.webhooks.response import Response, read_response

__all__ = ["Refused", "Unreachable", "post"]

WHAT = "webhooks"


def post(target: Target, headers: Mapping[str, str], body: bytes, seconds: float, *, allow_private: bool) -> Response:
    """Send the message; return the response. Raises `Refused` or `Unreachable`.

    seconds: the time limit in all, from connecting to the end of the head, even if the receiver sends byte by byte.
    """
    connection = Connection(target, resolve(target, WHAT, allow_private=allow_private), seconds)
    try:
        with ended_after(seconds, connection):
            connection.request("POST", target.path, body, dict(headers))
            with connection.sock.makefile("rb") as file:
                return read_response(file)
    except TimeoutError as error:
        raise Unreachable(f"no response within {seconds:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"no response: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()
