"""Files that are fetched from public mirrors, and taken from none unless their SHA-256 is right."""

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
    """Fetch the file `name` from the first mirror that has it right; returns its address.

    Raises `Unavailable`, whose detail says how to do without the network.
    """
    problems = []
    for mirror in mirrors:
        url = mirror + name
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, durable.fsynced(path) as file:  # noqa: S310
                shutil.copyfileobj(answer, file, durable.BLOCK)
        except (OSError, HTTPException) as error:
            problems.append(f"{url} could not be fetched ({error})")
            continue
        if durable.sha256_of(path) == sha256:
            return url
        path.unlink()
        problems.append(f"what {url} sent has a wrong SHA-256")
    log.warning("%s", "; ".join(problems))
    remedy = "put the file into the folder that GLASSBOX_DATASETS names, or try again"
    raise Unavailable("dataset_unavailable", f"{'; '.join(problems)}; {remedy}", 60)
