"""The keys' file: what stands in it, what is wrong with it, and that a change counts at once."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
from pathlib import Path

import pytest

from api.auth.keys import ApiKey, KeysError, KeysFile, Scope, digest_of, new_key, parse_scopes, required_keys
from shared.runtime.settings import Settings

DIGEST = "ab" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


class TestKeys:
    def test_a_new_key_has_256_random_bits_behind_a_prefix(self) -> None:
        first, second = (new_key("me", frozenset({Scope.READ}))[0] for _ in range(2))

        assert first.startswith("glassbox_")
        assert len(first) - len("glassbox_") == 43  # of 6 bits each
        assert first != second

    def test_its_line_has_its_digest_alone(self) -> None:
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
    def test_each_scope_allows_the_ones_below_it(self, scopes: str, allowed: set[str]) -> None:
        key = ApiKey.parse(f"me:{scopes}:{DIGEST}")

        assert {scope.value for scope in Scope if key.allows(scope)} == allowed

    @pytest.mark.parametrize("text", ["", "write", "read;submit", "READ", "read,"])
    def test_an_unknown_scope_is_refused(self, text: str) -> None:
        with pytest.raises(KeysError, match="read, submit, manage"):
            parse_scopes(text)

    @pytest.mark.parametrize("name", ["", "a:b", "-a", "a b", "a\nb", "ä", "a" * 65])
    def test_a_name_that_cannot_stand_in_a_line_is_refused(self, name: str) -> None:
        with pytest.raises(KeysError):
            new_key(name, frozenset({Scope.READ}))


class TestFile:
    def test_what_was_written_is_read_again(self, path: Path) -> None:
        _, first = new_key("first", parse_scopes("read"))
        _, second = new_key("second", parse_scopes("submit,manage"))

        KeysFile(path).write([first, second])

        assert KeysFile(path).check() == (first, second)

    def test_nobody_but_its_owner_may_read_it(self, path: Path) -> None:
        KeysFile(path).write([])

        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_comments_empty_lines_and_spaces_are_no_damage(self, path: Path) -> None:
        path.write_text(f"# ours\n\n  me : read , submit : {DIGEST.upper()} \n")

        assert KeysFile(path).check() == (ApiKey("me", frozenset({Scope.READ, Scope.SUBMIT}), DIGEST),)

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("me:read", "2 parts"),
            ("me:read:ab:cd", "4 parts"),
            (f"me:write:{DIGEST}", "scopes"),
            (f":read:{DIGEST}", "name"),
            ("me:read:glassbox_0123456789", "SHA-256"),
            (f"other:read:{DIGEST}", "another line has the name 'other'"),
        ],
    )
    def test_a_damaged_line_is_named_by_its_number_and_not_shown(self, path: Path, line: str, reason: str) -> None:
        path.write_text(f"other:read:{DIGEST}\n\n{line}\n")

        with pytest.raises(KeysError) as caught:
            KeysFile(path).check()

        assert "line 3" in str(caught.value)
        assert reason in str(caught.value)
        assert "glassbox_" not in str(caught.value)

    def test_a_missing_file_is_an_error(self, path: Path) -> None:
        with pytest.raises(KeysError, match="cannot be read"):
            KeysFile(path).check()


class TestFinding:
    def test_a_key_is_found_by_its_text(self, path: Path) -> None:
        keys = KeysFile(path)
        key, line = new_key("me", parse_scopes("read"))
        keys.write([line])

        assert keys.find(key) == line
        assert keys.find(key + "x") is None
        assert keys.find(digest_of(key)) is None
        assert keys.find("") is None

    def test_a_change_of_the_file_counts_at_once(self, path: Path) -> None:
        keys = KeysFile(path)
        key, line = new_key("me", parse_scopes("read"))
        keys.write([line])
        assert keys.find(key) == line

        keys.write([])
        assert keys.find(key) is None

        keys.write([line])
        assert keys.find(key) == line

    def test_a_file_that_is_gone_opens_nothing(self, path: Path) -> None:
        keys = KeysFile(path)
        key, line = new_key("me", parse_scopes("read"))
        keys.write([line])
        assert keys.find(key)

        path.unlink()

        assert keys.find(key) is None

    def test_of_a_file_that_is_damaged_meanwhile_the_whole_lines_count(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        keys = KeysFile(path)
        key, line = new_key("me", parse_scopes("read"))
        path.write_text(f"{line}\nsomebody:{key}\n")

        with caplog.at_level(logging.ERROR):
            assert keys.find(key) == line
            assert keys.find(key) == line

        assert [record.levelname for record in caplog.records] == ["ERROR"]  # once, and not with each request
        assert "line 2" in caplog.text
        assert key not in caplog.text


class TestWhatTheApiAsksFor:
    @pytest.mark.parametrize("bind", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
    def test_no_key_where_only_this_host_can_reach_it(self, limits: Settings, bind: str) -> None:
        assert required_keys(limits.model_copy(update={"bind": bind})) is None

    @pytest.mark.parametrize("bind", ["0.0.0.0", "::", "10.0.0.7", "", "glassbox.example"])  # noqa: S104
    def test_elsewhere_it_refuses_to_start_without_keys_and_says_what_to_do(self, limits: Settings, bind: str) -> None:
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
    def test_the_commands_are_those_of_the_deployment(
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

    def test_a_file_of_another_owner_is_named_with_owner_and_mode(
        self, limits: Settings, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path.write_text("")
        path.chmod(0o400)

        def refuse(_path: Path, *_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(Path, "open", refuse)  # root could read it

        with pytest.raises(KeysError, match=f"by uid {os.geteuid()}: it belongs to uid {os.geteuid()} with mode 0400"):
            required_keys(limits.model_copy(update={"api_keys_file": path}))

    def test_a_containers_port_counts_where_it_is_published(self, limits: Settings) -> None:
        inside = limits.model_copy(update={"bind": "0.0.0.0", "published_on": "127.0.0.1"})  # noqa: S104

        assert required_keys(inside) is None
        with pytest.raises(KeysError):
            required_keys(inside.model_copy(update={"published_on": "0.0.0.0"}))  # noqa: S104

    def test_public_domain_requires_keys_although_the_port_is_on_loopback(self, limits: Settings) -> None:
        public = limits.model_copy(update={"published_on": "127.0.0.1", "domain": "glassbox.example.org"})

        with pytest.raises(KeysError, match=r"everybody who reaches glassbox\.example\.org"):
            required_keys(public)

    def test_a_file_that_is_named_is_asked_on_loopback_too(self, limits: Settings, path: Path) -> None:
        named = limits.model_copy(update={"api_keys_file": path})
        with pytest.raises(KeysError, match="cannot be read"):
            required_keys(named)

        path.write_text("")

        keys = required_keys(named)
        assert keys is not None
        assert keys.current() == ()

    def test_a_file_without_a_key_does_not_open_it_to_others(self, limits: Settings, path: Path) -> None:
        path.write_text("# none yet\n")

        with pytest.raises(KeysError, match="no key"):
            required_keys(limits.model_copy(update={"api_keys_file": path, "bind": "0.0.0.0"}))  # noqa: S104
