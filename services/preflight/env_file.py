"""Checks a file `.env`, line by line: its syntax, the names of its variables, and their values.

    env_file.py FILE    `-` for the standard input

The variable EXPORTED has the variables that the shell exports, a line NAME=value for each; they override the file's. A
file that is missing, or that this user cannot read, is not checked. Each problem is printed as one line with the line
number in the file; the exit status is 1 if there is a problem.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path

from shared.runtime.settings import SECRET, GiB, MiB, SecretError, Settings, SettingsError, load_settings
from worker.webhooks.secrets import key_of

EXAMPLE = Path(__file__).parents[2] / ".env.example"
PREFIX = "GLASSBOX_"
NAMED = re.compile(r"#([A-Z][A-Z0-9_]*)=")
LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
OF_THE_CLIENT = {f"GLASSBOX_{name}" for name in ("URL", "API_KEY", "API_KEY_FILE", "CONFIG")}  # read by `glassbox`
SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmg]?)b?")
LEAST_MEMORY = 32 * MiB  # the engine refuses less than 6 MiB, and no service starts with that
MOST_CONTAINERS = 64  # they share one host's cores
HOST_NAME = re.compile(r"(?![0-9.]+$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def problems(lines: Iterable[str], names: Iterable[str], exported: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield a sentence for each problem in the lines and the exported variables.

    `names` are the variables that exist.
    """
    known = {*names, *OF_THE_CLIENT}
    places: dict[str, str] = {}
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        place = f".env, line {number}"
        match = LINE.fullmatch(text)
        if match is None:
            yield f"{place}: {text!r} is not of the form NAME=value. Correct it, or put a # before it"
        elif match[1].upper().startswith(PREFIX) and match[1] not in known:
            yield f"{place}: there is no variable {match[1]}. {_suggestion(match[1].upper(), known)}"
        else:
            places[match[1]], values[match[1]] = f"{place}: ", _value(match[2])
    for name, value in (exported or {}).items():
        places[name], values[name] = "the shell exports a wrong value: ", value
    values = {name: value for name, value in values.items() if value and name in known and "$" not in value}
    for name, reason in {**_contradictions(values), **_wrong_values(values)}.items():
        yield f"{places[name]}{reason}. Correct it, or remove it for the default"


def names_in(example: str) -> list[str]:
    """Return the variables of `.env.example`."""
    return [match[1] for line in example.splitlines() if (match := NAMED.match(line))]


def _wrong_values(values: Mapping[str, str]) -> dict[str, str]:
    """Return the variables whose value the services or Compose would reject, with the reason."""
    wrong = {}
    for name, value in values.items():
        for pattern, rule, holds in RULES:
            if re.fullmatch(pattern, name) and not holds(value):
                shown = "refused" if name.removeprefix(PREFIX).lower() in SECRET else repr(value)
                wrong[name] = f"{name} is {shown}; it must be {rule}"
    fields = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    for name in [name for name in os.environ if name in fields]:
        del os.environ[name]
    os.environ.update({name: value for name, value in values.items() if name in fields})
    try:
        load_settings()
    except SettingsError as error:
        wrong = {**error.variables, **wrong}
    return wrong


def _contradictions(values: Mapping[str, str]) -> dict[str, str]:
    """Return contradictions between values, by the name of the variable to change."""
    found = {}
    limit, memory = (
        _bytes(values.get(f"GLASSBOX_REDIS_{name}", default))
        for name, default in (("MAXMEMORY", "1gb"), ("MEMORY", "2g"))
    )
    if limit and memory and limit >= memory:
        name = "GLASSBOX_REDIS_MAXMEMORY" if "GLASSBOX_REDIS_MAXMEMORY" in values else "GLASSBOX_REDIS_MEMORY"
        found[name] = (
            f"Redis may hold {limit // MiB} MiB (GLASSBOX_REDIS_MAXMEMORY), and its container has {memory // MiB} MiB"
            " (GLASSBOX_REDIS_MEMORY), so the kernel would kill it; GLASSBOX_REDIS_MAXMEMORY must be less, at best half"
        )
    if "GLASSBOX_TLS" in values and "GLASSBOX_DOMAIN" in values:
        found["GLASSBOX_TLS"] = "GLASSBOX_TLS and GLASSBOX_DOMAIN are both set; one of them decides on the certificate"
    with suppress(ValueError):
        lease = float(values.get("GLASSBOX_LEASE_SECONDS", 30))
        heartbeat = float(values.get("GLASSBOX_HEARTBEAT_SECONDS", 2))
        if 0 < lease <= heartbeat:
            name = "GLASSBOX_HEARTBEAT_SECONDS" if "GLASSBOX_HEARTBEAT_SECONDS" in values else "GLASSBOX_LEASE_SECONDS"
            found[name] = (
                f"a lease ends after {lease:g} s (GLASSBOX_LEASE_SECONDS), before it is renewed, every {heartbeat:g} s"
                " (GLASSBOX_HEARTBEAT_SECONDS), so each job would count as lost; a lease must be longer, at best"
                " three times as long"
            )
    return found


def _bytes(size: str) -> int | None:
    """Return a size of Docker or Redis in bytes, or None if it is malformed. All units are powers of 1024."""
    match = SIZE.fullmatch(size.lower())
    return int(float(match[1]) * {"": 1, "k": 1024, "m": MiB, "g": GiB}[match[2]]) if match else None


def is_network(text: str) -> bool:
    """Return whether nginx accepts the text as a proxy: an address, a network or a name."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return HOST_NAME.fullmatch(text) is not None
    return True


def is_count(text: str) -> bool:
    """Return whether the text is a whole number above 0."""
    return text.isascii() and text.isdigit() and int(text) > 0


def _is_address(text: str) -> bool:
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _is_memory(text: str) -> bool:
    size = _bytes(text)
    return size is not None and size >= LEAST_MEMORY


def _is_secret(text: str) -> bool:
    try:
        return all(key_of(secret) for secret in text.split())
    except SecretError:
        return False


def _are_domains(text: str) -> bool:
    return all(HOST_NAME.fullmatch(part.strip()) and "." in part for part in text.split(","))


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text, re.IGNORECASE) is not None


# Rules for variables that are not settings of the services: a pattern of names, a description of the value, a test.
RULES: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    (r"GLASSBOX_\w*PORT", "a port from 1 to 65535", lambda text: is_count(text) and int(text) <= 65535),
    (
        "GLASSBOX_(TRAINERS|CLASSIFIERS)",
        f"a number of containers from 1 to {MOST_CONTAINERS}",
        lambda text: is_count(text) and int(text) <= MOST_CONTAINERS,
    ),
    ("GLASSBOX_MAX_UPLOADS", "a whole number above 0", is_count),
    ("GLASSBOX_MAX_CONNECTIONS_PER_ADDRESS", "a whole number; 0 for no limit", _matches(r"\d{1,9}")),
    (r"GLASSBOX_\w*_MEMORY", f"a size such as 512m or 4g, {LEAST_MEMORY // MiB}m or more", _is_memory),
    ("GLASSBOX_REDIS_MAXMEMORY", "a size such as 512mb or 1gb", _matches(r"0*[1-9]\d*([kmg]b?)?")),
    ("GLASSBOX_WEBHOOK_SECRETS", "whsec_ and the base64 of 24 to 64 bytes; several by spaces", _is_secret),
    ("GLASSBOX_DOMAIN", "public names such as glassbox.example.org, separated by commas", _are_domains),
    ("GLASSBOX_ACME_DIRECTORY", "a URL that starts with https://", _matches("https://[^/ ]+/.*")),
    ("GLASSBOX_REDIS_URL", "a URL such as redis://glassbox@10.0.0.1:6379/0", _matches("(rediss?|unix)://.+")),
    (r"OTEL_\w*ENDPOINT", "a URL that starts with http:// or https://", _matches("https?://[^/ ]+.*")),
    ("GLASSBOX_IMAGES", "a registry without https://, such as registry.example/team", _matches("(?!.*://).+[^/]")),
    ("GLASSBOX_PULL", "never, missing or always", _matches("never|missing|always")),
    (r"GLASSBOX_\w*_DIGEST", "@sha256: and 64 hexadecimal digits", _matches("@sha256:[0-9a-f]{64}")),
    ("GLASSBOX_METRICS_RETENTION", "a time such as 30d", _matches(r"(\d+(ms|[smhdwy]))+")),
    ("GLASSBOX_(PUBLISHED_ON|REDIS_ON)", "an IP address of this host", _is_address),
    (
        "GLASSBOX_OUTER_PROXIES",
        "addresses, networks such as 10.0.0.0/8, or names, separated by commas",
        lambda text: all(is_network(part.strip()) for part in text.split(",")),
    ),
    (
        "GLASSBOX_(TLS|DATA|DATASETS|IMPORT_FOLDERS|EXPORT_FOLDERS|SECRETS|METRICS_KEY_FILE|S3_CREDENTIALS_FILE|ACME_CA)",
        'an absolute path, or a relative one that starts with "."',
        _matches(r"[/.~].*"),
    ),
    ("GLASSBOX_API_KEYS_FILE", "a path in /etc/glassbox, such as /etc/glassbox/keys", _matches("/etc/glassbox/.+")),
)


def _value(text: str) -> str:
    """Return a value as Compose reads it: without quotes and without a comment."""
    if text[:1] in {"'", '"'} and text.find(text[0], 1) > 0:
        return text[1 : text.index(text[0], 1)]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {close[0]}?" if close else ".env.example lists all variables"


def main(name: str) -> int:
    """Check the file; return the exit status."""
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except (FileNotFoundError, PermissionError):
        content = b""
    exported = dict(line.split("=", 1) for line in os.environ.get("EXPORTED", "").splitlines() if "=" in line)
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    found = list(problems(lines, names_in(EXAMPLE.read_text(encoding="utf-8")), exported))
    for problem in found:
        print(f"glassbox: {problem}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: env_file.py FILE")
    sys.exit(main(sys.argv[1]))
