"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over `{id}.{timestamp}.{body}`, one with each secret in use.

Two secrets are in use while one replaces the other: a receiver accepts a message if one signature is right.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from worker.webhooks.secrets import SecretsFile, key_of

log = logging.getLogger(__name__)


def load_secrets(settings: Settings, volume: Volume) -> list[bytes]:
    """The keys of the secrets in use: of the deprecated setting, else of the file, which is made on first use.

    Raises `SecretError` for a secret of another form, and for a file that cannot be read or made.
    """
    if settings.webhook_secrets:
        log.warning(
            "GLASSBOX_WEBHOOK_SECRETS is deprecated. Put the secrets into GLASSBOX_WEBHOOK_SECRETS_FILE instead"
        )
        return [key_of(text) for text in settings.webhook_secrets.get_secret_value().split()]
    file = SecretsFile(settings.webhook_secrets_file or volume.webhook_secret)
    file.make(replaces=volume.webhook_secret)
    return [key_of(text) for text in file.read()]


def signed_headers(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The headers by which a receiver verifies who sent the message, and when. `body` is UTF-8."""
    sent = datetime.fromtimestamp(timestamp, UTC)
    signatures = (Webhook(key).sign(message_id, sent, body.decode()) for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
