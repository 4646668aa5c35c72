"""The place of an object or of a prefix: `s3://bucket/key`, and whether the operator allows requests to name it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote_to_bytes

SCHEME = "s3://"
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
LONGEST_KEY = 1024  # bytes, as in S3


@dataclass(frozen=True)
class ObjectPlace:
    """A bucket, and in it a key or, if that ends with `/` or is empty, a prefix of keys."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse `s3://bucket/key`, in which `%20` is a space. Raises ValueError with the rest of a sentence."""
        if not url.lower().startswith(SCHEME):
            raise ValueError("must begin with s3://")
        bucket, _, path = url[len(SCHEME) :].partition("/")
        if not BUCKET.fullmatch(bucket):
            raise ValueError(
                "must name a bucket of 3 to 63 lower-case letters, digits, hyphens and dots: s3://bucket/key"
            )
        if "?" in path or "#" in path:
            raise ValueError("must have no query and no fragment: write ? as %3F and # as %23")
        try:
            key = unquote_to_bytes(path).decode()
        except UnicodeDecodeError as error:
            raise ValueError("must have a key in UTF-8") from error
        if len(key.encode()) > LONGEST_KEY:
            raise ValueError(f"must have a key of at most {LONGEST_KEY} bytes")
        parts = key.removesuffix("/").split("/") if key else []
        if not {"", ".", ".."}.isdisjoint(parts) or any(ord(character) < 32 for character in key):
            raise ValueError("must have a key without empty parts, . and .., and without control characters")
        return cls(bucket, key)

    @property
    def is_prefix(self) -> bool:
        """Whether it stands for all objects below it."""
        return not self.key or self.key.endswith("/")

    def is_in(self, allowed: Sequence[str]) -> bool:
        """Return whether it is in one of these buckets, or prefixes of buckets: `scans`, `scans/2026/`."""
        place = f"{self.bucket}/{self.key}"
        return any(place.startswith(f"{each.removesuffix('/')}/") for each in allowed)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"
