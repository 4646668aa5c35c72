"""Messages about unsupported files say what the file is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.archives.signatures import refused
from shared.datasets.options import UploadOptions
from shared.datasets.uploads import read_upload
from shared.errors import UnsupportedType
from shared.runtime.settings import Settings
from tests.support.data.archives import zip_of
from tests.support.data.images import png
from tests.unit.shared.archives.conftest import Uploads

FILES = [
    (b"", "empty"),
    (b"Rar!\x1a\x07\x01\0" + bytes(99), "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive"),
    (png(np.zeros((4, 4), np.uint8)), "a single image"),
    (b"%PDF-1.7", "a PDF"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    (b"PAR1" + bytes(99), "a Parquet file"),
    (b"\0\0\x08\3" + bytes(99), "an IDX file of images, without its labels"),
    (b"\n<!DOCTYPE html>", "a web page"),
    (b"070701" + b"0" * 104, "a cpio archive"),
    (b"LZIP\1" + bytes(50), "compressed by lzip"),
    (b'[{"label": 1}]', "a JSON text"),
    ("label,pixel0\n".encode("utf-16"), "UTF-16"),
    (zip_of({"a.png": b"image" * 99})[:200], "not copied or downloaded completely"),
]


@pytest.mark.parametrize(("content", "what"), FILES)
def test_an_unsupported_file_is_refused_with_what_it_is(
    uploads: Uploads, limits: Settings, content: bytes, what: str
) -> None:
    assert what in uploads.refusal(content).detail
    with pytest.raises(UnsupportedType, match="not a supported data set") as caught:
        read_upload(uploads.path, limits, UploadOptions(test_fraction=0.2))
    assert what in caught.value.detail


def test_an_unknown_file_is_refused_without_a_guess(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")

    assert refused(tmp_path / "file", "a supported archive") == "the file is not a supported archive"
