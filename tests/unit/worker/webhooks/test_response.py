"""The head of a receiver's response."""

from __future__ import annotations

import http.client
import io
from datetime import UTC, datetime

import pytest

from worker.webhooks.response import MOST_BYTES, Response, read_response, retry_after

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)


def read(text: str) -> Response:
    return read_response(io.BytesIO(text.replace("\n", "\r\n").encode("latin-1")))


@pytest.mark.parametrize("status", [200, 204, 299, 301, 410, 503, 999])
def test_the_status_is_read_without_the_body(status: int) -> None:
    file = io.BytesIO(f"HTTP/1.1 {status} Any thing\r\nContent-Length: 5\r\n\r\nhello".encode())

    assert read_response(file) == Response(status)
    assert file.read() == b"hello"


def test_interim_responses_are_skipped() -> None:
    interim = "HTTP/1.1 100 Continue\n\nHTTP/1.1 102 Processing\nA: b\n\nHTTP/1.1 103 Early Hints\nLink: </a>\n\n"

    assert read(f"{interim}HTTP/1.1 204\n\n") == Response(204)


def test_switching_protocols_is_a_final_response() -> None:
    assert read("HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n") == Response(101)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "SSH-2.0-OpenSSH\n\n",
            "HTTP/2 200 OK\n\n",
            "HTTP/1.1 20 OK\n\n",
            "HTTP/1.1 2000 OK\n\n",
            "HTTP/1.1 099 X\n\n",
        ),
        *("", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\nA: b\n", "\n\n"),
        "HTTP/1.1 200 OK\nX: " + "a" * MOST_BYTES + "\n\n",
        "HTTP/1.1 200 OK\n" + "X: a\n" * (MOST_BYTES // 6) + "\n",
        "HTTP/1.1 102 Processing\n\n" * 5000 + "HTTP/1.1 200 OK\n\n",
    ],
)
def test_what_is_not_a_response_or_has_too_large_a_head_is_an_error(text: str) -> None:
    with pytest.raises(http.client.HTTPException):
        read(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0.0), ("120", 120.0), (" 7 ", 7.0), ("9" * 30, 999_999_999_999.0)),
        ("Sat, 28 Nov 2026 12:01:00 GMT", 60.0),
        ("Saturday, 28-Nov-26 12:01:00 GMT", 60.0),  # obsolete forms, which RFC 9110 wants to be read
        ("Sat Nov 28 12:01:00 2026", 60.0),
        ("Sat, 28 Nov 2026 11:59:00 GMT", 0.0),
        *(
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("١٢", None),
            ("Sat, 99 Nov 2026 12:01:00 GMT", None),
        ),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": text}, NOW) == seconds


def test_a_date_counts_from_that_of_the_response() -> None:
    headers = {"Retry-After": "Fri, 01 Jan 2016 00:10:00 GMT", "Date": "Fri, 01 Jan 2016 00:00:00 GMT"}

    assert retry_after(headers, NOW) == 600.0
