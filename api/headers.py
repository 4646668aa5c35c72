"""The security headers of every answer: for an API whose answers are private, and for the one page that it serves."""

from __future__ import annotations

from flask import Flask, Response

HEADERS = {
    "X-Content-Type-Options": "nosniff",  # data stay data, whatever a browser sees in them
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",  # pages elsewhere cannot embed an answer; CORS is not concerned
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
# The documentation's page: its scripts and styles come from here, it asks nobody else, and nobody frames it.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register(app: Flask) -> None:
    """Give every answer its headers; what a view has set itself stays."""

    @app.after_request
    def protect(response: Response) -> Response:
        if response.mimetype == "text/html":
            response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if "Cache-Control" not in response.headers:
            # Whoever has an ETag may keep the answer, and asks each time whether it still holds.
            response.headers["Cache-Control"] = "private, no-cache" if "ETag" in response.headers else "no-store"
        return response
