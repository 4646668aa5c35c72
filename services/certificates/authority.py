"""The certificate authority: requests certificates from it with certbot, and reads certbot's error messages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from services.certificates.options import Options

LINEAGE = "gateway"  # certbot's name for a certificate and its renewals
CERTBOT = (sys.executable, "-c", "import sys; from certbot.main import main; sys.exit(main())")
SECONDS = 900  # for one run; certbot gives up earlier by itself
FAILED_NAME = re.compile(r"Identifier: (?P<name>\S+)\n\s*Type: +(?P<type>\S+)\n\s*Detail: (?P<detail>[^\n]*)")
LOST_ACCOUNT = re.compile(r"Account\b[^\n]* (not found|is not valid)|No account exists")
RATE_LIMIT = re.compile(r"too many|rate limit", re.IGNORECASE)
NOISE = re.compile(
    r"Saving debug log to|Ask for help or search|Requesting a certificate for|Renewing an existing certificate|"
    r"Account registered|An unexpected error occurred|Some challenges have failed|Certbot failed to authenticate|"
    r"Certificate is due for renewal"
)
REACH = "Check that the name's DNS records (A, AAAA) lead to this host and that others reach its port 80"
REMEDIES = {  # by the type of the ACME error (RFC 8555, section 6.7)
    "dns": "Create a DNS record (A or AAAA) that leads from the name to this host",
    "connection": REACH,
    "unauthorized": REACH,
    "caa": "Let the domain's CAA record permit this certificate authority",
    "rateLimited": "Wait for the time that the certificate authority names",
}
OTHER_REMEDY = f"Check that this host reaches the certificate authority. {REACH}"


class RequestFailed(Exception):
    """The authority issued no certificate; the message is one line with the authority's reason and the remedy."""


class Authority:
    """One ACME certificate authority, the account there, and the certificates that it issued."""

    def __init__(self, options: Options, state: Path, webroot: Path, certbot: Sequence[str] = CERTBOT) -> None:
        """Keep the account and the certificates in `state`, and the answers to challenges in `webroot`."""
        self._options = options
        self._webroot = webroot
        self._certbot = certbot
        # Each authority has its own folder, because a certificate is not renewed with another authority.
        self._folder = state / re.sub(r"[^\w.-]+", "_", options.directory.removeprefix("https://"))

    def request(self, *, force: bool = False) -> None:
        """Get a certificate if none exists for these names, or if it is due for renewal. Raises `RequestFailed`.

        It is due after two thirds of its lifetime (half, if that is below ten days), or earlier if the authority
        requests it (ACME Renewal Information, RFC 9773).
        """
        environment = dict(os.environ)
        if self._options.authority_roots:
            environment["REQUESTS_CA_BUNDLE"] = str(self._options.authority_roots)
        try:
            done = subprocess.run(
                self._command(force=force),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RequestFailed(f"certbot did not end within {SECONDS} s. {OTHER_REMEDY}") from error
        if done.returncode != 0:
            raise RequestFailed(self._explanation(done.stdout))

    def issued(self) -> bytes | None:
        """Return the newest certificate: its private key, then its chain, in PEM; None if none was issued."""
        live = self._folder / "live" / LINEAGE
        try:
            return (live / "privkey.pem").read_bytes() + (live / "fullchain.pem").read_bytes()
        except FileNotFoundError:
            return None

    def _explanation(self, printed: str) -> str:
        if LOST_ACCOUNT.search(printed):
            remove = f"docker compose exec certificates rm -r {self._folder / 'accounts'}"
            return f"{reason(printed)[0]}. Remove the account, so that a new one is created: `{remove}`"
        return explanation(printed)

    def _command(self, *, force: bool) -> list[str]:
        contact = ["--email", self._options.email, "--no-eff-email"] if self._options.email else None
        return [
            *self._certbot,
            *("certonly", "--non-interactive", "--agree-tos", "--webroot", "--webroot-path", str(self._webroot)),
            *("--server", self._options.directory, *(contact or ["--register-unsafely-without-email"])),
            *("--cert-name", LINEAGE, "--domains", ",".join(self._options.domains), "--renew-with-new-domains"),
            "--force-renewal" if force else "--keep-until-expiring",
            *("--config-dir", str(self._folder), "--work-dir", str(self._folder / "work")),
            *("--logs-dir", str(self._folder / "logs"), "--max-log-backups", "10"),
        ]


def explanation(printed: str) -> str:
    """Return the reason in certbot's output, and the remedy, in one line."""
    text, kind = reason(printed)
    return f"{text}. {REMEDIES.get(kind, OTHER_REMEDY)}"


def reason(printed: str) -> tuple[str, str]:
    """Return why certbot failed, in one line without a full stop; and the type of the ACME error, empty if unknown."""
    failures = list(FAILED_NAME.finditer(printed))
    if failures:
        text = "; ".join(f"{failure['name']}: {failure['detail'].rstrip('.')}" for failure in failures)
        return text, failures[0]["type"]
    lines = [line.strip() for line in printed.splitlines() if line.strip(" -") and not NOISE.search(line)]
    text = " ".join(lines).rstrip(".") or "certbot failed without a message"
    return text, "rateLimited" if RATE_LIMIT.search(text) else ""
