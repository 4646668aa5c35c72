"""The check before a start: each problem is reported with its remedy."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.preflight import check, mounted_files
from shared.runtime.settings import MiB, Settings
from tests.support.programs.processes import ROOT

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "glassbox.example")])
HOST = "/etc/glassbox-tls"
Certificate = Callable[..., Path]


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """Writes tls.crt and tls.key; returns their folder."""

    def write(begins: int = -1, ends: int = 1, password: bytes | None = None, other_key: bool = False) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(NAME)
            .issuer_name(NAME)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now + timedelta(days=begins))
            .not_valid_after(now + timedelta(days=ends))
            .sign(key, hashes.SHA256())
        )
        kept = ec.generate_private_key(ec.SECP256R1()) if other_key else key
        packing = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        (tmp_path / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (tmp_path / "tls.key").write_bytes(
            kept.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, packing)
        )
        return tmp_path

    return write


class TestCertificate:
    def test_a_valid_certificate_is_accepted(self, certificate: Certificate) -> None:
        assert list(check.of_the_certificate(certificate(), HOST)) == []

    @pytest.mark.parametrize(
        ("how", "problem"),
        [
            ({"begins": -3, "ends": -1}, f"{HOST}/tls.crt has expired"),
            ({"begins": 1, "ends": 2}, f"{HOST}/tls.crt is not valid yet"),
            ({"other_key": True}, f"{HOST}/tls.key is not the key of {HOST}/tls.crt"),
            ({"password": b"secret"}, f"{HOST}/tls.key has a password"),
        ],
    )
    def test_a_certificate_that_cannot_be_served_is_named(
        self, certificate: Certificate, how: dict[str, object], problem: str
    ) -> None:
        [only] = check.of_the_certificate(certificate(**how), HOST)
        assert problem in only

    @pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
    def test_a_file_that_is_missing_is_named_with_the_command_that_installs_it(
        self, certificate: Certificate, name: str
    ) -> None:
        folder = certificate()
        (folder / name).unlink()

        [only] = check.of_the_certificate(folder, HOST)

        assert f"{HOST} has no {name}" in only
        assert f"sudo install -o {os.geteuid()} -m 400 FILE {HOST}/{name}" in only

    @pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
    def test_a_file_that_is_not_pem_is_named(self, certificate: Certificate, name: str) -> None:
        folder = certificate()
        (folder / name).write_text("junk")

        [only] = check.of_the_certificate(folder, HOST)

        assert "are not a certificate and its key in PEM" in only


class TestFolders:
    def test_folders_of_the_services_group_are_accepted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(check, "FREE_BYTES", 0)
        for name in ("volume", "redis"):
            (tmp_path / name).mkdir()
            (tmp_path / name).chmod(0o770)

        assert list(check.of_the_volumes(tmp_path / "volume", tmp_path, "/srv/glassbox")) == []

    @pytest.mark.parametrize("prepare", ["nothing", "mode"])
    def test_a_folder_that_redis_cannot_write_is_named_with_the_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: str
    ) -> None:
        monkeypatch.setattr(check, "FREE_BYTES", 0)
        (tmp_path / "volume").mkdir()
        if prepare == "mode":
            (tmp_path / "redis").mkdir(mode=0o700)

        [only] = check.of_the_volumes(tmp_path / "volume", tmp_path, "/srv/glassbox")

        assert "/srv/glassbox/redis" in only
        assert "sudo install -d -o 10001 -g 10001 -m 770 /srv/glassbox/volume /srv/glassbox/redis" in only

    def test_a_disk_with_too_little_space_is_named_with_both_figures(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(check, "FREE_BYTES", 2**60)

        [only] = check.of_the_space(tmp_path, "the disk", "free some")

        assert only.startswith("the disk has ")
        assert f"MiB free; {2**60 // MiB} MiB are needed: free some" in only

    def test_an_unset_folder_of_data_sets_is_accepted(self, limits: Settings) -> None:
        assert list(check.of_the_datasets(limits.datasets, "")) == []

    def test_a_missing_folder_of_data_sets_is_reported(self, tmp_path: Path) -> None:
        [only] = check.of_the_datasets(tmp_path / "none", "/srv/sets")
        assert only.startswith("GLASSBOX_DATASETS: /srv/sets cannot be read: No such file")


class TestVariables:
    def test_missing_keys_are_reported(self, limits: Settings) -> None:
        settings = limits.model_copy(update={"published_on": "0.0.0.0", "deployment": "compose"})  # noqa: S104
        [only] = check.of_the_settings(settings)
        assert "docker compose run" in only

    def test_each_wrong_setting_is_reported_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(check, "FREE_BYTES", 0)
        monkeypatch.setattr(mounted_files, "SERVICES", ROOT / "services")
        environment = {"GLASSBOX_API_THREADS": "many", "GLASSBOX_LEASE_SECONDS": "0"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        found = list(check.problems(environment))

        assert [line.split(" is ")[0] for line in found] == list(environment)
        assert all("Correct it in .env" in line for line in found)
