"""A job's webhook: what a request may name, and the service's own where it names none."""

from __future__ import annotations

from shared.addresses import Target, is_address, is_allowed
from shared.errors import FieldError, Invalid
from shared.settings import Settings

WEBHOOK = "URL that receives a signed POST when the job ends (Standard Webhooks)"


class Webhooks:
    """Chooses and checks the URL that is told of a job's end. A wrong default is an error at the start (ValueError)."""

    def __init__(self, settings: Settings) -> None:
        self._default = settings.webhook_url or None  # an empty variable is none
        self._allow_private = settings.webhook_allow_private
        if self._default is not None and (problem := self._problem(self._default)):
            raise ValueError(f"GLASSBOX_WEBHOOK_URL {problem}")

    def choose(self, given: str | None, *, pointer: str | None = None, parameter: str | None = None) -> str | None:
        """The URL to tell, None where there is none; raises `Invalid`, which names the field.

        A name is judged by its addresses when it is delivered to, for they may change; an address is judged here.
        """
        if given is None:
            return self._default
        if problem := self._problem(given):
            raise Invalid(
                "validation_failed", f"{pointer or parameter}: {problem}", [FieldError(problem, pointer, parameter)]
            )
        return given

    def _problem(self, url: str) -> str | None:
        try:
            host = Target.parse(url).host
        except ValueError as error:
            return str(error)
        if is_address(host) and not is_allowed(host, allow_private=self._allow_private):
            return "is an internal address, to which webhooks are not sent"
        return None
