"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over `{id}.{timestamp}.{body}`, one with each secret in use.

Two secrets are in use during a rotation: a receiver accepts a message if one signature is valid.
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
    """Return the keys of the secrets in use: from the deprecated setting, else from the file, created on first use.

    Raises `SecretError` if a secret has another format, or if the file cannot be read or created.
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
    """Return the headers with which a receiver verifies the sender and the time. `body` is UTF-8."""
    sent = datetime.fromtimestamp(timestamp, UTC)
    signatures = (Webhook(key).sign(message_id, sent, body.decode()) for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
