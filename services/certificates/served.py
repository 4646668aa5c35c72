"""The certificate that the gateway serves: one file with the private key and the chain, replaced as a whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.storage import durable

TEMPORARY = "Glassbox: temporary certificate"  # the issuer's name in certificates of `temporary`
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """The facts about a certificate that decide what happens next."""

    names: frozenset[str]
    not_before: datetime
    not_after: datetime
    temporary: bool

    @classmethod
    def parse(cls, pem: bytes) -> Certificate:
        """Return the first certificate in `pem`. Raises `ValueError` if it has none."""
        certificate = x509.load_pem_x509_certificates(pem)[0]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return cls(
            names=frozenset(names.get_values_for_type(x509.DNSName)),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            temporary=certificate.issuer.rfc4514_string() == f"CN={TEMPORARY}",
        )

    @property
    def lifetime(self) -> timedelta:
        """The time between `not_before` and `not_after`."""
        return self.not_after - self.not_before

    def good_until(self, domains: tuple[str, ...]) -> datetime | None:
        """Return the latest time for its renewal: a week, or a sixth of its lifetime, before its end.

        None if browsers reject it now: it is temporary, or lacks one of the names.
        """
        if self.temporary or not self.names.issuperset(domains):
            return None
        return self.not_after - min(7 * DAY, self.lifetime / 6)


class ServedFile:
    """The file that the gateway reads, on a volume that it shares with this service."""

    def __init__(self, path: Path) -> None:
        """Use the file at `path`, which need not exist yet."""
        self._path = path

    def certificate(self) -> Certificate | None:
        """Return the certificate in the file; None if the file is missing or invalid."""
        try:
            return Certificate.parse(self._path.read_bytes())
        except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
            return None

    def replace(self, pem: bytes) -> bool:
        """Write a key and its chain, readable only by this uid, also the gateway's; return whether the file changed."""
        if self._path.exists() and self._path.read_bytes() == pem:
            return False
        with durable.replacing(self._path) as file:
            os.fchmod(file.fileno(), 0o400)
            file.write(pem)
        return True

    def ensure_one(self, domains: tuple[str, ...]) -> None:
        """Write a temporary certificate if none exists, or if a temporary one has expired or is for other names."""
        present = self.certificate()
        if present is None or (
            present.temporary and (present.names != set(domains) or present.not_after < datetime.now(UTC) + DAY)
        ):
            self.replace(temporary(domains))


def temporary(domains: tuple[str, ...]) -> bytes:
    """Return a key and a self-signed certificate for the names, in PEM: it encrypts, but does not authenticate."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, TEMPORARY)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 365 * DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in domains]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
