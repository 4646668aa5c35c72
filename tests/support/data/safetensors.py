"""The header of a safetensors file."""

from __future__ import annotations

import json


def metadata_of(content: bytes) -> dict[str, str]:
    """Return the `__metadata__` of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata
