"""Which server and which key: arguments before the environment before the file; a key goes to its own server alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from glassbox import SettingsError
from glassbox.settings import DEFAULT_URL, config_path, settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def found(
    config: Path, url: str | None = None, api_key: str | None = None, **environment: str
) -> tuple[str, str | None]:
    known = settings(url, api_key, {"GLASSBOX_CONFIG": str(config), **environment})
    return known.url, known.api_key


def write(config: Path, text: str, mode: int = 0o600) -> None:
    config.write_text(text)
    config.chmod(mode)


def test_without_any_settings_it_is_this_machine(config: Path) -> None:
    assert found(config) == (DEFAULT_URL, None)


def test_the_file_names_the_server_and_its_key(config: Path) -> None:
    write(config, 'url = "https://one.example/"\napi_key = "secret"\n')
    assert found(config) == ("https://one.example", "secret")


def test_the_environment_comes_before_the_file_and_arguments_before_both(config: Path) -> None:
    write(config, 'url = "https://one.example"\napi_key = "secret"\n')
    environment = {"GLASSBOX_URL": "https://two.example", "GLASSBOX_API_KEY": "other"}
    assert found(config, **environment) == ("https://two.example", "other")
    assert found(config, "https://three.example", "third", **environment) == ("https://three.example", "third")


def test_the_files_key_is_not_shown_to_another_server(config: Path) -> None:
    write(config, 'url = "https://one.example"\napi_key = "secret"\n')
    assert found(config, "https://two.example") == ("https://two.example", None)
    assert found(config, "https://one.example/") == ("https://one.example", "secret")
    assert found(config, GLASSBOX_URL="https://two.example") == ("https://two.example", None)


def test_a_key_may_be_in_a_file_of_its_own(config: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    write(config, f'api_key_file = "{tmp_path}/key"\n', 0o644)
    assert found(config) == (DEFAULT_URL, "secret")
    assert found(tmp_path / "none.toml", GLASSBOX_API_KEY_FILE=f"{tmp_path}/key") == (DEFAULT_URL, "secret")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_a_file_with_a_key_that_others_can_read_is_refused(config: Path, mode: int) -> None:
    write(config, 'api_key = "secret"\n', mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        found(config)


def test_a_file_without_a_key_may_be_read_by_anybody(config: Path) -> None:
    write(config, 'url = "https://one.example"\n', 0o644)
    assert found(config) == ("https://one.example", None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("url = ", "is not TOML"),
        ('server = "https://one.example"', "'server' is no setting"),
        ("url = 7", "url must be a text"),
        ('url = "one.example"', "no address of a server"),
        ('api_key_file = "/no/such/file"', "cannot be read"),
        ('api_key = "secr\\u0000et"', "characters that no key has"),
    ],
)
def test_what_is_wrong_in_the_file_is_told(config: Path, text: str, told: str) -> None:
    write(config, text)
    with pytest.raises(SettingsError, match=told):
        found(config)


def test_the_file_is_where_settings_of_programs_are(tmp_path: Path) -> None:
    assert config_path({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "glassbox" / "config.toml"
    assert config_path({}) == Path.home() / ".config" / "glassbox" / "config.toml"
