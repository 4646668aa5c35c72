"""The options of the certificates service, from the variables `GLASSBOX_DOMAIN` and `GLASSBOX_ACME_…`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
PRIVATE_CA = Path("/etc/glassbox/acme-ca.pem")  # where the Compose file mounts the file that GLASSBOX_ACME_CA names
NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+")


class OptionError(Exception):
    """A variable has a value that no certificate can be requested with."""


@dataclass(frozen=True)
class Options:
    """What to request, and from which certificate authority."""

    domains: tuple[str, ...]
    directory: str  # the URL that lists the authority's ACME resources
    email: str | None  # the authority's contact for this account
    authority_roots: Path | None  # PEM, trusted instead of the public roots when the authority itself is contacted

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Options:
        """Validate the variables. Raises `OptionError` with the variable, its value and the form that it must have."""
        email = environment.get("GLASSBOX_ACME_EMAIL") or None
        if email and not EMAIL.fullmatch(email):
            raise OptionError(f"GLASSBOX_ACME_EMAIL is {email!r}, which is not one e-mail address")
        directory = environment.get("GLASSBOX_ACME_DIRECTORY") or LETS_ENCRYPT
        if not directory.startswith("https://"):
            raise OptionError(f"GLASSBOX_ACME_DIRECTORY is {directory!r}; it must be a URL that starts with https://")
        return cls(
            domains=domain_names(environment.get("GLASSBOX_DOMAIN", "")),
            directory=directory,
            email=email,
            authority_roots=_authority_roots(environment.get("GLASSBOX_ACME_CA", "")),
        )


def domain_names(text: str) -> tuple[str, ...]:
    """Return the names in `GLASSBOX_DOMAIN`, in lower case. Raises `OptionError` if one cannot have a certificate."""
    names = [name.strip().lower().rstrip(".") for name in text.split(",") if name.strip()]
    if not names:
        raise OptionError("GLASSBOX_DOMAIN has no name in it; set it to one, for example glassbox.example.org")
    for name in names:
        if name.startswith("*."):
            raise OptionError(
                f"GLASSBOX_DOMAIN has the wildcard {name!r}, which HTTP-01 cannot prove; list the names themselves, or"
                " get the certificate with another client and set GLASSBOX_TLS"
            )
        if not NAME.fullmatch(name):
            raise OptionError(
                f"GLASSBOX_DOMAIN has {name!r}, which is not a public domain name; write names alone, without scheme,"
                " port or path, separated by commas, in their ASCII form: glassbox.example.org,www.example.org"
            )
    return tuple(dict.fromkeys(names))


def _authority_roots(variable: str) -> Path | None:
    if not variable:
        return None
    try:
        if b"-----BEGIN CERTIFICATE-----" in PRIVATE_CA.read_bytes():
            return PRIVATE_CA
        problem = "has no PEM certificate in it"
    except IsADirectoryError:
        problem = "is a folder"
    except OSError as error:
        problem = f"cannot be read by the uid 10001: {error.strerror}"
    raise OptionError(f"GLASSBOX_ACME_CA is {variable}, which {problem}; name a readable PEM file of root certificates")
