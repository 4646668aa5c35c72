"""The security headers of every answer: for an API whose answers are private, and for the one page that it serves."""

from __future__ import annotations

from flask import Flask, Response

ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),  # data stay data, whatever a browser sees in them
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),  # pages elsewhere cannot embed an answer; CORS is not concerned
)
DATA = "default-src 'none'; frame-ancestors 'none'"
OF_DATA = (("Content-Security-Policy", DATA), ("Cache-Control", "no-store"), *ALWAYS)
# The documentation's page: its scripts and styles come from here, it asks nobody else, and nobody frames it.
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register(app: Flask) -> None:
    """Give every answer its headers; what a view has set itself stays."""

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        present = {name.lower() for name, _ in headers}  # once: looking up each would go through all of them each time
        if "content-security-policy" not in present:
            headers.add("Content-Security-Policy", PAGE if response.mimetype == "text/html" else DATA)
        if "cache-control" not in present:
            # Whoever has an ETag may keep the answer, and asks each time whether it still holds.
            headers.add("Cache-Control", "private, no-cache" if "etag" in present else "no-store")
        for name, value in ALWAYS:
            if name.lower() not in present:
                headers.add(name, value)
        return response
