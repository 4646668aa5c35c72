"""The API keys file: its format, its errors, and the immediate effect of changes."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
from pathlib import Path
from unittest.mock import Mock

import pytest

from api.auth.keys import ApiKey, KeysError, KeysFile, Scope, digest_of, new_key, parse_scopes, required_keys
from shared.runtime.settings import Settings

DIGEST = "ab" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


class TestKeys:
    def test_new_key_has_256_random_bits_after_its_prefix(self) -> None:
        first, second = (new_key("me", frozenset({Scope.READ}))[0] for _ in range(2))

        assert first.startswith("glassbox_")
        assert len(first) - len("glassbox_") == 43  # of 6 bits each
        assert first != second

    def test_line_of_a_key_holds_only_its_digest(self) -> None:
        key, line = new_key("me", frozenset({Scope.SUBMIT}))

        assert str(line) == f"me:submit:{hashlib.sha256(key.encode()).hexdigest()}"

    @pytest.mark.parametrize(
        ("scopes", "allowed"),
        [
            ("read", {"read"}),
            ("submit", {"read", "submit"}),
            ("manage", {"read", "submit", "manage"}),
            ("read,submit", {"read", "submit"}),
            ("read+manage", {"read", "submit", "manage"}),
        ],
    )
    def test_each_scope_includes_the_lower_ones(self, scopes: str, allowed: set[str]) -> None:
        key = ApiKey.parse(f"me:{scopes}:{DIGEST}")

        assert {scope.value for scope in Scope if key.allows(scope)} == allowed

    @pytest.mark.parametrize("text", ["", "write", "read;submit", "READ", "read,"])
    def test_unknown_scope_is_rejected(self, text: str) -> None:
        with pytest.raises(KeysError, match="read, submit, manage"):
            parse_scopes(text)

    @pytest.mark.parametrize("name", ["", "a:b", "-a", "a b", "a\nb", "ä", "a" * 65])
    def test_invalid_name_is_rejected(self, name: str) -> None:
        with pytest.raises(KeysError):
            new_key(name, frozenset({Scope.READ}))


class TestFile:
    def test_written_keys_can_be_read(self, path: Path) -> None:
        _, first = new_key("first", parse_scopes("read"))
        _, second = new_key("second", parse_scopes("submit,manage"))

        KeysFile(path).write([first, second])

        assert KeysFile(path).check() == (first, second)

    def test_only_the_owner_may_read_the_file(self, path: Path) -> None:
        KeysFile(path).write([])

        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_comments_empty_lines_and_spaces_are_allowed(self, path: Path) -> None:
        path.write_text(f"# ours\n\n  me : read , submit : {DIGEST.upper()} \n")

        assert KeysFile(path).check() == (ApiKey("me", frozenset({Scope.READ, Scope.SUBMIT}), DIGEST),)

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("me:read", "got 2"),
            ("me:read:ab:cd", "got 4"),
            (f"me:write:{DIGEST}", "scopes"),
            (f":read:{DIGEST}", "name"),
            ("me:read:glassbox_0123456789", "SHA-256"),
            (f"other:read:{DIGEST}", "the name 'other' is used by an earlier line"),
        ],
    )
    def test_error_names_the_number_of_a_damaged_line_without_its_content(
        self, path: Path, line: str, reason: str
    ) -> None:
        path.write_text(f"other:read:{DIGEST}\n\n{line}\n")

        with pytest.raises(KeysError) as caught:
            KeysFile(path).check()

        assert "line 3" in str(caught.value)
        assert reason in str(caught.value)
        assert "glassbox_" not in str(caught.value)

    def test_missing_file_is_an_error(self, path: Path) -> None:
        with pytest.raises(KeysError, match="cannot be read"):
            KeysFile(path).check()


class TestFinding:
    def test_find_returns_the_line_of_a_key(self, path: Path) -> None:
        keys = KeysFile(path)
        key, line = new_key("me", parse_scopes("read"))
        keys.write([line])

        assert keys.find(key) == line
        assert keys.find(key + "x") is None
        assert keys.find(digest_of(key)) is None
        assert keys.find("") is None

    def test_change_of_the_file_takes_effect_at_once(self, path: Path) -> None:
        keys = KeysFile(path)
        key, line = new_key("me", parse_scopes("read"))
        keys.write([line])
        assert keys.find(key) == line

        keys.write([])
        assert keys.find(key) is None

        keys.write([line])
        assert keys.find(key) == line

    def test_file_that_becomes_readable_by_a_new_mode_takes_effect_at_once(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys = KeysFile(path)
        key, line = new_key("me", parse_scopes("read"))
        keys.write([line])
        path.chmod(0o000)
        with monkeypatch.context() as unreadable:  # the mode does not stop the superuser
            unreadable.setattr(Path, "read_text", Mock(side_effect=PermissionError(13, "Permission denied")))
            assert keys.find(key) is None

        path.chmod(0o400)

        assert keys.find(key) == line

    def test_no_key_is_valid_after_the_file_is_deleted(self, path: Path) -> None:
        keys = KeysFile(path)
        key, line = new_key("me", parse_scopes("read"))
        keys.write([line])
        assert keys.find(key)

        path.unlink()

        assert keys.find(key) is None

    def test_valid_lines_of_a_damaged_file_still_apply(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        keys = KeysFile(path)
        key, line = new_key("me", parse_scopes("read"))
        path.write_text(f"{line}\nother:{key}\n")

        with caplog.at_level(logging.ERROR):
            assert keys.find(key) == line
            assert keys.find(key) == line

        assert [record.levelname for record in caplog.records] == ["ERROR"]  # once, not for each request
        assert "line 2" in caplog.text
        assert key not in caplog.text


class TestRequiredKeys:
    @pytest.mark.parametrize("bind", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
    def test_api_on_loopback_requires_no_key(self, limits: Settings, bind: str) -> None:
        assert required_keys(limits.model_copy(update={"bind": bind})) is None

    @pytest.mark.parametrize("bind", ["0.0.0.0", "::", "10.0.0.7", "", "glassbox.example"])  # noqa: S104
    def test_api_on_other_addresses_requires_keys_and_names_the_setting(self, limits: Settings, bind: str) -> None:
        with pytest.raises(KeysError, match="GLASSBOX_API_KEYS_FILE"):
            required_keys(limits.model_copy(update={"bind": bind}))

    @pytest.mark.parametrize(
        ("deployment", "commands"),
        [
            ("embedded", ("make keys CREATE=me", "python -m api.auth.admin keys create me", "GLASSBOX_BIND=127.0.0.1")),
            (
                "compose",
                ("docker compose run --rm --no-deps --no-TTY api", "GLASSBOX_API_KEYS_FILE=/etc/glassbox/keys"),
            ),
        ],
    )
    def test_messages_name_the_commands_of_the_deployment(
        self, limits: Settings, path: Path, deployment: str, commands: tuple[str, ...]
    ) -> None:
        settings = limits.model_copy(update={"bind": "10.0.0.7", "deployment": deployment})
        with pytest.raises(KeysError) as open_to_others:
            required_keys(settings)
        with pytest.raises(KeysError) as missing:
            required_keys(settings.model_copy(update={"api_keys_file": path}))

        assert all(command in str(open_to_others.value) for command in commands)
        for error in (open_to_others, missing):
            assert ("docker compose" in str(error.value)) == (deployment == "compose")
            assert ("make " in str(error.value)) <= (deployment == "embedded")
        assert "python -m api.auth.admin keys restore < keys" in str(missing.value)

    def test_error_about_an_unreadable_file_names_its_owner_and_mode(
        self, limits: Settings, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path.write_text("")
        path.chmod(0o400)

        def deny(_path: Path, *_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(Path, "open", deny)  # root could read it

        with pytest.raises(KeysError, match=f"by uid {os.geteuid()}: it belongs to uid {os.geteuid()} with mode 0400"):
            required_keys(limits.model_copy(update={"api_keys_file": path}))

    def test_published_address_of_a_container_decides_whether_keys_are_required(self, limits: Settings) -> None:
        inside = limits.model_copy(update={"bind": "0.0.0.0", "published_on": "127.0.0.1"})  # noqa: S104

        assert required_keys(inside) is None
        with pytest.raises(KeysError):
            required_keys(inside.model_copy(update={"published_on": "0.0.0.0"}))  # noqa: S104

    def test_public_domain_requires_keys_although_the_port_is_on_loopback(self, limits: Settings) -> None:
        public = limits.model_copy(update={"published_on": "127.0.0.1", "domain": "glassbox.example.org"})

        with pytest.raises(KeysError, match=r"every client that can reach glassbox\.example\.org"):
            required_keys(public)

    def test_configured_file_applies_on_loopback_too(self, limits: Settings, path: Path) -> None:
        named = limits.model_copy(update={"api_keys_file": path})
        with pytest.raises(KeysError, match="cannot be read"):
            required_keys(named)

        path.write_text("")

        keys = required_keys(named)
        assert keys is not None
        assert keys.current() == ()

    def test_file_without_keys_is_rejected_on_other_addresses(self, limits: Settings, path: Path) -> None:
        path.write_text("# none yet\n")

        with pytest.raises(KeysError, match="no key"):
            required_keys(limits.model_copy(update={"api_keys_file": path, "bind": "0.0.0.0"}))  # noqa: S104
