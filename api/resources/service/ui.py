"""`/ui/`: the dashboard. Its own modules in `ui/` are served from memory; every path shows a document that loads them.

The modules' paths contain a hash of all of them: a browser may cache them for ever, and never mixes two versions.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from functools import cached_property
from pathlib import Path

from flask import Blueprint, Response

from api.requests.static_content import IMMUTABLE, static_content
from api.schema.operations import MediaType, ResponseSpec, error_response, operation
from shared.errors import NotFound

FOLDER = Path(__file__).resolve().parents[3] / "ui"
HTML = "text/html"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
DOCUMENT = "index.html"
TEXT = "mathematics.html"  # of a page without scripts
ROUTE = re.compile(r'\["/ui/([^"]*)", \(\) => import\("\./(pages/[^"]+)"\)\]')  # in main.js
IMPORT = re.compile(r'^(?:import|\}) .*from "([^"]+)";$', re.MULTILINE)
COMMENT = re.compile(rb"^[ \t]*(?:/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)[ \t]*\n", re.MULTILINE)  # on lines of its own
TYPE = re.compile(rb"/\*\*(?:[^*\n]|\*(?!/))*\*/[ ]?")  # inside a line: types of values
STYLES = "style.css"
ASSETS, MODULES = "$assets", "<!-- modules -->"  # what the document has placeholders for
# Scripts and styles of this server only, none inside the document, and no text that becomes a script or an element.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)


class Bundle:
    """The dashboard's files, read when the first is requested."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The files by their path below the folder, all but the document. The styles are one file, for one request.

        They lack the comments that have lines of their own, and modules the types: a sixth of their bytes.
        """
        found = sorted(path for path in self._folder.rglob("*") if path.suffix in TYPES)
        styles = COMMENT.sub(b"", b"\n".join(path.read_bytes() for path in found if path.suffix == ".css"))
        others = {
            path.relative_to(self._folder).as_posix(): path.read_bytes() for path in found if path.suffix != ".css"
        }
        return {STYLES: styles} | {
            name: TYPE.sub(b"", COMMENT.sub(b"", content)) if name.endswith(".js") else content
            for name, content in others.items()
        }

    @cached_property
    def assets(self) -> str:
        """The path below which the files are served; it changes if any of them does."""
        digest = hashlib.sha256()
        for name, content in self.files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return f"/ui/assets/{digest.hexdigest()[:16]}"

    def needed_by(self, module: str) -> list[str]:
        """Return the module and all that it imports, directly or by others."""
        found = [module]
        for name in found:
            paths = (posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) for path in self._imports(name))
            found += [path for path in dict.fromkeys(paths) if path not in found]
        return found

    def _imports(self, module: str) -> list[str]:
        return IMPORT.findall(self.files[module].decode())

    @cached_property
    def _pages(self) -> list[tuple[re.Pattern[str], str]]:
        """The pages' modules, by patterns of the paths below /ui/ that show them."""
        routes = ROUTE.findall(self.files["main.js"].decode())
        return [(re.compile(re.sub(r":\w+", "[^/]+", path).rstrip("/") + "/?"), module) for path, module in routes]

    def document_of(self, path: str) -> bytes:
        """Return the document of a path below /ui/, with the files' paths in it."""
        return self._documents[next((module for pattern, module in self._pages if pattern.fullmatch(path)), None)]

    @cached_property
    def _documents(self) -> dict[str | None, bytes]:
        return {page: self._document(page) for page in [None, *(module for _, module in self._pages)]}

    @cached_property
    def text(self) -> bytes:
        """The mathematics as a page without scripts."""
        return (self._folder / TEXT).read_text().replace(ASSETS, self.assets).encode()

    def _document(self, page: str | None) -> bytes:
        """Return the document of a page, or of a path that shows none.

        The browser loads at once what every page needs and what this one needs; other pages' modules when they are
        opened.
        """
        needed = dict.fromkeys(self.needed_by("main.js") + (self.needed_by(page) if page else []))
        modules = [f'<link rel="modulepreload" href="{ASSETS}/{name}">' for name in needed]
        text = (self._folder / DOCUMENT).read_text().replace(MODULES, "\n".join(modules))
        return text.replace(ASSETS, self.assets).encode()


def blueprint(folder: Path = FOLDER) -> Blueprint:
    """Return the routes of the dashboard."""
    routes = Blueprint("ui", __name__, url_prefix="/ui")
    bundle = Bundle(folder)
    current = ResponseSpec(description="The client's copy is current.", headers=("ETag",))
    responses = {200: ResponseSpec((MediaType(HTML, "the dashboard"),), headers=("ETag",)), 304: current}
    conditions = ("If-Match", "If-None-Match")

    def document(content: bytes) -> Response:
        response = static_content(content, HTML)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @routes.get("/")
    @operation("Show the dashboard", scope=None, responses=responses, headers=conditions)
    def index() -> Response:
        return document(bundle.document_of(""))

    @routes.get("/article/text")
    @operation("Read the mathematics without scripts", scope=None, responses=responses, headers=conditions)
    def text() -> Response:
        """The intuition, the formulas, and which functions implement them."""
        return document(bundle.text)

    @routes.get("/<path:path>")
    @operation("Show a page of the dashboard", scope=None, responses=responses, headers=conditions)
    def show(path: str) -> Response:
        """The documents differ in the modules that the browser loads first: a script shows the page of the path."""
        return document(bundle.document_of(path))

    @routes.get("/assets/<version>/<path:file>")
    @operation(
        "Read a file of the dashboard",
        scope=None,
        responses={
            200: ResponseSpec(tuple(MediaType(name, "a file") for name in TYPES.values()), headers=("ETag",)),
            304: current,
        },
        errors=(error_response(NotFound, "not_found"),),
        headers=conditions,
    )
    def asset(version: str, file: str) -> Response:
        content = bundle.files.get(file) if bundle.assets.endswith(f"/{version}") else None
        if content is None:
            raise NotFound("not_found", f"the dashboard has no file {file!r} in version {version!r}; reload the page")
        return static_content(content, TYPES[Path(file).suffix], IMMUTABLE)

    return routes
