"""Checks a file `.env`, line by line: its form, the names of its variables, and their values.

    env_file.py FILE    `-` for the standard input

A file that is missing, or that this user cannot read, is not checked. Each problem is printed as a line with the number
of the line in the file; the exit status is 1 if there is one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path

from shared.settings import Settings, SettingsError, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
PREFIX = "GLASSBOX_"
NAMED = re.compile(r"#([A-Z][A-Z0-9_]*)=")
LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
OF_THE_CLIENT = {f"GLASSBOX_{name}" for name in ("URL", "API_KEY", "API_KEY_FILE", "CONFIG")}  # read by `glassbox`
HOST_NAME = re.compile(r"(?![0-9.]+$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def problems(lines: Iterable[str], names: Iterable[str]) -> Iterator[str]:
    """What is wrong with the lines, a sentence for each problem; `names` are the variables that there are."""
    known = {*names, *OF_THE_CLIENT}
    values: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = LINE.fullmatch(text)
        if match is None:
            yield f".env, line {number}: {text!r} is not of the form NAME=value. Correct it, or put a # before it"
        elif match[1].upper().startswith(PREFIX) and match[1] not in known:
            yield f".env, line {number}: there is no variable {match[1]}. {_suggestion(match[1].upper(), known)}"
        else:
            values[match[1]] = number, _value(match[2])
    wrong = _wrong_values({name: value for name, (_, value) in values.items() if value and "$" not in value})
    for name, reason in wrong.items():
        yield f".env, line {values[name][0]}: {reason}. Correct it, or remove the line for the default"


def names_in(example: str) -> list[str]:
    """The variables of `.env.example`."""
    return [match[1] for line in example.splitlines() if (match := NAMED.match(line))]


def _wrong_values(values: Mapping[str, str]) -> dict[str, str]:
    """The variables with a value that the services or Compose would refuse, and why."""
    wrong = {}
    for name, value in values.items():
        for pattern, rule, holds in RULES:
            if re.fullmatch(pattern, name) and not holds(value):
                wrong[name] = f"{name} is {value!r}; it must be {rule}"
    fields = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    for name in [name for name in os.environ if name in fields]:
        del os.environ[name]
    os.environ.update({name: value for name, value in values.items() if name in fields})
    try:
        load_settings()
    except SettingsError as error:
        wrong = {**error.variables, **wrong}
    return wrong


def is_network(text: str) -> bool:
    """Whether nginx takes it as the address of a proxy: an address, a network or a name."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return HOST_NAME.fullmatch(text) is not None
    return True


def is_count(text: str) -> bool:
    """Whether it is a whole number above 0."""
    return text.isascii() and text.isdigit() and int(text) > 0


def _is_address(text: str) -> bool:
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text, re.IGNORECASE) is not None


# Of variables that are not settings of the services: which ones, what the value must be, whether it is that.
RULES: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    (r"GLASSBOX_\w*PORT", "a port from 1 to 65535", lambda text: is_count(text) and int(text) <= 65535),
    ("GLASSBOX_(TRAINERS|CLASSIFIERS|MAX_UPLOADS)", "a whole number above 0", is_count),
    (r"GLASSBOX_\w*_MEMORY", "a size such as 512m or 4g", _matches(r"\d+(\.\d+)?([bkmg]b?)?")),
    ("GLASSBOX_REDIS_MAXMEMORY", "a size such as 512mb or 1gb", _matches(r"\d+([kmg]b?)?")),
    ("GLASSBOX_METRICS_RETENTION", "a time such as 30d", _matches(r"(\d+(ms|[smhdwy]))+")),
    ("GLASSBOX_(PUBLISHED_ON|REDIS_ON)", "an IP address of this host", _is_address),
    (
        "GLASSBOX_OUTER_PROXIES",
        "addresses, networks such as 10.0.0.0/8, or names, separated by commas",
        lambda text: all(is_network(part.strip()) for part in text.split(",")),
    ),
    (
        "GLASSBOX_(TLS|DATA|DATASETS|SECRETS|METRICS_KEY_FILE)",
        'an absolute path, or a relative one that starts with "."',
        _matches(r"[/.~].*"),
    ),
    ("GLASSBOX_API_KEYS_FILE", "a path in /etc/glassbox, such as /etc/glassbox/keys", _matches("/etc/glassbox/.+")),
)


def _value(text: str) -> str:
    """A value as Compose reads it: without quotes, and without a remark after it."""
    if text[:1] in {"'", '"'} and text.find(text[0], 1) > 0:
        return text[1 : text.index(text[0], 1)]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {close[0]}?" if close else ".env.example lists all variables"


def main(name: str) -> int:
    """Check the file; returns the exit status."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (FileNotFoundError, PermissionError):
        return 0
    found = list(problems(text.splitlines(), names_in(EXAMPLE.read_text(encoding="utf-8"))))
    for problem in found:
        print(f"glassbox: {problem}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: env_file.py FILE")
    sys.exit(main(sys.argv[1]))
