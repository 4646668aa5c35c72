"""The commands in error messages: those of Docker Compose in its containers, else those of a checkout."""

from __future__ import annotations

from shared.runtime.settings import Settings

KEYS = "/etc/glassbox/keys"  # the file with the API keys in the API's container


def how_to_require_keys(settings: Settings) -> str:
    """Return how to make the first key and to make the API require keys."""
    if settings.deployment == "compose":
        return (
            f"Require keys: `echo GLASSBOX_API_KEYS_FILE={KEYS} >> .env`, then `{create_key(settings)}` and"
            " `docker compose up --wait`. Or unset GLASSBOX_PUBLISHED_ON and GLASSBOX_DOMAIN, so that only this host"
            " can reach the API"
        )
    return (
        f"Make a key (`make keys CREATE=me SCOPES=manage`, or `{create_key(settings)}`) and set GLASSBOX_API_KEYS_FILE"
        " to the file with the key; or set GLASSBOX_BIND=127.0.0.1"
    )


def name_keys_file(settings: Settings) -> str:
    """Return how to set the path of the API keys' file."""
    if settings.deployment == "compose":
        return f"Name it: `echo GLASSBOX_API_KEYS_FILE={KEYS} >> .env`"
    return "Set GLASSBOX_API_KEYS_FILE, or use --file"


def create_key(settings: Settings) -> str:
    """Return the command that makes an API key."""
    return _in_api(settings, "python -m api.auth.admin keys create me --scopes manage")


def restore_keys(settings: Settings) -> str:
    """Return the command that restores a copy of the API keys' file, with the right owner and mode."""
    return _in_api(settings, "python -m api.auth.admin keys restore < keys")


def install_traces(settings: Settings) -> str:
    """Return the command that installs the packages for traces."""
    if settings.deployment == "compose":
        return "docker compose build && docker compose up --wait"
    return "pip install --require-hashes -r requirements/otel.txt"


def _in_api(settings: Settings, command: str) -> str:
    if settings.deployment == "compose":
        return f"docker compose run --rm --no-deps --no-TTY api {command}"
    return command
