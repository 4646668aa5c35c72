"""The command `api.auth.admin`: create, list, revoke and restore keys."""

from __future__ import annotations

import io
import logging
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api.auth.admin import main
from api.auth.keys import KeysFile, Scope
from tests.support.programs.forks import together

Admin = Callable[..., str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "keys"


@pytest.fixture
def admin(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Admin:
    """Return a function that runs the command and returns its standard output."""
    monkeypatch.setenv("GLASSBOX_API_KEYS_FILE", str(path))

    def run(*arguments: str) -> str:
        main(["keys", *arguments])
        return capsys.readouterr().out

    return run


def test_create_prints_the_key_and_stores_its_digest(admin: Admin, path: Path) -> None:
    key = admin("create", "laptop", "--scopes", "manage").strip()

    found = KeysFile(path).find(key)
    assert found is not None
    assert (found.name, found.scopes) == ("laptop", frozenset({Scope.MANAGE}))
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_new_key_has_the_scope_submit_by_default(admin: Admin, path: Path) -> None:
    key = admin("create", "ci").strip()

    found = KeysFile(path).find(key)
    assert found is not None
    assert found.allows(Scope.SUBMIT)
    assert not found.allows(Scope.MANAGE)


def test_list_shows_names_and_scopes_without_digests(admin: Admin) -> None:
    admin("create", "first", "--scopes", "read+submit")
    admin("create", "second", "--scopes", "read")

    assert admin("list") == "first\tread,submit\nsecond\tread\n"


def test_revoked_key_is_not_found(admin: Admin, path: Path) -> None:
    first, second = admin("create", "first").strip(), admin("create", "second").strip()

    admin("revoke", "first")

    assert KeysFile(path).find(first) is None
    assert KeysFile(path).find(second)


def test_create_rejects_a_name_that_exists(admin: Admin, path: Path) -> None:
    admin("create", "laptop")
    before = path.read_text()

    with pytest.raises(SystemExit, match="already"):
        admin("create", "laptop")

    assert path.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["revoke", "unknown"], "no key 'unknown'"),
        (["create", "a name"], "name"),
        (["create", "me", "--scopes", "write"], "read, submit, manage"),
    ],
)
def test_failed_command_exits_with_its_reason(admin: Admin, arguments: list[str], reason: str) -> None:
    admin("create", "laptop")

    with pytest.raises(SystemExit, match=reason):
        admin(*arguments)


def test_create_leaves_a_damaged_file_unchanged(admin: Admin, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("damaged\n")

    with pytest.raises(SystemExit, match="line 1"):
        admin("create", "me")

    assert path.read_text() == "damaged\n"


class TestRestoring:
    @pytest.fixture
    def copy(self, admin: Admin, path: Path) -> bytes:
        admin("create", "laptop")
        return path.read_bytes() + b"# a remark\n"

    @staticmethod
    def _send(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    def test_restore_replaces_the_file_and_only_its_owner_may_read_it(
        self, admin: Admin, path: Path, copy: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path.write_text("damaged")
        path.chmod(0o644)
        self._send(monkeypatch, copy)

        admin("restore")

        assert admin("list") == "laptop\tsubmit\n"
        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.usefixtures("copy")
    @pytest.mark.parametrize(("content", "reason"), [(b"", "holds no key"), (b"damaged\n", "standard input, line 1")])
    def test_restore_rejects_invalid_content_and_keeps_the_file(
        self, admin: Admin, path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
    ) -> None:
        before = path.read_bytes()
        self._send(monkeypatch, content)

        with pytest.raises(SystemExit, match=reason):
            admin("restore")
        assert path.read_bytes() == before


def test_command_under_compose_explains_how_to_set_the_file(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    monkeypatch.setenv("GLASSBOX_DEPLOYMENT", "compose")
    with pytest.raises(SystemExit, match=r"GLASSBOX_API_KEYS_FILE=/etc/glassbox/keys >> \.env"):
        main(["keys", "list"])


def test_command_without_a_keys_file_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    with pytest.raises(SystemExit, match="GLASSBOX_API_KEYS_FILE"):
        main(["keys", "list"])


def test_option_selects_the_keys_file(path: Path, capsys: pytest.CaptureFixture[str], clean_environment: None) -> None:
    main(["keys", "--file", str(path), "create", "me"])

    assert KeysFile(path).find(capsys.readouterr().out.strip())


def test_concurrent_creations_are_all_stored(path: Path) -> None:
    path.parent.mkdir()

    together([lambda name=name: main(["keys", "--file", str(path), "create", name]) for name in "abcdef"])  # type: ignore[misc]

    assert {key.name for key in KeysFile(path).check()} == set("abcdef")


def test_create_never_logs_the_key(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        key = admin("create", "me").strip()

    assert key not in caplog.text


def test_former_name_of_the_command_still_works(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "api.admin", "keys", "--file", str(tmp_path / "keys"), "create", "me"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "me" in done.stderr
    assert done.stdout.strip()
