"""Settings of a service that may write to buckets of the tests' object store."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from tests.support.servers.object_store import KEY, SECRET


def settings_of(url: str, *buckets: str) -> dict[str, Any]:
    """Return the settings for a store at this endpoint, and for these buckets."""
    credentials = {"s3_access_key_id": KEY, "s3_secret_access_key": SecretStr(SECRET)}
    return {"s3_endpoint": url, "export_buckets": buckets, **credentials}
