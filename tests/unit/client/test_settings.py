"""Server and API key: arguments override the environment, which overrides the file; a key belongs to one server."""

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
    result = settings(url, api_key, {"GLASSBOX_CONFIG": str(config), **environment})
    return result.url, result.api_key


def write(config: Path, text: str, mode: int = 0o600) -> None:
    config.write_text(text)
    config.chmod(mode)


def test_the_default_server_is_this_machine(config: Path) -> None:
    assert found(config) == (DEFAULT_URL, None)


def test_the_file_names_the_server_and_its_key(config: Path) -> None:
    write(config, 'url = "https://one.example/"\napi_key = "secret"\n')
    assert found(config) == ("https://one.example", "secret")


def test_the_environment_overrides_the_file_and_arguments_override_both(config: Path) -> None:
    write(config, 'url = "https://one.example"\napi_key = "secret"\n')
    environment = {"GLASSBOX_URL": "https://two.example", "GLASSBOX_API_KEY": "other"}
    assert found(config, **environment) == ("https://two.example", "other")
    assert found(config, "https://three.example", "third", **environment) == ("https://three.example", "third")


def test_the_files_key_is_not_sent_to_another_server(config: Path) -> None:
    write(config, 'url = "https://one.example"\napi_key = "secret"\n')
    assert found(config, "https://two.example") == ("https://two.example", None)
    assert found(config, "https://one.example/") == ("https://one.example", "secret")
    assert found(config, GLASSBOX_URL="https://two.example") == ("https://two.example", None)


def test_a_key_may_be_in_a_separate_file(config: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    write(config, f'api_key_file = "{tmp_path}/key"\n', 0o644)
    assert found(config) == (DEFAULT_URL, "secret")
    assert found(tmp_path / "none.toml", GLASSBOX_API_KEY_FILE=f"{tmp_path}/key") == (DEFAULT_URL, "secret")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_a_file_with_a_key_that_others_can_read_is_rejected(config: Path, mode: int) -> None:
    write(config, 'api_key = "secret"\n', mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        found(config)


def test_a_file_without_a_key_may_be_readable_for_all_users(config: Path) -> None:
    write(config, 'url = "https://one.example"\n', 0o644)
    assert found(config) == ("https://one.example", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url = ", "is not TOML"),
        ('server = "https://one.example"', "'server' is not a setting"),
        ("url = 7", "url must be a text in quotes; got 7"),
        ('url = "one.example"', "is not the URL of a server"),
        ('api_key_file = "/no/such/file"', "cannot be read"),
        ('api_key = "secr\\u0000et"', "characters that are not printable ASCII"),
    ],
)
def test_an_error_in_the_file_is_reported(config: Path, text: str, message: str) -> None:
    write(config, text)
    with pytest.raises(SettingsError, match=message):
        found(config)


def test_the_file_is_in_the_folder_for_configuration(tmp_path: Path) -> None:
    assert config_path({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "glassbox" / "config.toml"
    assert config_path({}) == Path.home() / ".config" / "glassbox" / "config.toml"
