"""`/v1/uploads` speaks tus 1.0: each rule of the protocol, and an error for each request that breaks one."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import time
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.auth.keys import KeysFile, new_key, parse_scopes
from shared.runtime.settings import Settings
from shared.storage.uploads import contents
from shared.storage.uploads.expiry import expire
from shared.storage.uploads.folder import UploadFolder, folder_names
from shared.storage.volume import Volume
from tests.support.problems import assert_problem

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = "application/offset+octet-stream"
CONTENT = bytes(range(256)) * 40


def begin(client: FlaskClient, length: int | None = len(CONTENT), body: bytes = b"", /, **headers: str) -> TestResponse:
    """Create an upload. Underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {} if length is None else {"Upload-Length": str(length)}
    return client.post("/v1/uploads", data=body, headers={**TUS, **given, **named}, content_type=BYTES)


def created(client: FlaskClient, length: int | None = len(CONTENT), body: bytes = b"", /, **headers: str) -> str:
    """Create an upload, and return its URL."""
    response = begin(client, length, body, **headers)
    assert response.status_code == 201, response.text
    return response.headers["Location"]


def send(client: FlaskClient, url: str, offset: int, body: bytes, **options: Any) -> TestResponse:
    """Send bytes of an upload. content_length: another one than the body has."""
    given = {**TUS, "Upload-Offset": str(offset), **options.pop("headers", {})}
    length = options.pop("content_length", len(body))
    stream = io.BytesIO(body)
    return client.patch(
        url,
        input_stream=stream,
        headers=given,
        content_type=options.pop("content_type", BYTES),
        environ_overrides={"CONTENT_LENGTH": str(length)},
        **options,
    )


def offset_of(client: FlaskClient, url: str) -> int:
    """Return the offset that a HEAD reports."""
    response = client.head(url, headers=TUS)
    assert response.status_code == 200
    return int(response.headers["Upload-Offset"])


def folder_of(volume: Volume, url: str) -> UploadFolder:
    return UploadFolder(volume, "_", url.rsplit("/", 1)[1])


def content_of(volume: Volume, url: str) -> bytes:
    return folder_of(volume, url).data.read_bytes()


def checksum(body: bytes, algorithm: str = "sha1") -> dict[str, str]:
    """Return the header with a body's checksum."""
    digest = base64.b64encode(hashlib.new(algorithm, body).digest()).decode()
    return {"Upload-Checksum": f"{algorithm} {digest}"}


def concatenation(*urls: str) -> dict[str, str]:
    return {"Upload_Concat": f"final;{' '.join(urls)}"}


def place(first: str, start: int) -> dict[str, str]:
    return {"Upload_Concat": "partial", "Upload_Part_Start": str(start), "Upload_Part_Of": first}


def placed(client: FlaskClient, *cuts: int) -> list[str]:
    """Create parts that share a file, and return their URLs. cuts: where each begins, and the end of the last one."""
    first = created(client, cuts[1], Upload_Concat="partial", Upload_Part_Start="0")
    others = [created(client, end - start, **place(first, start)) for start, end in pairwise(cuts[1:])]
    return [first, *others]


class TestProtocol:
    def test_options_list_what_the_server_supports(self, client: FlaskClient) -> None:
        response = client.options("/v1/uploads")

        assert response.status_code == 200
        assert response.headers["Tus-Version"] == response.headers["Tus-Resumable"] == "1.0.0"
        assert set(response.headers["Tus-Extension"].split(",")) == {
            *("creation", "creation-with-upload", "creation-defer-length", "checksum", "expiration", "termination"),
            "concatenation",
        }
        assert response.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
        assert int(response.headers["Tus-Max-Size"]) > 2**30

    def test_upload_in_parts_has_all_bytes(self, client: FlaskClient, volume: Volume) -> None:
        url = created(client, Upload_Metadata="filename YS56aXA=,note")

        assert offset_of(client, url) == 0
        first = send(client, url, 0, CONTENT[:1000])
        assert (first.status_code, first.headers["Upload-Offset"]) == (204, "1000")
        assert first.headers["Tus-Resumable"] == "1.0.0"
        assert offset_of(client, url) == 1000
        assert send(client, url, 1000, CONTENT[1000:]).headers["Upload-Offset"] == str(len(CONTENT))

        head = client.head(url, headers=TUS)
        assert head.headers["Upload-Length"] == head.headers["Upload-Offset"] == str(len(CONTENT))
        assert head.headers["Upload-Metadata"] == "filename YS56aXA=,note"
        assert head.headers["Cache-Control"] == "no-store"
        shown = client.get(url).get_json()
        assert (shown["complete"], shown["metadata"]) == (True, {"filename": "a.zip", "note": ""})
        assert content_of(volume, url) == CONTENT

    def test_creation_may_have_the_first_bytes(self, client: FlaskClient, volume: Volume) -> None:
        response = begin(
            client, len(CONTENT), CONTENT[:300], Upload_Checksum=checksum(CONTENT[:300])["Upload-Checksum"]
        )

        assert response.headers["Upload-Offset"] == "300"
        assert content_of(volume, response.headers["Location"]) == CONTENT[:300]

    def test_length_may_be_announced_later(self, client: FlaskClient) -> None:
        url = created(client, None, Upload_Defer_Length="1")
        send(client, url, 0, CONTENT[:10])
        assert client.head(url, headers=TUS).headers["Upload-Defer-Length"] == "1"

        response = send(client, url, 10, CONTENT[10:], headers={"Upload-Length": str(len(CONTENT))})

        assert response.headers["Upload-Length"] == str(len(CONTENT))
        assert client.get(url).get_json()["complete"]

    def test_post_may_stand_for_another_method(self, client: FlaskClient) -> None:
        url = created(client)

        for method, body, status in (("PATCH", CONTENT, 200), ("DELETE", b"", 404)):
            headers = {**TUS, "Upload-Offset": "0", "X-HTTP-Method-Override": method}
            assert client.post(url, data=body, headers=headers, content_type=BYTES).status_code == 204
            assert client.head(url, headers=TUS).status_code == status

    def test_deleted_upload_leaves_no_files(self, client: FlaskClient, volume: Volume) -> None:
        url = created(client, len(CONTENT), CONTENT)

        assert client.delete(url, headers=TUS).status_code == 204
        assert_problem(client.delete(url, headers=TUS), 404, "upload_not_found")
        assert folder_names(volume.uploads_of("_")) == []

    def test_repeated_creation_with_an_idempotency_key_makes_one_upload(
        self, client: FlaskClient, volume: Volume
    ) -> None:
        first, second = (begin(client, Idempotency_Key="k") for _ in range(2))

        assert first.headers["Location"] == second.headers["Location"]
        assert_problem(begin(client, 7, Idempotency_Key="k"), 422, "idempotency_key_reused")
        assert len(folder_names(volume.uploads_of("_"))) == 1

    def test_space_is_reserved_before_the_first_byte(self, client: FlaskClient, volume: Volume) -> None:
        data = folder_of(volume, created(client, 1 << 20)).data.stat()

        assert data.st_size == 0
        assert data.st_blocks == 0 or data.st_blocks * 512 >= 1 << 20  # 0 on file systems that cannot reserve


class TestChecksums:
    def test_part_with_its_checksum_is_stored(self, client: FlaskClient) -> None:
        url = created(client)

        for offset, algorithm in ((0, "sha1"), (99, "sha256")):
            part = CONTENT[offset : offset + 99]
            assert send(client, url, offset, part, headers=checksum(part, algorithm)).status_code == 204
        assert offset_of(client, url) == 198

    def test_part_with_another_checksum_is_not_stored(self, client: FlaskClient, volume: Volume) -> None:
        url = created(client)
        send(client, url, 0, CONTENT[:10])

        response = send(client, url, 10, CONTENT[10:], headers=checksum(CONTENT))

        assert_problem(response, 460, "checksum_mismatch")
        assert response.status == "460 Checksum Mismatch"
        assert offset_of(client, url) == 10
        assert content_of(volume, url) == CONTENT[:10]

    def test_truncated_part_with_a_checksum_is_not_stored(self, client: FlaskClient) -> None:
        url = created(client)

        response = send(client, url, 0, CONTENT[:50], content_length=60, headers=checksum(CONTENT[:60]))

        assert_problem(response, 400, "body_cut_short")
        assert offset_of(client, url) == 0

    def test_part_whose_verification_was_interrupted_does_not_count(self, client: FlaskClient, volume: Volume) -> None:
        """As after the death of a process that was receiving a part with a checksum."""
        url = created(client)
        send(client, url, 0, CONTENT[:10])
        folder = folder_of(volume, url)
        folder.begin_unverified(10)
        with folder.data.open("ab") as data:
            data.write(b"unverified")

        assert offset_of(client, url) == 10
        assert send(client, url, 10, CONTENT[10:]).status_code == 204
        assert content_of(volume, url) == CONTENT


class TestConcatenation:
    def test_parts_are_concatenated_in_the_order_given(self, client: FlaskClient, volume: Volume) -> None:
        first, second, third = (
            created(client, len(part), part, Upload_Concat="partial")
            for part in (CONTENT[:1000], CONTENT[1000:5000], CONTENT[5000:])
        )

        response = begin(client, None, **concatenation(first, f"https://gateway.example{second}", f"{third}/"))

        url = response.headers["Location"]
        head = client.head(url, headers=TUS).headers
        assert head["Upload-Concat"] == f"final;{first} {second} {third}"
        assert head["Upload-Length"] == head["Upload-Offset"] == str(len(CONTENT))
        assert content_of(volume, url) == CONTENT
        assert client.head(second, headers=TUS).headers["Upload-Concat"] == "partial"
        assert not folder_of(volume, second).data.exists()  # its bytes are stored once
        client.delete(url, headers=TUS)
        assert folder_names(volume.uploads_of("_")) == []  # nor do the parts' records stay

    def test_repeated_concatenation_returns_the_first_one(self, client: FlaskClient, volume: Volume) -> None:
        parts = [created(client, 5, CONTENT[:5], Upload_Concat="partial") for _ in range(2)]
        url = created(client, None, **concatenation(*parts))

        assert created(client, None, **concatenation(*parts)) == url
        response = begin(client, None, **concatenation(parts[0]))
        assert_problem(response, 409, "upload_concatenated")
        assert content_of(volume, url) == CONTENT[:5] * 2

    def test_interrupted_concatenation_is_completed_by_the_next_request(
        self, client: FlaskClient, volume: Volume
    ) -> None:
        """As after the death of a process that has moved the first part, and some bytes of the second."""
        bodies = (CONTENT[:7], CONTENT[7:12], CONTENT[12:20])
        parts = [created(client, len(body), body, Upload_Concat="partial") for body in bodies]
        url = created(client, None, **concatenation(*parts))
        for copied in (0, 3, 5):
            folder_of(volume, url).data.write_bytes(CONTENT[: 7 + copied])
            for part, body in zip(parts[1:], bodies[1:], strict=True):
                folder_of(volume, part).data.write_bytes(body)
            assert "Upload-Offset" not in client.head(url, headers=TUS).headers

            assert created(client, None, **concatenation(*parts)) == url
            assert content_of(volume, url) == CONTENT[:20]

    def test_parts_with_a_place_are_joined_without_a_copy(self, client: FlaskClient, volume: Volume) -> None:
        cuts = (0, 1000, 5000, len(CONTENT))
        parts = placed(client, *cuts)
        order = [(2, 5000, 6000), (0, 0, 1000), (1, 1000, 1500), (2, 6000, len(CONTENT)), (1, 1500, 5000)]
        for number, start, end in order:
            response = send(client, parts[number], start - cuts[number], CONTENT[start:end])
            assert response.status_code == 204
            assert response.headers["Upload-Offset"] == str(end - cuts[number])
        inode = folder_of(volume, parts[0]).data.stat().st_ino

        url = created(client, None, **concatenation(*parts))

        assert content_of(volume, url) == CONTENT
        assert (folder_of(volume, url).data.stat().st_ino, folder_of(volume, url).data.stat().st_nlink) == (inode, 1)
        assert created(client, None, **concatenation(*parts)) == url
        assert send(client, parts[1], 4000, b"").status_code == 204  # complete; it changes nothing

    def test_interrupted_join_is_completed_by_the_next_request(self, client: FlaskClient, volume: Volume) -> None:
        """As after the death of a process that has moved the file, and removed the link of one part of two."""
        parts = placed(client, 0, 10, 20, 30)
        for number, url in enumerate(parts):
            send(client, url, 0, CONTENT[10 * number : 10 * number + 10])
        url = created(client, None, **concatenation(*parts))
        os.link(folder_of(volume, url).data, folder_of(volume, parts[2]).data)

        assert created(client, None, **concatenation(*parts)) == url
        assert folder_of(volume, url).data.stat().st_nlink == 1
        assert content_of(volume, url) == CONTENT[:30]

    def test_parts_of_other_places_are_refused(self, client: FlaskClient, volume: Volume) -> None:
        parts = placed(client, 0, 10, 20)
        for url in parts:
            send(client, url, 0, CONTENT[:10])
        other = created(client, 5, CONTENT[:5], Upload_Concat="partial")
        overlapping = created(client, 5, **place(parts[0], 15))

        for urls in ((parts[1], parts[0]), (parts[0], other), (other, parts[0])):
            assert_problem(begin(client, None, **concatenation(*urls)), 409, "upload_place")
        (volume.uploads_of("_") / ".tmp-1").mkdir()  # what a process that died left
        os.link(folder_of(volume, parts[0]).data, volume.uploads_of("_") / ".tmp-1" / "data")
        url = created(client, None, **concatenation(*parts))
        assert content_of(volume, url) == CONTENT[:10] * 2
        assert_problem(client.get(overlapping), 404, "upload_not_found")
        assert_problem(begin(client, 5, **place(parts[0], 20)), 409, "upload_place")
        assert_problem(begin(client, 5, **place(other, 20)), 409, "upload_place")
        missing = "/v1/uploads/01k8z4y6w9m3n5p7q1r2s4t6v9"
        assert_problem(begin(client, 5, **place(missing, 20)), 404, "upload_not_found")

    def test_bytes_of_a_placed_part_count_across_a_dead_process_but_not_a_restarted_machine(
        self, client: FlaskClient, volume: Volume, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = placed(client, 0, 20, 30)[0]
        send(client, url, 0, CONTENT[:10])
        count = os.open(folder_of(volume, url).count, os.O_RDWR)
        contents.write_count(count, 10, 15)  # as of a process that died before the bytes were on the disk
        os.close(count)

        assert offset_of(client, url) == 15
        monkeypatch.setattr(contents, "boot_id", lambda: "another-start")
        assert offset_of(client, url) == 10
        assert send(client, url, 10, CONTENT[10:20]).status_code == 204
        assert offset_of(client, url) == 20

    def test_placed_part_with_another_checksum_is_not_stored(self, client: FlaskClient) -> None:
        url = placed(client, 0, 20, 30)[0]

        assert_problem(send(client, url, 0, CONTENT[:10], headers=checksum(b"other")), 460, "checksum_mismatch")
        assert offset_of(client, url) == 0
        assert send(client, url, 0, CONTENT[:20], headers=checksum(CONTENT[:20])).status_code == 204
        assert offset_of(client, url) == 20

    def test_concatenation_accepts_no_bytes(self, client: FlaskClient) -> None:
        part = created(client, 5, CONTENT[:5], Upload_Concat="partial")

        assert_problem(begin(client, None, b"x", **concatenation(part)), 403, "upload_final")
        url = created(client, None, **concatenation(part))
        assert_problem(send(client, url, 5, b""), 403, "upload_final")

    def test_unsuitable_parts_are_refused(self, client: FlaskClient) -> None:
        whole = created(client, 5, CONTENT[:5])
        incomplete = created(client, 5, CONTENT[:4], Upload_Concat="partial")
        complete = created(client, 5, CONTENT[:5], Upload_Concat="partial")
        missing = "/v1/uploads/01k8z4y6w9m3n5p7q1r2s4t6v9"

        assert_problem(begin(client, None, **concatenation(whole)), 409, "upload_not_partial")
        assert_problem(begin(client, None, **concatenation(complete, incomplete)), 409, "upload_incomplete")
        assert_problem(begin(client, None, **concatenation(complete, complete)), 400, "malformed_concatenation")
        assert_problem(begin(client, None, **concatenation()), 400, "malformed_concatenation")
        assert_problem(begin(client, None, **concatenation(missing)), 404, "upload_not_found")
        assert_problem(begin(client, None, **concatenation("/v1/jobs/1")), 400, "malformed_concatenation")
        assert_problem(begin(client, 5, **concatenation(complete)), 400, "malformed_upload")


BAD_CREATIONS: list[tuple[dict[str, str], int, str]] = [
    ({}, 400, "malformed_upload"),
    ({"Upload-Length": "-1"}, 400, "malformed_upload"),
    ({"Upload-Length": "1.5"}, 400, "malformed_upload"),
    ({"Upload-Length": "10", "Upload-Defer-Length": "1"}, 400, "malformed_upload"),
    ({"Upload-Defer-Length": "2"}, 400, "malformed_upload"),
    ({"Upload-Length": "1" + "0" * 17}, 413, "upload_too_large"),
    ({"Upload-Length": "1" + "0" * 30}, 400, "malformed_upload"),
    ({"Upload-Length": "1", "Upload-Metadata": "a b c"}, 400, "malformed_upload"),
    ({"Upload-Length": "1", "Upload-Metadata": "a YQ==,a YQ=="}, 400, "malformed_upload"),
    ({"Upload-Length": "1", "Upload-Concat": "middle"}, 400, "malformed_concatenation"),
    ({"Upload-Length": "1", "Tus-Resumable": "0.2.2"}, 412, "tus_version"),
    ({"Upload-Length": "1", "Upload-Part-Start": "0"}, 400, "malformed_upload"),
    ({"Upload-Length": "1", "Upload-Concat": "partial", "Upload-Part-Start": "1"}, 400, "malformed_upload"),
    ({"Upload-Length": "1", "Upload-Concat": "partial", "Upload-Part-Of": "/v1/uploads/1"}, 400, "malformed_upload"),
    ({"Upload-Defer-Length": "1", "Upload-Concat": "partial", "Upload-Part-Start": "0"}, 400, "malformed_upload"),
]

BAD_PARTS: list[tuple[dict[str, str], int, str]] = [
    ({"Upload-Offset": "x"}, 400, "malformed_upload"),
    ({"Upload-Length": "7"}, 409, "upload_length"),
    ({"Upload-Checksum": "md5 YQ=="}, 400, "malformed_checksum"),
    ({"Upload-Checksum": "sha1 YQ=="}, 400, "malformed_checksum"),
    ({"Upload-Checksum": "sha1"}, 400, "malformed_checksum"),
    ({"Content-Encoding": "gzip"}, 415, "encoding_unknown"),
]


class TestBadInput:
    def test_malformed_creation_is_refused_and_leaves_no_files(self, client: FlaskClient, volume: Volume) -> None:
        for headers, status, code in BAD_CREATIONS:
            assert_problem(client.post("/v1/uploads", headers=TUS | headers), status, code)
        assert not volume.uploads.exists() or folder_names(volume.uploads_of("_")) == []

    def test_request_without_the_version_is_refused_with_the_supported_one(self, client: FlaskClient) -> None:
        url = created(client)

        for response in (client.post("/v1/uploads"), client.patch(url), client.delete(url)):
            assert_problem(response, 412, "tus_version")
            assert response.headers["Tus-Version"] == "1.0.0"
        assert client.head(url).status_code == 412

    def test_wrong_offset_is_refused(self, client: FlaskClient) -> None:
        url = created(client, len(CONTENT), CONTENT[:10])

        for offset in (0, 9, 11):
            problem = assert_problem(send(client, url, offset, b"x"), 409, "upload_offset")
            assert "10 bytes" in problem["detail"]
        assert offset_of(client, url) == 10

    def test_malformed_part_is_refused(self, client: FlaskClient) -> None:
        url = created(client)

        for headers, status, code in BAD_PARTS:
            assert_problem(send(client, url, 0, b"x", headers=headers), status, code)
        assert offset_of(client, url) == 0

    def test_part_of_another_type_is_refused(self, client: FlaskClient) -> None:
        assert_problem(send(client, created(client), 0, b"x", content_type="application/zip"), 415, "upload_type")

    def test_more_bytes_than_the_length_are_refused(self, client: FlaskClient) -> None:
        url = created(client, 10)

        assert_problem(send(client, url, 0, CONTENT[:11]), 413, "upload_too_long")
        assert_problem(begin(client, 10, CONTENT[:11]), 413, "upload_too_long")
        chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        response = client.patch(
            url,
            input_stream=io.BytesIO(CONTENT[:11]),
            headers={**TUS, "Upload-Offset": "0"},
            content_type=BYTES,
            environ_overrides=chunked,
        )
        assert_problem(response, 413, "upload_too_long")
        assert offset_of(client, url) == 0

    def test_bytes_before_a_broken_connection_are_kept(self, client: FlaskClient, volume: Volume) -> None:
        url = created(client)

        response = send(client, url, 0, CONTENT[:700], content_length=len(CONTENT))

        assert_problem(response, 400, "body_cut_short")
        assert offset_of(client, url) == 700
        assert send(client, url, 700, CONTENT[700:]).status_code == 204
        assert content_of(volume, url) == CONTENT

    def test_creation_whose_first_bytes_are_refused_leaves_no_upload(self, client: FlaskClient, volume: Volume) -> None:
        wrong = checksum(b"other")["Upload-Checksum"]

        assert_problem(begin(client, len(CONTENT), CONTENT[:300], Upload_Checksum=wrong), 460, "checksum_mismatch")
        assert folder_names(volume.uploads_of("_")) == []

    def test_damaged_files_concern_their_upload_only(self, client: FlaskClient, volume: Volume) -> None:
        url = created(client)
        part = placed(client, 0, 10, 20)[0]
        send(client, part, 0, CONTENT[:10])
        folder_of(volume, url).record.write_text("{")
        folder_of(volume, part).count.write_text("x")

        assert_problem(client.get(url), 404, "upload_not_found")
        assert_problem(send(client, url, 0, b"x"), 404, "upload_not_found")
        assert offset_of(client, part) == 0
        assert send(client, part, 0, CONTENT[:10]).status_code == 204
        assert offset_of(client, part) == 10
        created(client)

    def test_unknown_upload_is_not_found(self, client: FlaskClient) -> None:
        created(client)

        for name in ("x", "..", "01k8z4y6w9m3n5p7q1r2s4t6v9", ".tmp-aaaaaaaaaaaaaaaaaaaaa"):
            assert client.head(f"/v1/uploads/{name}", headers=TUS).status_code == 404
            assert client.delete(f"/v1/uploads/{name}", headers=TUS).status_code == 404


class TestLimits:
    def test_upload_over_the_limit_or_the_quota_is_refused(self, settings: Settings) -> None:
        limits = settings.model_copy(update={"max_upload_bytes": 1000, "upload_quota": 1500})
        client = create_app(limits).test_client()

        problem = assert_problem(begin(client, 1001), 413, "upload_too_large")
        assert "GLASSBOX_MAX_UPLOAD_BYTES" in problem["detail"]
        assert client.options("/v1/uploads").headers["Tus-Max-Size"] == "1000"
        first = created(client, 1000)
        problem = assert_problem(begin(client, 501), 413, "upload_quota_exceeded")
        assert "GLASSBOX_UPLOAD_QUOTA" in problem["detail"]
        created(client, 500)
        client.delete(first, headers=TUS)
        created(client, 1000)

    def test_uploads_without_a_length_keep_the_quota_together(self, settings: Settings) -> None:
        client = create_app(settings.model_copy(update={"upload_quota": 1500})).test_client()
        first, second = (created(client, None, Upload_Defer_Length="1") for _ in range(2))
        assert send(client, first, 0, bytes(1000)).status_code == 204

        problem = assert_problem(send(client, second, 0, bytes(501)), 413, "upload_too_long")
        assert "GLASSBOX_UPLOAD_QUOTA" in problem["detail"]
        assert send(client, second, 0, bytes(500)).status_code == 204
        assert send(client, second, 500, b"", headers={"Upload-Length": "500"}).status_code == 204

    def test_number_of_uploads_is_limited(self, settings: Settings) -> None:
        client = create_app(settings.model_copy(update={"max_uploads_per_key": 2})).test_client()
        created(client, 0)
        created(client, 0)

        problem = assert_problem(begin(client, 0), 413, "too_many_uploads")
        assert "GLASSBOX_MAX_UPLOADS_PER_KEY" in problem["detail"]

    def test_full_volume_refuses_the_upload_before_it_begins(self, settings: Settings, volume: Volume) -> None:
        client = create_app(settings.model_copy(update={"upload_quota": 10**17})).test_client()
        found = os.statvfs(volume.root.parent)
        length = found.f_blocks * found.f_frsize

        problem = assert_problem(begin(client, length), 507, "storage_full")

        assert f"needs {length:,} bytes" in problem["detail"]
        assert "bytes are missing" in problem["detail"]
        assert folder_names(volume.uploads_of("_")) == []


class TestKeys:
    def test_upload_does_not_exist_for_another_key(self, settings: Settings, tmp_path: Path) -> None:
        names = (("bob", "submit"), ("eve", "manage"), ("reader", "read"))
        keys = [new_key(name, parse_scopes(scope)) for name, scope in names]
        KeysFile(tmp_path / "keys").write(line for _, line in keys)
        client = create_app(settings.model_copy(update={"api_keys_file": tmp_path / "keys"})).test_client()
        bob, eve, reader = ({"Authorization": f"Bearer {key}"} for key, _ in keys)
        url = created(client, 5, CONTENT[:5], **bob)

        assert client.get(url, headers=bob).status_code == 200
        assert_problem(client.get(url, headers=eve), 404, "upload_not_found")
        assert_problem(send(client, url, 5, b"", headers=eve), 404, "upload_not_found")
        assert_problem(client.delete(url, headers=TUS | eve), 404, "upload_not_found")
        part = created(client, 5, CONTENT[:5], Upload_Concat="partial", Upload_Part_Start="0", **bob)
        assert_problem(begin(client, None, **concatenation(part), **eve), 404, "upload_not_found")
        assert_problem(begin(client, 5, **place(part, 5), **eve), 404, "upload_not_found")
        assert_problem(begin(client, 5, **reader), 403, "scope_missing")
        assert_problem(client.get(url, headers=reader), 403, "scope_missing")
        assert client.options("/v1/uploads").status_code == 200


class TestExpiry:
    def test_expired_upload_is_gone_and_later_unknown(
        self, client: FlaskClient, volume: Volume, settings: Settings
    ) -> None:
        url = created(client, len(CONTENT), CONTENT[:10])
        head = client.head(url, headers=TUS)
        left = parsedate_to_datetime(head.headers["Upload-Expires"]).timestamp() - time.time()
        assert left == pytest.approx(settings.upload_expiry, abs=600)
        folder = folder_of(volume, url)

        then = time.time() - settings.upload_expiry - 60
        os.utime(folder.lock, (then, then))
        assert_problem(send(client, url, 10, b"x"), 410, "upload_expired")
        assert list(expire(volume, time.time(), settings.upload_expiry)) == [folder.data]
        assert client.head(url, headers=TUS).status_code == 410
        assert list(expire(volume, time.time() + settings.upload_expiry, settings.upload_expiry)) == [folder.path]
        assert client.head(url, headers=TUS).status_code == 404

    def test_each_part_prolongs_the_upload(self, client: FlaskClient, volume: Volume, settings: Settings) -> None:
        url = created(client, len(CONTENT), CONTENT[:10])
        then = time.time() - settings.upload_expiry + 600
        os.utime(folder_of(volume, url).lock, (then, then))

        response = send(client, url, 10, CONTENT[10:])

        expires = parsedate_to_datetime(response.headers["Upload-Expires"]).timestamp()
        assert expires > time.time() + settings.upload_expiry / 2
        assert list(expire(volume, time.time(), settings.upload_expiry)) == []


class TestSameBytes:
    def test_equal_uploads_are_stored_once(self, client: FlaskClient, volume: Volume) -> None:
        first, second = created(client, len(CONTENT), CONTENT), created(client)
        send(client, second, 0, CONTENT[:77])
        assert not folder_of(volume, first).data.samefile(folder_of(volume, second).data)

        send(client, second, 77, CONTENT[77:])

        assert folder_of(volume, first).data.samefile(folder_of(volume, second).data)
        client.delete(first, headers=TUS)
        assert content_of(volume, second) == CONTENT

    def test_other_uploads_of_the_same_length_are_kept_apart(self, client: FlaskClient, volume: Volume) -> None:
        first, second = created(client, 5, b"12345"), created(client, 5, b"12346")

        assert (content_of(volume, first), content_of(volume, second)) == (b"12345", b"12346")
