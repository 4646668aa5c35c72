"""`GET /v1/me`."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.keys import KeysFile, Scope, new_key
from shared.runtime.settings import Settings
from tests.support.problems import assert_problem


def test_without_keys_every_scope_is_allowed(client: FlaskClient) -> None:
    assert client.get("/v1/me").get_json() == {
        "key_required": False,
        "key": None,
        "scopes": ["read", "submit", "manage"],
    }


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({Scope.READ}, ["read"]),
        ({Scope.SUBMIT}, ["read", "submit"]),
        ({Scope.READ, Scope.MANAGE}, ["read", "submit", "manage"]),
    ],
)
def test_a_key_is_shown_with_the_scopes_that_its_own_include(
    settings: Settings, tmp_path: Path, given: set[Scope], allowed: list[str]
) -> None:
    key, line = new_key("ci", frozenset(given))
    keys = KeysFile(tmp_path / "keys")
    keys.write([line])
    client = create_app(settings.model_copy(update={"api_keys_file": keys.path})).test_client()

    response = client.get("/v1/me", headers={"Authorization": f"Bearer {key}"})

    assert response.get_json() == {"key_required": True, "key": "ci", "scopes": allowed}
    assert response.headers["Cache-Control"] == "no-store"
    assert_problem(client.get("/v1/me"), 401, "key_missing")
