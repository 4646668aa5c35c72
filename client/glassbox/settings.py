"""The client's settings: server and API key, from arguments, the environment, the configuration file or defaults.

The file is `~/.config/glassbox/config.toml`, or the one in `GLASSBOX_CONFIG`:

    url = "https://glassbox.example"
    api_key = "…"            # or api_key_file = "~/.config/glassbox/key"
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from glassbox.errors import SettingsError

DEFAULT_URL = "http://127.0.0.1:8000"
NAMES = ("url", "api_key", "api_key_file")


@dataclass(frozen=True)
class Settings:
    """A server's URL and API key. source: the origin of the URL, for messages."""

    url: str
    api_key: str | None
    source: str


def settings(
    url: str | None = None, api_key: str | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings in force. Raises `SettingsError`.

    A key in the file belongs to the file's server. It is not sent to another server, which an argument or the
    environment names.
    """
    path = config_path(environment)
    file = _read(path)
    own_url = file.get("url", DEFAULT_URL).rstrip("/")
    if url:
        source = "the argument"
    elif url := environment.get("GLASSBOX_URL"):
        source = "GLASSBOX_URL"
    else:
        url, source = own_url, str(path) if "url" in file else "the default"
    url = url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise SettingsError(
            f"{url!r} (from {source}) is not the URL of a server: it must begin with http:// or https://"
        )
    key = api_key or environment.get("GLASSBOX_API_KEY") or _key_in(environment.get("GLASSBOX_API_KEY_FILE"))
    if not key and url == own_url:
        key = file.get("api_key") or _key_in(file.get("api_key_file"))
    if key and not (key.isascii() and key.isprintable()):
        raise SettingsError("the API key has characters that are not printable ASCII; copy it again")
    return Settings(url, key or None, source)


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the configuration file, which may be missing."""
    if named := environment.get("GLASSBOX_CONFIG"):
        return Path(named).expanduser()
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "glassbox" / "config.toml"


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
            mode = os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    for name, value in content.items():
        if name not in NAMES:
            raise SettingsError(f"{path}: {name!r} is not a setting; the settings are {', '.join(NAMES)}")
        if not isinstance(value, str):
            raise SettingsError(f"{path}: {name} must be a text in quotes; got {value!r}")
    if "api_key" in content:
        _reject_open_file(path, mode)
    return content


def _key_in(name: str | None) -> str | None:
    """Return the key in a separate file. Its mode is not checked: it may be a mounted secret."""
    if not name:
        return None
    path = Path(name).expanduser()
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the API key's file {path} cannot be read: {error}") from error


def _reject_open_file(path: Path, mode: int) -> None:
    """Raise `SettingsError` if other users can read or change a file with a key."""
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{path} has an API key, and other users can read or change it: run chmod 600 {path}")
