"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over `{id}.{timestamp}.{body}`, by each secret that is in use.

Several are in use while one takes another's place: a receiver accepts a message of which one signature is right.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress

from shared import durable
from shared.settings import Settings
from shared.volume import Volume

PREFIX = "whsec_"
FEWEST_BYTES, MOST_BYTES = 24, 64


def load_secrets(settings: Settings, volume: Volume) -> list[bytes]:
    """The secrets in use: those of the settings, else the volume's own, which is made on first use.

    Raises ValueError where one is not of the form that Standard Webhooks gives them.
    """
    if settings.webhook_secrets:  # an empty one is none
        return [_key(text) for text in settings.webhook_secrets.get_secret_value().split()]
    path = volume.webhook_secret
    if not path.exists():
        private = os.umask(0o077)
        try:
            durable.write_exclusively(path, _new_secret().encode())
        finally:
            os.umask(private)
    return [_key(path.read_text().strip())]


def signed_headers(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The headers by which a receiver knows that the message is ours and new."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _key(text: str) -> bytes:
    key = b""
    with suppress(binascii.Error, ValueError):
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    if not text.startswith(PREFIX) or not FEWEST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(
            f"a webhook secret is {PREFIX!r} and the base64 of {FEWEST_BYTES} to {MOST_BYTES} bytes; one is not"
        )
    return key
