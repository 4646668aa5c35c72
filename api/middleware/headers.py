"""Security headers of all responses: private data, and the one HTML page that documents the API."""

from __future__ import annotations

from flask import Flask, Response

ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),  # browsers must not guess another type
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),  # other origins cannot embed a response; CORS still applies
)
DATA = "default-src 'none'; frame-ancestors 'none'"
OF_DATA = (("Content-Security-Policy", DATA), ("Cache-Control", "no-store"), *ALWAYS)
# The documentation page loads scripts and styles from this server only, calls no other host, and cannot be framed.
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register(app: Flask) -> None:
    """Add the headers to every response. Headers that a view has set stay."""

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        present = {name.lower() for name, _ in headers}  # one pass, because each lookup in `headers` scans all of them
        if "content-security-policy" not in present:
            headers.add("Content-Security-Policy", PAGE if response.mimetype == "text/html" else DATA)
        if "cache-control" not in present:
            # A client may cache a response that has an ETag, and revalidates it each time.
            headers.add("Cache-Control", "private, no-cache" if "etag" in present else "no-store")
        for name, value in ALWAYS:
            if name.lower() not in present:
                headers.add(name, value)
        return response
