"""Arrays of images as archives: `.npy` and `.npz`, validated by their headers, never unpickled."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.archives.index import Kind
from shared.errors import GlassboxError, Invalid, Malformed, TooLarge
from tests.support.data.archives import special_file, with_central, zip_of
from tests.support.data.hostile import zip_bomb
from tests.support.data.npz import npy, npy_header, npz
from tests.unit.shared.archives.conftest import Uploads

COLOURS = np.random.default_rng(1).integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 5), dtype=np.uint8)


def npz_with(content: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    return zip_of({"x.npy": content}, method)


class TestNumbers:
    """The range of the numbers of an array of a batch."""

    @pytest.mark.parametrize("form", ["npy", "npz", "npz, packed"])
    def test_images_of_0_and_1_are_refused_with_the_remedy(self, uploads: Uploads, form: str) -> None:
        images = np.zeros((70, 40, 50), np.uint8)
        images[-1, -1, -1] = 1

        error = uploads.refusal(npy(images) if form == "npy" else npz({"x": images}, compressed=form != "npz"))

        assert error.code == "npz_images"
        assert "the largest integer is 1" in error.detail
        assert error.detail.endswith("multiply them by 255 if 1 is white")

    @pytest.mark.parametrize("largest", [0, 2, 255])
    def test_images_with_another_largest_number_are_accepted(self, uploads: Uploads, largest: int) -> None:
        images = np.zeros((70, 40, 50), np.uint8)
        images[-1, -1, -1] = largest

        assert len(uploads.index(npy(images))) == 70

    def test_booleans_are_refused_with_how_to_convert_them(self, uploads: Uploads) -> None:
        detail = uploads.refusal(npz({"x": IMAGES > 100})).detail

        assert detail.endswith("; convert true and false by x.astype(numpy.uint8) * 255")


class TestAccepting:
    def test_an_npy_is_an_archive_of_its_images(self, uploads: Uploads) -> None:
        archive = uploads.index(npy(IMAGES))

        assert (len(archive), archive.image_shape, archive.passed_over) == (7, (4, 5), 0)
        assert archive.paths(0, 7) == ["0", "1", "2", "3", "4", "5", "6"]
        with uploads.opened(archive) as contents:
            assert np.array_equal(contents.images(0, 7), IMAGES)
            assert np.array_equal(contents.images(2, 5), IMAGES[2:5])
            assert contents.images(5, 99).shape == (2, 4, 5)
            assert contents.images(3, 3).shape == (0, 4, 5)
            assert contents.read(6) == IMAGES[6].tobytes()

    @pytest.mark.parametrize("form", ["npy", "npz", "npz, packed"])
    def test_an_array_of_images_in_colour_is_an_archive(self, uploads: Uploads, form: str) -> None:
        archive = uploads.index(npy(COLOURS) if form == "npy" else npz({"x": COLOURS}, compressed=form != "npz"))

        assert (len(archive), archive.image_shape, archive.passed_over) == (7, (4, 5, 3), 0)
        assert archive.paths(5, 7) == ["5", "6"]
        with uploads.opened(archive) as contents:
            assert np.array_equal(contents.images(0, 7), COLOURS)
            assert np.array_equal(contents.images(2, 5), COLOURS[2:5])
            assert contents.images(3, 3).shape == (0, 4, 5, 3)
            assert contents.read(6) == COLOURS[6].tobytes()

    @pytest.mark.parametrize("form", ["npy", "npz"])
    def test_an_array_with_one_channel_is_grayscale(self, uploads: Uploads, form: str) -> None:
        images = IMAGES[..., np.newaxis]

        archive = uploads.index(npy(images) if form == "npy" else npz({"x": images}))

        assert archive.image_shape == (4, 5)
        with uploads.opened(archive) as contents:
            assert np.array_equal(contents.images(0, 7), IMAGES)

    @pytest.mark.parametrize("compressed", [False, True])
    @pytest.mark.parametrize("name", ["x", "images", "anything"])
    def test_an_npz_is_an_archive_of_the_images_in_it(self, uploads: Uploads, name: str, compressed: bool) -> None:
        archive = uploads.index(npz({name: IMAGES}, compressed=compressed))

        assert (archive.kind, len(archive), archive.image_shape) == (Kind.ARRAY, 7, (4, 5))
        with uploads.opened(archive) as contents:
            assert np.array_equal(contents.images(0, 7), IMAGES)

    @pytest.mark.parametrize("compressed", [False, True])
    @pytest.mark.parametrize("name", ["x", "images"])
    def test_an_npz_with_several_arrays_is_read_from_x_or_images(
        self, uploads: Uploads, name: str, compressed: bool
    ) -> None:
        archive = uploads.index(npz({"labels": np.arange(9), name: IMAGES, "y": np.arange(7)}, compressed=compressed))

        with uploads.opened(archive) as contents:
            assert np.array_equal(contents.images(0, 7), IMAGES)

    def test_an_unpacked_array_replaces_the_upload(self, uploads: Uploads) -> None:
        uploads.index(npz({"x": IMAGES}, compressed=True))

        assert uploads.path.read_bytes() == npy(IMAGES)
        assert sorted(uploads.path.parent.iterdir()) == [uploads.path]

    def test_a_stored_array_leaves_the_upload_unchanged(self, uploads: Uploads) -> None:
        upload = npz({"x": IMAGES})
        uploads.index(upload)

        assert uploads.path.read_bytes() == upload

    def test_an_array_may_be_larger_than_an_image(self, uploads: Uploads) -> None:
        assert len(uploads.index(npz({"x": IMAGES}), max_entry_bytes=20)) == 7
        assert len(uploads.index(npz({"x": IMAGES}, compressed=True), max_entry_bytes=20)) == 7

    def test_a_zip_that_holds_other_files_too_is_an_archive_of_files(self, uploads: Uploads) -> None:
        assert uploads.names(zip_of({"x.npy": npy(IMAGES), "a.png": b""})) == ["x.npy", "a.png"]


class TestRefusing:
    @pytest.mark.parametrize(
        ("array", "code"),
        [
            (np.zeros((2, 3, 3), np.float32), "npz_images"),
            (np.zeros((2, 3, 3), np.int8), "npz_images"),
            (np.zeros((2, 9), np.uint8), "npz_images"),
            (np.zeros((2, 3, 3, 4), np.uint8), "npz_images"),
            (np.zeros((2, 3, 3, 2), np.uint8), "npz_images"),
            (np.zeros((2, 3, 5, 5), np.uint8), "npz_images"),
            (np.zeros((1, 2, 3, 3, 3), np.uint8), "npz_images"),
            (np.asfortranarray(COLOURS), "npz_images"),
            (np.zeros((0, 3, 3, 3), np.uint8), "npz_empty"),
            (np.uint8(1), "npz_images"),
            (np.asfortranarray(IMAGES), "npz_images"),
            (np.zeros((0, 3, 3), np.uint8), "npz_empty"),
            (np.zeros((2, 0, 3), np.uint8), "npz_empty"),
            (np.zeros(2, [("a", "u1")]), "npz_images"),
        ],
    )
    @pytest.mark.parametrize("form", ["npy", "npz", "npz, packed"])
    def test_an_array_of_something_else_is_refused(
        self, uploads: Uploads, array: np.ndarray, code: str, form: str
    ) -> None:
        upload = npy(array) if form == "npy" else npz({"x": array}, compressed=form != "npz")

        error = uploads.refusal(upload)

        assert (type(error), error.code) == (Invalid, code)

    @pytest.mark.parametrize("form", ["npy", "npz", "npz, packed"])
    @pytest.mark.parametrize("shape", [(28, 28, 3), (4, 5, 3), (480, 640, 4), (28, 28, 1)])
    def test_a_single_image_with_channels_is_refused_and_not_read_as_many_images(
        self, uploads: Uploads, shape: tuple[int, ...], form: str
    ) -> None:
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

        error = uploads.refusal(npy(image) if form == "npy" else npz({"x": image}, compressed=form != "npz"))

        assert error.code == "npz_images"
        assert str(shape) in error.detail
        assert str((1, *shape[:2], min(shape[2], 3))) in error.detail

    @pytest.mark.parametrize(
        ("array", "advice"),
        [
            (np.zeros((2, 5, 5, 4), np.uint8), "x[..., :3]"),
            (np.zeros((2, 3, 5, 5), np.uint8), "numpy.moveaxis(x, 1, -1)"),
            (np.full((2, 5, 5, 3), np.nan), "numpy.isfinite(x)"),
        ],
    )
    def test_the_error_says_how_to_convert_an_array(self, uploads: Uploads, array: np.ndarray, advice: str) -> None:
        assert advice in uploads.refusal(npz({"x": array})).detail

    @pytest.mark.parametrize("form", ["npy", "npz", "npz, packed"])
    def test_pickled_objects_are_refused_and_never_loaded(self, uploads: Uploads, form: str) -> None:
        class Trap:
            def __reduce__(self) -> tuple[object, ...]:
                return (pytest.fail, ("it was unpickled",))

        file = io.BytesIO()
        np.save(file, np.array([[[Trap()]]], dtype=object), allow_pickle=True)
        content = file.getvalue()
        method = zipfile.ZIP_DEFLATED if form == "npz, packed" else zipfile.ZIP_STORED
        upload = content if form == "npy" else npz_with(content, method)

        assert uploads.refusal(upload).code == "npz_pickled"

    @pytest.mark.parametrize(
        "header",
        [
            "{'descr': '|u1', 'fortran_order': False, 'shape': (8, 4, 5), }",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (6, 4, 5), }",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (-7, -4, 5), }",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (7, 2, 10, 1000000000000000000000), }",
            "{'descr': '|u1', 'shape': (7, 4, 5), }",
            "{'descr': 'nonsense', 'fortran_order': False, 'shape': (7, 4, 5), }",
            "__import__('os').abort()",
            "(" * 5000,
            "",
        ],
    )
    @pytest.mark.parametrize("form", ["npy", "npz"])
    def test_a_false_or_malformed_header_is_refused(self, uploads: Uploads, header: str, form: str) -> None:
        content = npy_header(header) + IMAGES.tobytes()

        assert uploads.refusal(content if form == "npy" else npz_with(content)).code == "npz_header"

    def test_a_header_of_4_gigabytes_is_refused(self, uploads: Uploads) -> None:
        content = b"\x93NUMPY\2\0" + b"\xff\xff\xff\xff" + bytes(1000)

        assert uploads.refusal(content).code == "npz_header"
        assert uploads.refusal(npz_with(content)).code == "npz_header"

    def test_a_truncated_file_is_refused(self, uploads: Uploads) -> None:
        for whole in (npy(IMAGES), npz({"x": IMAGES}), npz({"x": IMAGES}, compressed=True)):
            for length in range(0, len(whole), 7):
                assert isinstance(uploads.refusal(whole[:length]), GlassboxError)

    def test_an_npz_of_several_arrays_without_x_or_images_is_refused(self, uploads: Uploads) -> None:
        assert uploads.refusal(npz({"a": IMAGES, "b": IMAGES})).code == "npz_array_missing"

    @pytest.mark.parametrize("compressed", [False, True])
    def test_an_npz_with_a_changed_byte_is_refused_as_damaged(self, uploads: Uploads, compressed: bool) -> None:
        upload = bytearray(npz({"x": IMAGES}, compressed=compressed))
        upload[len(upload) // 2] ^= 1

        assert uploads.refusal(bytes(upload)).code == "npz_damaged"

    @pytest.mark.parametrize("compressed", [False, True])
    @pytest.mark.parametrize("change", [-1, 1])
    def test_an_npz_with_a_false_size_is_refused_as_damaged(
        self, uploads: Uploads, compressed: bool, change: int
    ) -> None:
        upload = npz({"x": IMAGES}, compressed=compressed)
        lying = with_central(upload, entry=0, size=len(npy(IMAGES)) + change)

        assert uploads.refusal(lying).code == "npz_damaged"

    def test_an_npz_is_validated_by_the_rules_for_zips(self, uploads: Uploads) -> None:
        upload = npz({"x": IMAGES})

        assert uploads.refusal(with_central(upload, entry=0, flags=1)).code == "archive_encrypted"
        assert uploads.refusal(npz_with(npy(IMAGES), zipfile.ZIP_LZMA)).code == "archive_method"
        assert uploads.refusal(npz({"../x": IMAGES})).code == "archive_path"
        assert uploads.refusal(zip_of([("x.npy", b""), ("x.npy", b"")])).code == "archive_duplicate"
        assert uploads.refusal(zip_of([(special_file("x.npy", 0o120777), b"")])).code == "archive_empty"
        assert uploads.refusal(zip_bomb(300, ".npy")).code == "archive_ratio"


class TestLimits:
    @pytest.mark.parametrize("form", ["npy", "npz", "npz, packed"])
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"max_archive_entries": 6}, "archive_too_large"),
            ({"max_expanded_bytes": 139}, "archive_too_large"),
            ({"max_image_pixels": 19}, "npz_too_large"),
        ],
    )
    def test_an_array_beyond_a_limit_is_refused_as_too_large(
        self, uploads: Uploads, form: str, changes: dict[str, int], code: str
    ) -> None:
        upload = npy(IMAGES) if form == "npy" else npz({"x": IMAGES}, compressed=form != "npz")

        error = uploads.refusal(upload, **changes)

        assert (type(error), error.code) == (TooLarge, code)
        assert all(f"(GLASSBOX_{name.upper()}" in error.detail for name in changes)

    @pytest.mark.parametrize(
        ("changes", "is_accepted"),
        [({"max_expanded_bytes": 420, "max_image_pixels": 20}, True), ({"max_expanded_bytes": 419}, False)],
    )
    def test_the_limits_count_the_bytes_of_all_channels_and_the_pixels_of_an_image(
        self, uploads: Uploads, changes: dict[str, int], is_accepted: bool
    ) -> None:
        if is_accepted:
            assert uploads.index(npy(COLOURS), **changes).array
        else:
            assert uploads.refusal(npy(COLOURS), **changes).code == "archive_too_large"

    def test_an_array_exactly_at_the_limits_is_accepted(self, uploads: Uploads) -> None:
        assert uploads.index(npy(IMAGES), max_archive_entries=7, max_expanded_bytes=140, max_image_pixels=20).array


def test_a_file_truncated_after_validation_makes_only_the_missing_images_fail(uploads: Uploads) -> None:
    archive = uploads.index(npy(IMAGES))
    uploads.path.write_bytes(uploads.path.read_bytes()[:-1])

    with uploads.opened(archive) as contents:
        assert np.array_equal(contents.images(0, 6), IMAGES[:6])
        with pytest.raises(Malformed) as caught:
            contents.read(6)

    assert caught.value.code == "entry_damaged"


@given(data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_damage_raises_glassbox_error_or_nothing(uploads: Uploads, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["npy", "npz", "npz, packed"]))
    upload = bytearray(npy(IMAGES) if form == "npy" else npz({"x": IMAGES}, compressed=form != "npz"))
    for _ in range(data.draw(st.integers(1, 4), "changes")):
        upload[data.draw(st.integers(0, len(upload) - 1), "place")] = data.draw(st.integers(0, 255), "byte")

    try:
        uploads.read_all(bytes(upload))
    except GlassboxError as error:
        assert error.code  # noqa: PT017 - damage that changes nothing raises nothing
