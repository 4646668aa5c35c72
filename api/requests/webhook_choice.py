"""A job's webhook: what a request may name, and the service's own where it names none."""

from __future__ import annotations

from shared.addresses import problem_of
from shared.errors import FieldError, Invalid
from shared.runtime.settings import Settings

WEBHOOK = "URL that receives a signed POST when the job ends (Standard Webhooks)"


class Webhooks:
    """Chooses the URL that receives a job's end; the settings have checked their own."""

    def __init__(self, settings: Settings) -> None:
        self._default = settings.webhook_url or None  # an empty variable is none
        self._allow_private = settings.webhook_allow_private

    def choose(self, given: str | None, *, pointer: str | None = None, parameter: str | None = None) -> str | None:
        """The URL of a job, or None; raises `Invalid`, which names the field, if the given one cannot be used."""
        if given is None:
            return self._default
        if problem := problem_of(given, allow_private=self._allow_private):
            raise Invalid(
                "validation_failed", f"{pointer or parameter}: {problem}", [FieldError(problem, pointer, parameter)]
            )
        return given
