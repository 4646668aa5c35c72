"""Images as rows of CSV files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.datasets import DatasetStore, Manifest
from shared.datasets.options import UploadOptions
from shared.datasets.uploads import read_upload
from shared.errors import GlassboxError
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of
from tests.support.data.folders import bright
from tests.support.data.npz import easy_arrays, easy_images, npz

IMAGES, LABELS = easy_images(60)
EASY = easy_arrays(train=60, test=30)
Stored = Callable[..., Manifest]


@pytest.fixture
def stored(tmp_path: Path, datasets: DatasetStore, limits: Settings) -> Stored:
    """Read an upload and store it; returns its manifest."""

    def store(content: bytes, **options: Any) -> Manifest:
        path = tmp_path / "upload"
        path.write_bytes(content)
        return datasets.add(read_upload(path, limits, UploadOptions(**options)), "easy", "test")[0]

    return store


def csv(
    images: np.ndarray[Any, Any], labels: Any = None, *, header: bool = True, delimiter: str = ",", end: str = "\n"
) -> bytes:
    """Return rows as Kaggle's digits have them; without labels, as its file for testing."""
    pixels = images.reshape(len(images), -1)
    rows = [list(map(str, row)) for row in pixels.tolist()]
    names = [f"pixel{number}" for number in range(pixels.shape[1])]
    if labels is not None:
        names = ["label", *names]
        rows = [[str(label), *row] for label, row in zip(labels, rows, strict=True)]
    return "".join(delimiter.join(row) + end for row in ([names] if header else []) + rows).encode()


def with_index(content: bytes) -> bytes:
    """Return rows with the numbers before them that pandas writes."""
    first, *rows = content.splitlines(keepends=True)
    return b"," + first + b"".join(b"%d,%b" % row for row in enumerate(rows))


def with_first_line(content: bytes, names: list[str]) -> bytes:
    """Return rows under other names of their columns."""
    return ",".join(names).encode() + b"\n" + content.partition(b"\n")[2]


PLAIN = csv(IMAGES, LABELS)
FIRST_ROW = ["5", "0", *(f"0.{number}" for number in range(1, 31)), "7", "7.1", "8", "8.1", "9"]  # as pandas names it
SUBMISSION = b"ImageId,Label\n1,0\n2,0\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        csv(IMAGES, LABELS, header=False),
        b'"' + PLAIN.replace(b",", b'","').replace(b"\n", b'"\n"')[:-1],
        csv(IMAGES, LABELS, delimiter=";", end="\r\n"),
        b"\xef\xbb\xbf" + PLAIN,
        csv(IMAGES / 255, LABELS),
        zip_of({"train.csv": PLAIN, "test.csv": csv(IMAGES), "sample_submission.csv": SUBMISSION}),
        zip_of({"digits/mnist_train.csv": PLAIN, "digits/README.txt": b"text"}),
        zip_of({"sign.tsv": PLAIN.replace(b",", b"\t"), "classes.json": b"{}", "signs.png": bright((8, 8))}),
        with_index(PLAIN),
        with_first_line(PLAIN, [str(number) for number in range(37)]),
        with_first_line(PLAIN, ["label", *map(str, range(36))]),
        with_first_line(PLAIN, FIRST_ROW),
        with_first_line(PLAIN, ["digit", *(f"1x{number}" for number in range(36))]),
        csv(IMAGES, [f"{label}.0" for label in LABELS]),
    ],
    ids=[
        *("Kaggle", "no header", "quoted", "semicolons", "a byte order mark", "0 to 1", "a zip", "a folder in a zip"),
        *("other files beside it", "an index", "numbers as names", "label and numbers", "the first row as names"),
        *("another name of the labels", "labels as floats"),
    ],
)
def test_rows_give_the_data_set_of_their_arrays(stored: Stored, content: bytes) -> None:
    assert stored(content).digest == stored(npz({"x": IMAGES, "y": LABELS})).digest


def test_a_first_image_whose_gray_levels_ascend_is_not_taken_as_names_of_columns(stored: Stored) -> None:
    images = np.concatenate([np.arange(36, dtype=np.uint8).reshape(1, 6, 6), IMAGES])
    labels = np.concatenate([LABELS[:1], LABELS])

    content = stored(csv(images, labels, header=False))

    assert content.digest == stored(npz({"x": images, "y": labels})).digest


def test_files_for_training_and_testing_are_the_parts(stored: Stored) -> None:
    archive = zip_of(
        {
            "mnist_train.csv": csv(EASY["x_train"], EASY["y_train"], header=False),
            "mnist_test.csv": csv(EASY["x_test"], EASY["y_test"], header=False),
        }
    )

    assert stored(archive).digest == stored(npz(EASY)).digest


def test_a_file_for_validation_is_kept(stored: Stored) -> None:
    x, y = easy_images(12, seed=4)
    files = {"train.csv": csv(EASY["x_train"], EASY["y_train"]), "valid.csv": csv(x, y)}

    manifest = stored(zip_of(files | {"test.csv": csv(EASY["x_test"], EASY["y_test"])}))

    assert manifest.digest == stored(npz(EASY | {"x_val": x, "y_val": y})).digest
    assert stored(zip_of(files)).splits == {"train": 54, "validation": 12, "test": 6}


def test_a_file_without_labels_is_ignored_and_named(stored: Stored) -> None:
    manifest = stored(zip_of({"train.csv": PLAIN, "test.csv": csv(IMAGES)}))

    assert manifest.chosen["ignored"] == "'test.csv': no labelled images"


def test_other_files_beside_it_are_ignored_and_named(stored: Stored) -> None:
    manifest = stored(zip_of({"train.csv": PLAIN, "signs.png": bright((8, 8))}))

    assert manifest.chosen["ignored"] == "'signs.png': no labelled images"


def test_class_folders_beside_a_csv_file_are_the_data_set(stored: Stored) -> None:
    images = {f"{kind}/{number}.png": bright((8, 8)) for kind in "ab" for number in range(4)}

    assert stored(zip_of({"features.csv": PLAIN, **images})).classes == ("a", "b")


def test_labels_may_be_texts_and_images_other_than_squares(stored: Stored) -> None:
    manifest = stored(csv(IMAGES, [f"kind {label}" for label in LABELS]), image_shape=(4, 9))

    assert (manifest.image_shape, manifest.classes) == ((4, 9), ("kind 0", "kind 1", "kind 2"))


def test_a_file_named_as_a_split_comes_before_others(stored: Stored) -> None:
    files = {"dig.csv": csv(EASY["x_test"], EASY["y_test"]), "train.csv": PLAIN}

    manifest = stored(zip_of(files))

    assert manifest.id == stored(PLAIN).id
    assert manifest.chosen["ignored"] == "'dig.csv': its name is not that of a split"


def test_a_file_that_is_in_the_archive_twice_is_read_once(stored: Stored) -> None:
    manifest = stored(zip_of({"train.csv": PLAIN, "train/train.csv": PLAIN}))

    assert manifest.id == stored(PLAIN).id
    assert manifest.chosen["ignored"] == "'train/train.csv': a second file of the name of 'train.csv'"


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("letters-train.csv", "digits-train.csv")])
def test_files_of_several_data_sets_are_refused_by_name(stored: Stored, names: tuple[str, str]) -> None:
    with pytest.raises(GlassboxError) as caught:
        stored(zip_of(dict.fromkeys(names, PLAIN)))

    assert caught.value.code == "dataset_csv"
    assert f"'{names[0]}' and '{names[1]}' both have images for training" in caught.value.detail


def test_emnists_images_are_transposed(stored: Stored) -> None:
    upright = stored(csv(IMAGES.transpose(0, 2, 1), LABELS))

    manifest = stored(zip_of({"emnist-letters-train.csv": PLAIN, "emnist-letters-mapping.txt": b"1 65"}))

    assert manifest.id == upright.id
    assert "transposed" in manifest.chosen["orientation"]


LINES = PLAIN.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("content", "options", "named"),
    [
        (
            csv(IMAGES),
            {},
            "no column is named label, so the classes are unknown; the columns are 'pixel0', 'pixel1' … ",
        ),
        (csv(IMAGES, ["é"] * 60).decode().encode("latin-1"), {}, "is not in UTF-8: save it in UTF-8"),
        (PLAIN, {"image_shape": (5, 7)}, "a row has 36 pixels, but image_shape=5x7 has 35"),
        (csv(IMAGES[:, :5], LABELS), {}, "a row has 30 pixels, but no square has"),
        (b"".join(LINES[:10]) + b"1,2,3\n" + b"".join(LINES[10:]), {}, "3 columns in row 10, but 37"),
        (b"".join(LINES[:10]) + LINES[10].replace(b",", b",x", 1), {}, "has 'x"),
        (b"".join(LINES[:10]) + LINES[10][1:], {}, "no label in row 10"),
    ],
)
def test_damaged_rows_are_named(stored: Stored, content: bytes, options: dict[str, Any], named: str) -> None:
    with pytest.raises(GlassboxError) as caught:
        stored(content, **options)
    assert caught.value.code == "dataset_csv"
    assert named in caught.value.detail


def test_integers_whose_largest_is_1_are_refused_with_the_remedy(stored: Stored) -> None:
    with pytest.raises(GlassboxError) as caught:
        stored(csv((IMAGES > 100).astype(np.uint8), LABELS))

    assert "the largest integer is 1" in caught.value.detail
    assert "multiply them by 255" in caught.value.detail


@pytest.mark.parametrize("header", [False, True])
def test_labels_that_are_probably_in_the_last_column_give_a_warning(stored: Stored, header: bool) -> None:
    rows = np.column_stack([IMAGES.reshape(len(IMAGES), -1), LABELS])
    rows[:, 0] = np.arange(len(rows)) // 2
    lines = "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())
    names = ",".join([*(f"pixel{number}" for number in range(rows.shape[1] - 1)), "label"]) + "\n"

    warnings = stored(((names if header else "") + lines).encode()).warnings

    assert any("became the labels" in warning for warning in warnings) is not header


def test_floats_0_and_1_are_black_and_white(stored: Stored) -> None:
    floats, levels = (csv((IMAGES > 100) * white, LABELS) for white in (1.0, 255))

    assert stored(floats).digest == stored(levels).digest
