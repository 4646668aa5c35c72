"""Downloads from public mirrors, verified by SHA-256."""

from __future__ import annotations

import logging
import shutil
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from shared.errors import Unavailable
from shared.storage import durable

log = logging.getLogger(__name__)

TIMEOUT = 15.0


def download(mirrors: Sequence[str], name: str, sha256: str, path: Path) -> str:
    """Download the file `name` to `path` from the first mirror that serves it with this SHA-256; returns its address.

    Raises `Unavailable`, whose detail says how to provide the file without a network.
    """
    problems = []
    for mirror in mirrors:
        url = mirror + name
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as response, durable.fsynced(path) as file:  # noqa: S310
                shutil.copyfileobj(response, file, durable.BLOCK)
        except (OSError, HTTPException) as error:
            problems.append(f"{url} cannot be downloaded ({error})")
            continue
        if durable.sha256_of(path) == sha256:
            return url
        path.unlink()
        problems.append(f"the file from {url} has a wrong SHA-256")
    log.warning("%s", "; ".join(problems))
    remedy = "put the file into the folder GLASSBOX_DATASETS, or try again"
    raise Unavailable("dataset_unavailable", f"{'; '.join(problems)}; {remedy}", 60)
