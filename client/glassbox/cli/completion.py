"""What the shell completes: names that the server knows, where it answers at once."""

from __future__ import annotations

from contextlib import suppress

from glassbox.cli.session import Session

QUICK_SECONDS = 1.0


def model_names(incomplete: str) -> list[str]:
    """The models whose names begin so."""
    return [name for name, _ in _models() if name.startswith(incomplete)]


def versions(incomplete: str) -> list[str]:
    """Models, and once an `@` is there, the model's aliases."""
    model, at, _ = incomplete.partition("@")
    if not at:
        return model_names(incomplete)
    aliases = [alias for name, known in _models() if name == model for alias in (*known, "latest")]
    return [found for alias in aliases if (found := f"{model}@{alias}").startswith(incomplete)]


def _models() -> list[tuple[str, list[str]]]:
    """Each model's name and aliases; none where the server does not answer at once."""
    with suppress(Exception):  # whatever is wrong, a shell that completes shows no error
        from glassbox.http.retrying import NEVER  # noqa: PLC0415 - as in session.py

        with Session().client(QUICK_SECONDS, NEVER) as client:
            return [(model.name, sorted(model.aliases)) for model in client.models.list()]
    return []
