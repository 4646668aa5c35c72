"""Gets the gateway's certificate from an ACME certificate authority, and renews it.

`python -m services.certificates.renew` runs until SIGTERM. SIGHUP checks at once, regardless of earlier failures.
SIGUSR1 requests a new certificate even if the present one is not due, for example because its key has leaked.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from services.certificates.authority import Authority, RequestFailed
from services.certificates.options import OptionError, Options
from services.certificates.schedule import FailureFile, seconds_to_next_check
from services.certificates.served import Certificate, ServedFile
from shared.runtime import clock
from shared.storage import durable

STATE = Path("/var/lib/certificates")  # a volume: the account's key, all certificates
SERVED = Path("/srv/certificates")  # a volume that the gateway reads, too
CERTIFICATE = Path("tls.pem")
WEBROOT = Path("webroot")  # certbot puts its answers into .well-known/acme-challenge below it
GOOD_UNTIL = Path("/tmp/good-until")  # noqa: S108 - the container's own, for its health check: seconds since 1970
SECONDS_OF_GATEWAY = 4.0  # until the gateway serves a new certificate: it looks for one every 2 s
AWAKE = 3600.0  # the longest sleep, because the clock may be set during a sleep


class Renewal:
    """The renewal of the certificate in the gateway's file."""

    def __init__(
        self,
        options: Options,
        authority: Authority,
        served: ServedFile,
        failures: FailureFile,
        good_until: Path,
        seconds_of_gateway: float = SECONDS_OF_GATEWAY,
    ) -> None:
        """Request nothing yet. A certificate counts as good some seconds after it is in the gateway's file."""
        self._options = options
        self._authority = authority
        self._served = served
        self._failures = failures
        self._good_until = good_until
        self._seconds_of_gateway = seconds_of_gateway

    def start(self) -> float:
        """Give the gateway a certificate: the newest that was issued, or a temporary one.

        Returns the time of the first attempt, in seconds since 1970.
        """
        issued = self._authority.issued()
        if issued:
            self._served.replace(issued)
        self._served.ensure_one(self._options.domains)
        self._write_good_until()
        moment = self._failures.read().attempt_after_restart
        if moment > time.time():
            log("warning", f"the last request for a certificate failed. {_next(moment - time.time())}")
        return moment

    def attempt(self, *, force: bool = False) -> float:
        """Request a certificate if one is due; return the seconds until the next attempt."""
        try:
            self._authority.request(force=force)
            pause = self._take_over()
        except RequestFailed as error:
            pause = self._failures.add(time.time()).pause
            log("error", f"a certificate for {self._names} was not issued: {error}. {self._present}. {_next(pause)}")
        self._write_good_until()
        return pause

    def _take_over(self) -> float:
        issued = self._authority.issued()
        if issued is None:
            raise RequestFailed("certbot reported success, but has no certificate")
        certificate = Certificate.parse(issued)
        if self._served.replace(issued):
            log("info", f"the gateway gets a new certificate for {self._names}, valid until {_day(certificate)}")
            time.sleep(self._seconds_of_gateway)
        self._failures.clear()
        return seconds_to_next_check(certificate)

    def _write_good_until(self) -> None:
        certificate = self._served.certificate()
        good_until = certificate.good_until(self._options.domains) if certificate else None
        durable.write_bytes(self._good_until, b"%d\n" % (good_until.timestamp() if good_until else 0))

    @property
    def _names(self) -> str:
        return ", ".join(self._options.domains)

    @property
    def _present(self) -> str:
        present = self._served.certificate()
        if present is None or present.temporary:
            return "Until one is issued, the gateway serves a temporary certificate, which browsers refuse"
        if present.not_after < datetime.now(UTC):
            return f"The gateway's certificate has been invalid since {_day(present)}"
        return f"The gateway's certificate for {', '.join(sorted(present.names))} is valid until {_day(present)}"


class Signals:
    """The signals that end the sleep between two attempts."""

    def __init__(self) -> None:
        """Handle SIGHUP, SIGUSR1 and SIGTERM from now on."""
        self._awake = Event()
        self._force = False
        signal.signal(signal.SIGHUP, lambda *_: self._awake.set())
        signal.signal(signal.SIGUSR1, self._on_force)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    def sleep_until(self, moment: float) -> bool:
        """Sleep until this time, in seconds since 1970, or a signal; return whether a new certificate is forced."""
        while (rest := moment - time.time()) > 0 and not self._awake.wait(min(rest, AWAKE)):
            pass
        self._awake.clear()
        forced, self._force = self._force, False
        return forced

    def _on_force(self, *_: object) -> None:
        self._force = True
        self._awake.set()


def log(level: str, message: str) -> None:
    """Print one line of JSON, as the other services log."""
    line = {"time": clock.now(), "level": level, "logger": "glassbox.certificates", "message": message}
    print(json.dumps(line, ensure_ascii=False), file=sys.stderr, flush=True)


def _next(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    pause = f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"
    return f"Next attempt in {pause}; at once by `docker compose kill --signal HUP certificates`"


def _day(certificate: Certificate) -> str:
    return certificate.not_after.strftime("%Y-%m-%d %H:%M UTC")


def main() -> None:
    """Renew until SIGTERM."""
    os.umask(0o077)
    try:
        options = Options.read(os.environ)
    except OptionError as error:
        log("error", str(error))
        sys.exit(1)
    webroot = SERVED / WEBROOT
    durable.make_folder(webroot)
    failures = FailureFile(STATE / "failures.json", options)
    renewal = Renewal(
        options, Authority(options, STATE, webroot), ServedFile(SERVED / CERTIFICATE), failures, GOOD_UNTIL
    )
    signals = Signals()
    moment = renewal.start()
    while True:
        forced = signals.sleep_until(moment)
        moment = time.time() + renewal.attempt(force=forced)


if __name__ == "__main__":
    main()
