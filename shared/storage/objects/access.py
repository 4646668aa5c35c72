"""How the settings say that a store is reached."""

from __future__ import annotations

from shared.runtime.settings import Settings
from shared.storage.objects.bucket import StoreAccess


def access_by(settings: Settings) -> StoreAccess:
    """Return the access to the operator's store."""
    secret = settings.s3_secret_access_key
    return StoreAccess(
        settings.s3_endpoint,
        settings.s3_region,
        settings.s3_access_key_id,
        secret.get_secret_value() if secret else None,
        settings.s3_credentials_file,
        settings.s3_timeout,
    )
