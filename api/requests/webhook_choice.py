"""A job's webhook URL: the one of the request, else the default of the service."""

from __future__ import annotations

from api.requests.field_errors import summary
from shared.addresses import problem_of
from shared.errors import FieldError, Invalid
from shared.runtime.settings import Settings

WEBHOOK = "URL that receives a signed POST when the job ends (Standard Webhooks)"


class Webhooks:
    """Chooses the URL that is notified when a job ends. The settings validate the default."""

    def __init__(self, settings: Settings) -> None:
        self._default = settings.webhook_url or None  # an empty variable means no default
        self._allow_private = settings.webhook_allow_private

    def choose(self, given: str | None, *, pointer: str | None = None, parameter: str | None = None) -> str | None:
        """Return the URL of a job, or None. Raises `Invalid` for the field if the given URL is not allowed."""
        if given is None:
            return self._default
        if problem := problem_of(given, allow_private=self._allow_private):
            fields = [FieldError(problem, pointer, parameter)]
            raise Invalid("validation_failed", summary(fields), fields)
        return given
