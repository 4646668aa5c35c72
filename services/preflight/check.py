"""Checks what a deployment needs before it starts: settings, API keys, certificate, folders, free space.

`docker compose run check`, which `make deploy` and `make upgrade` call, runs it as the services' user and with their
mounts. It prints a line for each problem, with the remedy, and exits with 1 if there is one. The
variables `HOST_…` are folders by their names on the host.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from api.auth.keys import KeysError, required_keys
from services.preflight import mounted_files
from shared.runtime import traces
from shared.runtime.settings import MiB, Settings, SettingsError, load_settings

TLS = Path("/srv/tls")
DATA = Path("/srv/data")
FREE_BYTES = 256 * MiB
EXPIRED, NOT_YET_VALID = 10, 9  # OpenSSL's X509_V_ERR_…


def problems(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each problem."""
    try:
        settings = load_settings()
    except SettingsError as error:
        yield from (f"{reason}. Correct it in .env, or where it is exported" for reason in error.variables.values())
    else:
        yield from of_the_settings(settings)
        of_the_data = list(of_the_volumes(settings.volume, DATA, environment.get("HOST_DATA", "")))
        yield from of_the_data[:1]  # the second folder usually has the same problem as the first
        yield from of_the_datasets(settings.datasets, environment.get("HOST_DATASETS", ""))
    yield from mounted_files.problems()
    if folder := environment.get("HOST_TLS"):
        yield from of_the_certificate(TLS, folder)
    yield from of_the_space(
        Path("/"), "the disk with Docker's data", "remove what is unused: `docker system df` lists it"
    )


def of_the_settings(settings: Settings) -> Iterator[str]:
    """Yield a sentence about missing API keys, or about traces without the packages for them."""
    try:
        required_keys(settings)
        traces.check(settings)
    except (KeysError, traces.TracesError) as error:
        yield str(error)


def of_the_volumes(volume: Path, folder: Path, data: str) -> Iterator[str]:
    """Yield a sentence if the services cannot write to the volume, or to the folder used instead, or if it is full."""
    if os.access(volume, os.W_OK | os.X_OK):
        place = f"{data}/volume" if data else "the volume `volume`"
        yield from of_the_space(volume, place, "free some, or move the data (docs/operations/compose.md)")
    elif data:
        yield _unwritable(f"{data}/volume", volume, data)
    else:
        yield (
            f"the volume `volume` cannot be written by uid {os.geteuid()}: {_owner(volume)}. Change its owner:"
            " `docker compose run --rm --no-deps --user root --cap-add CHOWN trainer chown -R 10001:10001"
            " /var/lib/glassbox`"
        )
    if data:
        yield from _of_redis(folder, data)


def _of_redis(folder: Path, name: str) -> Iterator[str]:
    """Yield a sentence if Redis, which runs as another user in the services' group, cannot write to its folder."""
    redis = folder / "redis"
    try:
        status = redis.stat()
    except PermissionError:
        return  # the services mount what is below it and do not need to read it
    except OSError:
        yield f"{name}/redis does not exist. {_make_folders(name)}"
        return
    if status.st_gid != os.getegid() or status.st_mode & 0o070 != 0o070:
        yield _unwritable(f"{name}/redis", redis, name)
    else:
        yield from of_the_space(redis, f"{name}/redis", "free some")


def of_the_datasets(folder: Path | None, name: str) -> Iterator[str]:
    """Yield a sentence if the API cannot read the folder with built-in data sets."""
    if not name or folder is None:
        return
    try:
        unreadable = [file for file in sorted(folder.iterdir()) if not os.access(file, os.R_OK)]
    except OSError as error:
        yield f"GLASSBOX_DATASETS: {name} cannot be read: {error.strerror}. Let others read it: `chmod a+rx {name}`"
        return
    if unreadable:
        file = f"{name}/{unreadable[0].name}"
        reason = _owner(unreadable[0])
        yield f"GLASSBOX_DATASETS: {file} cannot be read: {reason}. Let others read it: `chmod a+r {file}`"


def of_the_certificate(folder: Path, name: str) -> Iterator[str]:
    """Yield a sentence if the gateway cannot read or serve the certificate."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    unreadable = list(_unreadable(folder, name, (certificate, key)))
    if unreadable:
        yield from unreadable
        return
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(certificate, key, password=_no_password)
    except _PasswordError:
        yield f"GLASSBOX_TLS: {name}/tls.key has a password. Remove it: `openssl pkey -in tls.key -out new.key`"
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield f"GLASSBOX_TLS: {name}/tls.key is not the key of {name}/tls.crt. Copy both from one certificate"
        else:
            yield f"GLASSBOX_TLS: {name}/tls.crt and tls.key are not a certificate and its key in PEM. Copy them again"
    else:
        when = _validity(server, certificate)
        if when:
            yield f"GLASSBOX_TLS: {name}/tls.crt {when}. Put a valid certificate there"


def of_the_space(place: Path, name: str, remedy: str) -> Iterator[str]:
    """Yield a sentence if a file system has too little space for a start."""
    status = os.statvfs(place)
    free = status.f_bavail * status.f_frsize
    if free < FREE_BYTES:
        yield f"{name} has {free // MiB} MiB free; {FREE_BYTES // MiB} MiB are needed: {remedy}"


class _PasswordError(Exception):
    """OpenSSL requested the password of a key."""


def _no_password() -> str:
    raise _PasswordError


def _validity(server: ssl.SSLContext, certificate: Path) -> str | None:
    """Return why a certificate is not valid now, or None, by a handshake in memory with a client that trusts it."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):  # hello, certificate, end
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return {EXPIRED: "has expired", NOT_YET_VALID: "is not valid yet"}.get(error.verify_code)
            except ssl.SSLError:
                return None
    return None


def _unreadable(folder: Path, name: str, files: tuple[Path, ...]) -> Iterator[str]:
    if not os.access(folder, os.R_OK | os.X_OK):
        yield (
            f"GLASSBOX_TLS: uid {os.geteuid()}, as which the gateway runs, cannot read {name}: {_owner(folder)}."
            f" Give it the folder: `sudo chown -R {os.geteuid()} {name}`"
        )
        return
    install = "; ".join(f"sudo install -o {os.geteuid()} -m 400 FILE {name}/{file.name}" for file in files)
    missing = [file.name for file in files if not file.exists()]
    refused = [file for file in files if file.exists() and not os.access(file, os.R_OK)]
    if missing:
        yield f"GLASSBOX_TLS: {name} has no {' and no '.join(missing)}. Put the files there: `{install}`"
    elif refused:
        yield (
            f"GLASSBOX_TLS: uid {os.geteuid()}, as which the gateway runs, cannot read {name}/{refused[0].name}:"
            f" {_owner(refused[0])}. Install the files again: `{install}`"
        )


def _unwritable(name: str, path: Path, data: str) -> str:
    return f"GLASSBOX_DATA: {name} cannot be written by the services: {_owner(path)}. {_make_folders(data)}"


def _make_folders(data: str) -> str:
    return f"Run `sudo install -d -o 10001 -g 10001 -m 770 {data}/volume {data}/redis`"


def _owner(path: Path) -> str:
    status = path.stat()
    return f"it belongs to {status.st_uid}:{status.st_gid} with mode {status.st_mode & 0o7777:04o}"


if __name__ == "__main__":
    found = list(problems(os.environ))
    for problem in found:
        print(f"glassbox: {problem}", file=sys.stderr)
    sys.exit(bool(found))
