"""`GET /`."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from shared.runtime.version import VERSION

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "Text/HTML;level=1", "application/json, text/html"])
def test_a_browser_is_redirected_to_the_dashboard(client: FlaskClient, accept: str) -> None:
    response = client.get("/", headers={"Accept": accept})

    assert (response.status_code, response.headers["Location"]) == (303, "/ui/")
    assert "Accept" in response.vary
    assert client.get("/", headers={"Accept": accept}, follow_redirects=True).mimetype == "text/html"


@pytest.mark.parametrize(
    "accept", [None, "*/*", "text/*", "application/json", "text/html;q=0, */*", "application/json, text/html;q=0.5"]
)
def test_a_program_gets_links_that_exist(client: FlaskClient, accept: str | None) -> None:
    response = client.get("/", headers={"Accept": accept} if accept else {})

    assert response.status_code == 200
    assert "Accept" in response.vary
    index = response.get_json()
    assert (index["name"], index["version"]) == ("Glassbox", VERSION)
    assert {client.get(link).status_code for link in index["links"].values()} == {200}
