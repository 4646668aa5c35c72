"""The gateway's certificate: temporary until one is issued, replaced atomically, good until its renewal is overdue."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from services.certificates.served import Certificate, ServedFile, temporary

DOMAINS = ("glassbox.example.org", "www.example.org")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "certificates" / "tls.pem"


@pytest.fixture
def served(path: Path) -> ServedFile:
    return ServedFile(path)


def issued(days: float, *names: str) -> Certificate:
    return Certificate(frozenset(names or DOMAINS), NOW, NOW + timedelta(days=days), temporary=False)


def test_temporary_certificate_has_the_key_that_belongs_to_it() -> None:
    pem = temporary(DOMAINS)

    certificate = x509.load_pem_x509_certificates(pem)[0]
    key = serialization.load_pem_private_key(pem, password=None)
    assert certificate.public_key() == key.public_key()
    assert Certificate.parse(pem).names == set(DOMAINS)
    assert Certificate.parse(pem).temporary


def test_gateway_gets_a_temporary_certificate_that_only_its_user_can_read(served: ServedFile, path: Path) -> None:
    served.ensure_one(DOMAINS)

    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    present = served.certificate()
    assert present is not None
    assert present.good_until(DOMAINS) is None


def test_temporary_certificate_stays_until_the_names_change(served: ServedFile, path: Path) -> None:
    served.ensure_one(DOMAINS)
    first = path.read_bytes()

    served.ensure_one(DOMAINS)
    assert path.read_bytes() == first

    served.ensure_one(("other.example.org",))
    assert Certificate.parse(path.read_bytes()).names == {"other.example.org"}


def test_damaged_file_is_replaced_by_a_temporary_certificate(served: ServedFile, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("no certificate")

    served.ensure_one(DOMAINS)

    assert served.certificate() is not None


def test_same_certificate_is_not_written_again(served: ServedFile, path: Path) -> None:
    pem = temporary(DOMAINS)
    assert served.replace(pem)
    written = path.stat().st_ino

    assert not served.replace(pem)
    assert path.stat().st_ino == written
    assert served.replace(temporary(DOMAINS))


@pytest.mark.parametrize(
    ("lifetime", "left"), [(90, 7), (45, 7), (6, 1), (1, 1 / 6)], ids=["90 days", "45 days", "6 days", "a day"]
)
def test_certificate_is_good_until_a_week_or_a_sixth_of_its_lifetime_before_its_end(
    lifetime: float, left: float
) -> None:
    certificate = issued(lifetime)
    assert certificate.good_until(DOMAINS) == certificate.not_after - timedelta(days=left)


def test_certificate_without_one_of_the_names_is_not_good() -> None:
    assert issued(90, DOMAINS[0]).good_until(DOMAINS) is None
    assert issued(90, *DOMAINS, "more.example.org").good_until(DOMAINS) is not None
    assert replace(issued(90), temporary=True).good_until(DOMAINS) is None
