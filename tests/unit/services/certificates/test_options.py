"""The variables of the certificates service."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.certificates import options
from services.certificates.options import LETS_ENCRYPT, OptionError, Options, domain_names


def test_one_variable_is_enough_for_a_certificate_of_lets_encrypt() -> None:
    assert Options.read({"GLASSBOX_DOMAIN": "glassbox.example.org"}) == Options(
        ("glassbox.example.org",), LETS_ENCRYPT, None, None
    )


def test_several_names_are_separated_by_commas() -> None:
    assert domain_names(" Glassbox.Example.ORG., www.example.org,glassbox.example.org,") == (
        "glassbox.example.org",
        "www.example.org",
    )


@pytest.mark.parametrize(
    "name",
    [
        "https://glassbox.example.org",
        "glassbox.example.org:443",
        "glassbox.example.org/",
        "glassbox example.org",
        "localhost",
        "192.0.2.1",
        "2001:db8::1",
        "-a.example.org",
        "a..example.org",
        "größe.example",
        "a" * 64 + ".example",
        ("a" * 60 + ".") * 5 + "example",
        "--server.example.org",
        "*.example.org",
    ],
)
def test_a_name_that_cannot_have_a_certificate_is_refused_with_the_form_of_one(name: str) -> None:
    with pytest.raises(OptionError, match="GLASSBOX_DOMAIN has") as refusal:
        domain_names(f"www.example.org,{name}")
    assert name in str(refusal.value)


@pytest.mark.parametrize("nothing", ["", ",", " , "])
def test_a_domain_without_a_name_is_refused(nothing: str) -> None:
    with pytest.raises(OptionError, match="has no name in it"):
        domain_names(nothing)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GLASSBOX_ACME_EMAIL", "me"),
        ("GLASSBOX_ACME_EMAIL", "me@example.org,you@example.org"),
        ("GLASSBOX_ACME_DIRECTORY", "http://ca.example.org/directory"),
        ("GLASSBOX_ACME_DIRECTORY", "letsencrypt"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(OptionError, match=f"{variable} is '{value}'"):
        Options.read({"GLASSBOX_DOMAIN": "example.org", variable: value})


class TestPrivateAuthority:
    @pytest.fixture
    def mounted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = tmp_path / "ca.pem"
        monkeypatch.setattr(options, "PRIVATE_CA", path)
        return path

    def read(self) -> Path | None:
        return Options.read({"GLASSBOX_DOMAIN": "example.org", "GLASSBOX_ACME_CA": "./ca.pem"}).authority_roots

    def test_the_roots_are_the_mounted_file(self, mounted: Path) -> None:
        mounted.write_text("-----BEGIN CERTIFICATE-----\n")
        assert self.read() == mounted

    def test_a_file_without_a_certificate_is_refused(self, mounted: Path) -> None:
        mounted.write_bytes(b"\x30\x82")
        with pytest.raises(OptionError, match=r"GLASSBOX_ACME_CA is \./ca\.pem, which has no PEM certificate in it"):
            self.read()

    def test_a_folder_is_refused(self, mounted: Path) -> None:
        mounted.mkdir()
        with pytest.raises(OptionError, match="is a folder"):
            self.read()

    def test_a_missing_file_is_refused(self, mounted: Path) -> None:
        assert not mounted.exists()
        with pytest.raises(OptionError, match="cannot be read by the uid 10001: No such file"):
            self.read()
