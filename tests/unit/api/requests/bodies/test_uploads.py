"""Uploads are stored completely or not at all. The tests use data sets; batches share the code."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from shared.runtime.settings import Settings
from shared.storage.volume import Volume
from tests.support.data.files import left_behind
from tests.support.data.npz import easy_arrays, npz
from tests.support.problems import assert_problem

PATH = "/v1/datasets?name=easy"
BOUNDARY = "boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """Return the body of a form. Each part has a name, a file name if it is a file, and content."""
    body = b""
    for name, filename, content in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def post(client: FlaskClient, body: bytes, content_length: int | None = None, **options: Any) -> TestResponse:
    """Send a body, optionally with a wrong Content-Length."""
    length = len(body) if content_length is None else content_length
    return client.post(
        PATH, input_stream=io.BytesIO(body), environ_overrides={"CONTENT_LENGTH": str(length)}, **options
    )


def digest(content: bytes, algorithm: str = "sha256") -> str:
    """Return a digest in the headers' format (RFC 9530)."""
    text = base64.b64encode(hashlib.new(algorithm, content).digest()).decode()
    return f"{algorithm.replace('sha', 'sha-')}=:{text}:"


class TestRawBodies:
    def test_raw_body_is_the_file(self, client: FlaskClient) -> None:
        assert post(client, npz()).status_code == 201

    def test_content_type_of_a_raw_body_is_ignored(self, client: FlaskClient) -> None:
        for content_type in (
            "application/octet-stream",
            "application/zip",
            "text/plain",
            "application/x-www-form-urlencoded",
        ):
            assert post(client, npz(), content_type=content_type).status_code in {200, 201}

    @pytest.mark.parametrize("missing", [1, 1000])
    def test_truncated_body_is_rejected_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, missing: int
    ) -> None:
        body = npz()

        problem = assert_problem(post(client, body, content_length=len(body) + missing), 400, "body_cut_short")

        assert str(len(body)) in problem["detail"]
        assert left_behind(volume) == []

    def test_upload_without_a_content_length_is_rejected(self, client: FlaskClient, volume: Volume) -> None:
        response = client.post(PATH, data=npz(), environ_overrides={"HTTP_TRANSFER_ENCODING": "chunked"})

        assert_problem(response, 411, "length_required")
        assert left_behind(volume) == []

    def test_too_large_content_length_is_rejected(self, settings: Settings, volume: Volume) -> None:
        client = create_app(settings.model_copy(update={"max_body_bytes": 1000})).test_client()

        assert_problem(post(client, b"", content_length=1001), 413, "body_too_large")
        assert_problem(post(client, b"x" * 1000), 415, "dataset_expected")
        assert left_behind(volume) == []

    def test_empty_body_is_rejected(self, client: FlaskClient, volume: Volume) -> None:
        assert_problem(post(client, b""), 415, "dataset_expected")
        assert left_behind(volume) == []


class TestDigests:
    @pytest.mark.parametrize("header", ["Content-Digest", "Repr-Digest"])
    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_body_with_a_matching_digest_is_accepted(self, client: FlaskClient, header: str, algorithm: str) -> None:
        assert post(client, npz(), headers={header: digest(npz(), algorithm)}).status_code == 201

    def test_body_with_another_digest_is_rejected_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume
    ) -> None:
        response = post(client, npz(), headers={"Content-Digest": digest(npz() + b"x")})

        assert_problem(response, 400, "digest_mismatch")
        assert left_behind(volume) == []

    def test_digest_of_a_form_covers_the_whole_body(self, client: FlaskClient) -> None:
        body = form(("file", "a.npz", npz()))

        right = post(client, body, content_type=FORM, headers={"Content-Digest": digest(body)})
        wrong = post(client, body, content_type=FORM, headers={"Content-Digest": digest(npz())})

        assert right.status_code == 201
        assert_problem(wrong, 400, "digest_mismatch")

    def test_all_of_several_digests_must_match(self, client: FlaskClient) -> None:
        both = f"{digest(npz())}, {digest(b'', 'sha512')}"

        assert_problem(post(client, npz(), headers={"Content-Digest": both}), 400, "digest_mismatch")

    def test_unknown_digest_algorithm_is_ignored(self, client: FlaskClient) -> None:
        assert post(client, npz(), headers={"Content-Digest": "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"}).status_code == 201

    @pytest.mark.parametrize("value", ["sha-256", "sha-256=abc", "sha-256=:a:", "sha-256=:é:", "=::"])
    def test_malformed_digest_is_rejected(self, client: FlaskClient, value: str) -> None:
        assert_problem(post(client, npz(), headers={"Content-Digest": value}), 400, "malformed_digest")


class TestContentCodings:
    @pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
    @pytest.mark.parametrize("content_type", ["application/octet-stream", FORM])
    def test_compressed_body_is_stored_decompressed(
        self, client: FlaskClient, coding: str, compress: Callable[[bytes], bytes], content_type: str
    ) -> None:
        body = compress(form(("file", "a.npz", npz())) if content_type == FORM else npz())
        headers = {"Content-Encoding": coding, "Content-Digest": digest(body)}

        assert post(client, body, content_type=content_type, headers=headers).status_code == 201
        assert post(client, npz()).status_code == 200  # the same content

    @pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "aws-chunked"])
    def test_unknown_coding_is_rejected_even_if_the_body_is_not_compressed(
        self, client: FlaskClient, volume: Volume, coding: str
    ) -> None:
        response = post(client, npz(), headers={"Content-Encoding": coding})

        assert_problem(response, 415, "encoding_unknown")
        assert response.headers["Accept-Encoding"] == "gzip, deflate, identity"
        assert left_behind(volume) == []

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (npz(), "body_damaged"),
            (gzip.compress(npz())[:-9], "body_cut_short"),
            (gzip.compress(npz()) + b"garbage", "body_damaged"),
        ],
        ids=["not compressed", "truncated", "followed by garbage"],
    )
    def test_damaged_compressed_body_is_rejected_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, body: bytes, code: str
    ) -> None:
        assert_problem(post(client, body, headers={"Content-Encoding": "gzip"}), 400, code)
        assert left_behind(volume) == []

    def test_truncated_upload_of_compressed_data_is_reported_as_truncated(
        self, client: FlaskClient, volume: Volume
    ) -> None:
        body = gzip.compress(npz())

        response = post(client, body[:-10], content_length=len(body), headers={"Content-Encoding": "gzip"})

        assert "Content-Length" in assert_problem(response, 400, "body_cut_short")["detail"]
        assert left_behind(volume) == []

    def test_limit_holds_for_the_decompressed_body(self, settings: Settings, volume: Volume) -> None:
        client = create_app(settings.model_copy(update={"max_body_bytes": 100_000})).test_client()

        response = post(client, gzip.compress(bytes(100_001)), headers={"Content-Encoding": "gzip"})

        assert "100000 bytes after decompression" in assert_problem(response, 413, "body_too_large")["detail"]
        assert left_behind(volume) == []


def with_header(body: bytes, part: bytes, header: bytes) -> bytes:
    """Return the form with this header in front of the others of a part."""
    disposition = b'Content-Disposition: form-data; name="' + part + b'"'
    assert disposition in body
    return body.replace(disposition, header + b"\r\n" + disposition)


class TestForms:
    def test_form_may_hold_the_file_and_the_options(self, client: FlaskClient) -> None:
        body = form(("name", None, b"by-form"), ("file", "any.bin", npz()))

        response = client.post("/v1/datasets", data=body, content_type=FORM)

        assert response.status_code == 201, response.text
        assert response.json is not None
        assert response.json["name"] == "by-form"

    def test_part_without_a_file_name_is_the_file(self, client: FlaskClient) -> None:
        response = post(client, form(("file", None, npz())), content_type=FORM)

        assert response.status_code == 201, response.text

    @pytest.mark.parametrize(
        ("path", "parts"),
        [
            ("/v1/datasets", [("name", None, b"a"), ("name", None, b"a"), ("file", "a.npz", npz())]),
            ("/v1/datasets?name=a", [("file", "a.npz", npz()), ("name", None, b"b")]),
        ],
        ids=["in the form", "in the form and the query"],
    )
    def test_repeated_option_is_rejected_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, path: str, parts: list[tuple[str, str | None, bytes]]
    ) -> None:
        problem = assert_problem(client.post(path, data=form(*parts), content_type=FORM), 422, "validation_failed")

        assert problem["errors"] == [{"detail": "must be given once; got 2 values", "parameter": "name"}]
        assert left_behind(volume) == []

    def test_option_that_is_not_utf_8_is_rejected(self, client: FlaskClient) -> None:
        body = form(("name", None, b"\xff"), ("file", "a.npz", npz()))

        problem = assert_problem(client.post("/v1/datasets", data=body, content_type=FORM), 422, "validation_failed")

        assert problem["errors"] == [{"detail": "is not UTF-8", "parameter": "name"}]

    @pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"BASE64", b"x-uuencode", b"binary; x"])
    @pytest.mark.parametrize("part", [b"name", b"file"])
    def test_part_with_a_transfer_encoding_is_rejected(
        self, client: FlaskClient, volume: Volume, part: bytes, encoding: bytes
    ) -> None:
        body = form(("name", None, b"ZWFzeQ=="), ("file", "a.npz", npz()))
        body = with_header(body, part, b"Content-Transfer-Encoding: " + encoding)

        problem = assert_problem(client.post("/v1/datasets", data=body, content_type=FORM), 400, "malformed_form")

        assert repr(encoding.decode()) in problem["detail"]
        assert left_behind(volume) == []

    @pytest.mark.parametrize(
        "header",
        [
            b"Content-Transfer-Encoding: 8bit",
            b"content-transfer-encoding: BINARY",
            b"Content-Type: text/plain; charset=UTF-8",
            b'Content-Type: text/plain;charset="us-ascii"',
            b"Content-Type: text/plain",
        ],
    )
    def test_part_with_the_bytes_themselves_is_accepted(self, client: FlaskClient, header: bytes) -> None:
        body = with_header(form(("name", None, b"easy"), ("file", "a.npz", npz())), b"name", header)

        assert client.post("/v1/datasets", data=body, content_type=FORM).status_code == 201

    @pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "klingon"])
    def test_text_in_another_charset_is_rejected(self, client: FlaskClient, charset: str) -> None:
        body = form(("name", None, b"easy"), ("file", "a.npz", npz()))
        body = with_header(body, b"name", b"Content-Type: text/plain; charset=" + charset.encode())

        problem = assert_problem(client.post("/v1/datasets", data=body, content_type=FORM), 422, "validation_failed")

        assert problem["errors"] == [{"detail": f"must be in UTF-8; got the charset {charset!r}", "parameter": "name"}]

    def test_options_may_follow_the_file_and_be_in_the_query(self, client: FlaskClient) -> None:
        body = form(("file", "any.npz", npz()), ("seed", None, b"3"))

        assert post(client, body, content_type=FORM).status_code == 201

    def test_large_file_in_a_form_is_received_completely(self, client: FlaskClient) -> None:
        content = npz(easy_arrays(train=600, test=200, side=64))

        response = post(client, form(("file", "a.npz", content)), content_type=FORM)

        assert response.status_code == 201
        assert post(client, content).status_code == 200  # the same content

    @pytest.mark.parametrize("cut", [1, 30, 60, 500, 5000])
    def test_truncated_form_is_rejected_and_leaves_no_files(
        self, client: FlaskClient, volume: Volume, cut: int
    ) -> None:
        body = form(("file", "a.npz", npz()))

        response = post(client, body[:-cut], content_length=len(body), content_type=FORM)

        assert_problem(response, 400, "body_cut_short")
        assert left_behind(volume) == []

    @pytest.mark.parametrize(
        "parts",
        [
            [],
            [("name", None, b"easy")],
            [("archive", "a.npz", npz())],
            [("file", "a.npz", npz()), ("file", None, npz())],
            [("file", "a.npz", npz()), ("file", "b.npz", npz())],
            [("file", "a.npz", npz()), ("other", "b.npz", npz())],
        ],
        ids=[
            "nothing",
            "no file",
            "another name",
            "the file twice, once unnamed",
            "two files",
            "a second file",
        ],
    )
    def test_form_without_exactly_one_file_of_that_name_is_rejected(
        self, client: FlaskClient, volume: Volume, parts: list[tuple[str, str | None, bytes]]
    ) -> None:
        response = post(client, form(*parts), content_type=FORM)

        problem = assert_problem(response, 422, "file_expected")

        assert "'file'" in problem["detail"]
        assert left_behind(volume) == []

    def test_form_with_too_many_parts_is_rejected(self, client: FlaskClient, volume: Volume) -> None:
        body = form(*[(f"part{number}", None, b"") for number in range(17)])

        assert_problem(post(client, body, content_type=FORM), 413, "form_too_large")
        assert left_behind(volume) == []

    def test_form_with_a_too_large_value_is_rejected(self, client: FlaskClient, volume: Volume) -> None:
        body = form(("name", None, b"a" * 2_000_000), ("file", "a.npz", npz()))

        problem = assert_problem(post(client, body, content_type=FORM), 413, "form_too_large")

        assert "1048576 bytes" in problem["detail"]
        assert left_behind(volume) == []

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("multipart/form-data", form(("file", "a.npz", b"x"))),
            (FORM, b"not a form" * 1000),
            (FORM, b""),
            (FORM, b"--boundary\r\n" + b"a" * 200_000),
            (FORM, b"--boundary\r\nContent-Type: text/plain\r\n\r\nx\r\n--boundary--\r\n"),
        ],
        ids=["no boundary named", "no boundary found", "empty", "endless head", "a part without a name"],
    )
    def test_malformed_form_is_rejected(
        self, client: FlaskClient, volume: Volume, content_type: str, body: bytes
    ) -> None:
        assert_problem(post(client, body, content_type=content_type), 400, "malformed_form")
        assert left_behind(volume) == []
