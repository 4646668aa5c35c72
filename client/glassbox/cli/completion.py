"""Shell completion: the names of models and aliases on the server, if it answers quickly."""

from __future__ import annotations

from contextlib import suppress

from glassbox.cli.session import Session

QUICK_SECONDS = 1.0


def model_names(incomplete: str) -> list[str]:
    """Return the models whose names begin with `incomplete`."""
    return [name for name, _ in _models() if name.startswith(incomplete)]


def versions(incomplete: str) -> list[str]:
    """Return the models that match; after an `@`, the aliases of the model."""
    model, at, _ = incomplete.partition("@")
    if not at:
        return model_names(incomplete)
    aliases = [alias for name, own in _models() if name == model for alias in (*own, "latest")]
    return [found for alias in aliases if (found := f"{model}@{alias}").startswith(incomplete)]


def _models() -> list[tuple[str, list[str]]]:
    """Return each model's name and aliases, or nothing if the server does not answer quickly."""
    with suppress(Exception):  # completion must never print an error
        from glassbox.http.retrying import NEVER  # noqa: PLC0415 - as in session.py

        with Session().client(QUICK_SECONDS, NEVER) as client:
            return [(model.name, sorted(model.aliases)) for model in client.models.list()]
    return []
