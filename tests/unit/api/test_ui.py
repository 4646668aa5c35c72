"""The dashboard's files: one document for every path, modules at paths that change with them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.resources.service.ui import Bundle
from tests.support import make_mathematics, make_remedies

UI = Path(__file__).parents[3] / "ui"
MODULES = sorted(UI.rglob("*.js"))
PAGES = sorted(set(re.findall(r'import\("\./(pages/[^"]+)"\)', (UI / "main.js").read_text())))

BY_THEMSELVES = {
    "pages/batches/batch.js": ("pages/batches/downloads.js", "common/deleted.js"),
    "pages/jobs/job.js": ("pages/jobs/evaluated.js",),
    "pages/models/version.js": ("pages/models/errors.js", "common/again.js"),
}  # what a page loads later without a person's doing


def assets(client: FlaskClient) -> str:
    found = re.search(r'src="(/ui/assets/[0-9a-f]{16})/main\.js"', client.get("/ui/").text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", ["/ui/", "/ui", "/ui/jobs/01k8", "/ui/models/a%20b/1", "/ui/%3Cscript%3E"])
def test_every_path_shows_the_document(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.mimetype) == (200, "text/html")
    assert "require-trusted-types-for 'script'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert client.get(path, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304


def test_the_mathematics_are_a_page_without_scripts_that_is_up_to_date(client: FlaskClient) -> None:
    assert make_mathematics.FILE.read_text() == make_mathematics.text(), "run `make mathematics`"
    response = client.get("/ui/article/text")
    assert (response.status_code, response.mimetype) == (200, "text/html")
    assert "Z = X W + b" in response.text
    assert "<script" not in response.text
    assert f'href="{assets(client)}/style.css"' in response.text
    assert 'href="/ui/article/text"' in client.get("/ui/article").text


def test_a_file_is_cached_for_ever_and_compressed(client: FlaskClient) -> None:
    response = client.get(f"{assets(client)}/main.js", headers={"Accept-Encoding": "gzip"})
    assert (response.status_code, response.mimetype) == (200, "text/javascript")
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("file", ["nothing.js", "../api/app.py", "index.html", "pages"])
def test_another_file_is_404(client: FlaskClient, file: str) -> None:
    assert client.get(f"{assets(client)}/{file}").status_code == 404


def test_a_file_of_another_version_is_404(client: FlaskClient) -> None:
    assert client.get("/ui/assets/0123456789abcdef/main.js").status_code == 404


def test_a_browser_is_sent_to_the_dashboard(client: FlaskClient) -> None:
    response = client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (response.status_code, response.headers["Location"]) == (303, "/ui/")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(UI).as_posix())
def test_a_module_is_short_and_makes_no_markup_from_text(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) < 300
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"https?://(?!www\.w3\.org/(2000/svg|1998/Math/MathML)\b)", text)


def test_modules_are_served_without_their_lines_of_comments_and_types() -> None:
    files = Bundle(UI).files
    for module in MODULES:
        code, in_block = [], False
        for line in module.read_text().splitlines():
            assert line.count("`") % 2 == 0, f"a text of several lines can have lines like comments: {module}: {line}"
            start = line.lstrip()
            if in_block:
                in_block = "*/" not in line
            elif start.startswith("/*") and "*/" not in line:
                in_block = True
            elif not start.startswith("//") and not (start.startswith("/*") and start.endswith("*/")):
                before, *rest = re.split(r"/\*\*.*?\*/ ?", line)
                for part in rest:
                    assert before.count('"') % 2 == 0, f"a text can look like a type: {module}: {line}"
                    before += part
                code.append(before)
        assert files[module.relative_to(UI).as_posix()].decode().splitlines() == code, module


@pytest.mark.parametrize("page", PAGES)
def test_a_first_visit_is_small(page: str) -> None:
    bundle = Bundle(UI)
    names = {"icon.svg", "first.js", "style.css"}
    for module in ("main.js", page, *BY_THEMSELVES.get(page, ())):
        names |= set(bundle.needed_by(module))
    contents = [bundle._document(page), *(bundle.files[name] for name in names)]
    assert sum(map(len, contents)) <= 150_000
    assert sum(len(gzip.compress(content, 9)) for content in contents) <= 60_000


@pytest.mark.parametrize(
    ("path", "pages"),
    [
        ("/ui/", ["pages/jobs/jobs.js"]),
        ("/ui/system", ["pages/system.js"]),
        ("/ui/jobs/01k8", ["pages/jobs/job.js", "pages/jobs/jobhead.js", "pages/jobs/training.js"]),
        ("/ui/nowhere", []),
    ],
)
def test_the_browser_loads_at_once_what_the_page_needs(client: FlaskClient, path: str, pages: list[str]) -> None:
    loaded = re.findall(r'modulepreload" href="/ui/assets/[0-9a-f]{16}/([^"]+)"', client.get(path).text)
    assert {"main.js", "api.js", "parts/dom.js", "parts/router.js", *pages} <= set(loaded)
    assert len(loaded) == len(set(loaded))
    assert pages or not [name for name in loaded if name.startswith("pages/")]


def test_remedies_are_those_of_the_table_of_failure_modes() -> None:
    assert make_remedies.FILE.read_text() == make_remedies.text(), "run `make remedies`"
    assert {"out_of_memory", "poison", "redis_full", "version_damaged"} <= set(make_remedies.remedies())
