"""The file with the secrets that sign webhooks."""

from __future__ import annotations

import base64
import io
import stat
from pathlib import Path

import pytest

from shared.runtime.settings import SecretError, Settings
from shared.storage.volume import Volume
from worker.webhooks import secrets
from worker.webhooks.secrets import SecretsFile
from worker.webhooks.signing import load_secrets

OLD = "whsec_" + base64.b64encode(b"old " * 8).decode()
NEW = "whsec_" + base64.b64encode(b"new " * 8).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "secrets"


@pytest.fixture
def named(settings: Settings, volume: Volume, path: Path) -> Settings:
    volume.root.mkdir(parents=True, exist_ok=True)
    return settings.model_copy(update={"webhook_secrets_file": path})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestTheFileOfTheSettings:
    def test_the_file_is_created_once_and_readable_only_by_its_owner(
        self, named: Settings, volume: Volume, path: Path
    ) -> None:
        first = load_secrets(named, volume)

        assert load_secrets(named, volume) == first
        assert mode(path) == 0o600
        assert not volume.webhook_secret.exists()

    def test_the_secret_of_an_older_version_moves_into_the_file(
        self, named: Settings, volume: Volume, path: Path
    ) -> None:
        volume.webhook_secret.write_text(OLD)

        assert load_secrets(named, volume) == [b"old " * 8]
        assert path.read_text() == OLD + "\n"
        assert mode(path) == 0o600
        assert not volume.webhook_secret.exists()

    def test_a_move_that_was_interrupted_is_finished(self, named: Settings, volume: Volume, path: Path) -> None:
        volume.webhook_secret.write_text(OLD)
        path.parent.mkdir()
        path.write_text(f"{NEW}\n{OLD}\n")

        assert load_secrets(named, volume) == [b"new " * 8, b"old " * 8]
        assert not volume.webhook_secret.exists()

    def test_another_secret_on_the_volume_stays(self, named: Settings, volume: Volume, path: Path) -> None:
        volume.webhook_secret.write_text(OLD)
        path.parent.mkdir()
        path.write_text(NEW)

        assert load_secrets(named, volume) == [b"new " * 8]
        assert volume.webhook_secret.read_text() == OLD

    def test_an_invalid_secret_on_the_volume_is_neither_moved_nor_removed(
        self, named: Settings, volume: Volume, path: Path
    ) -> None:
        volume.webhook_secret.write_text("short")

        with pytest.raises(SecretError, match="whsec_"):
            load_secrets(named, volume)
        assert volume.webhook_secret.read_text() == "short"
        assert not path.exists()

    def test_an_empty_file_is_an_error_with_its_name(self, named: Settings, volume: Volume, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("\n")

        with pytest.raises(SecretError, match=r"secrets is empty"):
            load_secrets(named, volume)

    def test_a_file_in_place_of_the_folder_is_an_error_with_the_files_name(
        self, named: Settings, volume: Volume, path: Path
    ) -> None:
        path.parent.write_text("")

        with pytest.raises(SecretError, match=r"secrets cannot be written: Not a directory"):
            load_secrets(named, volume)


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        monkeypatch.setenv("GLASSBOX_WEBHOOK_SECRETS_FILE", str(path))

    def test_set_replaces_the_secrets_and_show_prints_them(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path
    ) -> None:
        for text in (OLD, f"{NEW}\n{OLD}\n"):
            monkeypatch.setattr("sys.stdin", io.StringIO(text))
            secrets.main(["set"])

        secrets.main(["show"])

        assert capsys.readouterr().out == f"{NEW}\n{OLD}\n"
        assert mode(path) == 0o600

    @pytest.mark.parametrize("text", ["", "secret", f"{NEW} short"])
    def test_set_refuses_an_invalid_secret_and_keeps_the_file(
        self, monkeypatch: pytest.MonkeyPatch, path: Path, text: str
    ) -> None:
        SecretsFile(path).replace(OLD)
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

        with pytest.raises(SystemExit, match="glassbox: "):
            secrets.main(["set"])
        assert SecretsFile(path).read() == [OLD]

    def test_show_of_a_missing_file_names_it(self, path: Path) -> None:
        with pytest.raises(SystemExit, match=f"{path} cannot be read: No such file"):
            secrets.main(["show"])

    def test_any_other_argument_prints_the_usage(self) -> None:
        with pytest.raises(SystemExit, match="usage"):
            secrets.main(["list"])
