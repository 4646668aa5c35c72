"""Makes the deployment's secrets, each once: the passwords of Redis's users, and the file that tells Redis of them.

`make.py` alone makes what is missing; `make.py renew` makes new ones, which count when everything has been restarted.
The folders below `FOLDER` are volumes. `clients` is for the API and the workers, `redis` for Redis, whose user is
another: it belongs to our group, which may read. Redis is told the passwords' SHA-256 and never a password of theirs.
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
    """Make what is missing, or everything anew. Whenever a process dies, the next one ends what it began."""
    client, operator = (_password(folder / name, renew=renew) for name in (CLIENT, OPERATOR))
    _write(folder / USERS, users(client, operator))


def users(client: str, operator: str) -> str:
    """Redis's users: who comes without a password can do nothing."""
    return (
        # Nobody is this one. But Redis replays its append-only file as it: what it may not do would be lost then.
        "user default reset off ~* &* +@all\n"
        # The service: its own keys, and no command that reads or changes the server itself.
        f"user glassbox reset on #{_digest(client)} ~glassbox:* resetchannels &glassbox:*"
        " +@all -@admin -@dangerous +info\n"
        # People: backups, and looking at what is wrong.
        f"user operator reset on #{_digest(operator)} ~* &* +@all\n"
        # The health check, which asks whether Redis answers.
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
