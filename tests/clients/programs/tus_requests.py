"""Uploads a file with tuspy: `python tus_requests.py URL FILE`. The last line is JSON with what the client got."""

from __future__ import annotations

import json
import sys

from tusclient.client import TusClient


def main(url: str, path: str) -> None:
    """Upload a part with checksums, then continue with another uploader, as after a restart of the program."""
    client = TusClient(url)
    first = client.uploader(path, chunk_size=100_000, metadata={"filename": "a.zip"}, upload_checksum=True)
    first.upload(stop_at=300_000)
    second = client.uploader(path, chunk_size=500_000, url=first.url)
    continued_at = second.offset
    second.upload()
    print(json.dumps({"url": second.url, "continued_at": continued_at, "offset": second.offset}))


if __name__ == "__main__":
    main(*sys.argv[1:])
