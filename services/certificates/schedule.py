"""The time of the next contact with the certificate authority: regular, with backoff after failures."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from services.certificates.options import Options
from services.certificates.served import Certificate
from shared.storage import durable

MINUTE = 60.0
HOUR = 60 * MINUTE
# After the first failure, the second, … and each later one. Let's Encrypt permits five failed validations of a name
# within an hour: these pauses make four, or five if the service is restarted.
AFTER_FAILURES = (1 * MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR)
AFTER_RESTART = 20 * MINUTE  # a restart may shorten the pause to this
LONGEST = 6 * HOUR  # between two checks of a certificate


@dataclass(frozen=True)
class Failures:
    """The failed requests since the last success, kept on the volume so that restarts do not add requests."""

    options: str  # the options that failed; other options are tried at once
    count: int = 0
    last: float = 0.0  # seconds since 1970

    @property
    def pause(self) -> float:
        """The seconds between the last failure and the next attempt."""
        return AFTER_FAILURES[min(self.count, len(AFTER_FAILURES)) - 1] if self.count else 0.0

    @property
    def attempt_after_restart(self) -> float:
        """The time of the next attempt after a restart of the service, in seconds since 1970."""
        return self.last + min(self.pause, AFTER_RESTART)


class FailureFile:
    """The file with the failures."""

    def __init__(self, path: Path, options: Options) -> None:
        """Only failures with these options count."""
        self._path = path
        self._options = repr(options)

    def read(self) -> Failures:
        """Return the failures so far."""
        try:
            failures = Failures(**json.loads(self._path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return Failures(self._options)
        return failures if failures.options == self._options else Failures(self._options)

    def add(self, now: float) -> Failures:
        """Count one more failure; return the failures so far."""
        failures = replace(self.read(), count=self.read().count + 1, last=now)
        durable.write_json(self._path, asdict(failures))
        return failures

    def clear(self) -> None:
        """Remove the failures after a successful request."""
        self._path.unlink(missing_ok=True)


def seconds_to_next_check(certificate: Certificate) -> float:
    """Return the pause after a success: six hours, or less for certificates with a lifetime of days or hours."""
    return max(MINUTE, min(LONGEST, certificate.lifetime.total_seconds() / 12))
