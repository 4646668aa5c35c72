"""Checks that the containers' users can read the files of this checkout that Compose mounts.

Redis, Prometheus and Grafana run as their own users, so all users must be able to read these files. In a checkout made
with the umask 077 only its owner can.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

SERVICES = Path("/srv/services")  # where Compose mounts the folder `services` of the checkout
MOUNTED = ("healthcheck.sh", "redis", "prometheus", "grafana")


def problems(services: Path | None = None) -> Iterator[str]:
    """Yield a sentence about the first unreadable file, if any."""
    services = services or SERVICES
    for path in _paths(services):
        try:
            mode = path.stat().st_mode
        except PermissionError:
            yield _sentence(path.parent.relative_to(services.parent))
            return
        if not mode & stat.S_IROTH or (stat.S_ISDIR(mode) and not mode & stat.S_IXOTH):
            yield _sentence(path.relative_to(services.parent))
            return


def _paths(services: Path) -> Iterator[Path]:
    for name in MOUNTED:
        yield services / name
        for folder, folders, files in os.walk(services / name):
            yield from (Path(folder, entry) for entry in sorted([*folders, *files]))


def _sentence(path: Path) -> str:
    return f"the containers' users cannot read {path} of this checkout. Let others read it: `chmod -R a+rX services`"
