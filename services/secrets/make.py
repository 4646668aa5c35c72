"""Creates the deployment's secrets once: the passwords of Redis's users, and Redis's file of users.

`make.py` creates missing secrets; `make.py renew` replaces all of them, which takes effect when every service has been
restarted. The folders below `FOLDER` are volumes: `clients` for the API and the workers, `redis` for Redis. Redis runs
as another user in the services' group, which may read the files. Its file has the passwords' SHA-256, no password.
"""

from __future__ import annotations

import secrets
import sys
from hashlib import sha256
from pathlib import Path

from shared.storage import durable

FOLDER = Path("/secrets")
CLIENT = Path("clients/redis-password")
OPERATOR = Path("redis/operator-password")
USERS = Path("redis/users.acl")
GROUP_READS = 0o440


def make(folder: Path, *, renew: bool = False) -> None:
    """Create missing secrets, or replace all. If the process dies at any point, the next run completes its work."""
    client, operator = (_password(folder / name, renew=renew) for name in (CLIENT, OPERATOR))
    _write(folder / USERS, users(client, operator))


def users(client: str, operator: str) -> str:
    """Return Redis's file of users: a client without a password can do nothing."""
    return (
        # No client can log in as this user, but Redis replays its append-only file as it, so it needs all permissions.
        "user default reset off ~* &* +@all\n"
        # The services: their own keys, and no command that reads or changes the server itself.
        f"user glassbox reset on #{_digest(client)} ~glassbox:* resetchannels &glassbox:*"
        " +@all -@admin -@dangerous +info\n"
        # Operators: backups and diagnosis.
        f"user operator reset on #{_digest(operator)} ~* &* +@all\n"
        # The health check, which pings Redis.
        "user health reset on nopass +ping\n"
    )


def _password(path: Path, *, renew: bool) -> str:
    if renew or not path.exists():
        _write(path, secrets.token_urlsafe(32) + "\n")
    return path.read_text().strip()


def _write(path: Path, text: str) -> None:
    with durable.replacing(path) as file:
        file.write(text.encode())
        Path(file.name).chmod(GROUP_READS)


def _digest(password: str) -> str:
    return sha256(password.encode()).hexdigest()


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["renew"]):
        sys.exit("usage: python services/secrets/make.py [renew]")
    make(FOLDER, renew=sys.argv[1:] == ["renew"])
