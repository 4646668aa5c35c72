"""`sample.py FILE`: writes the test images of the digits data set as a zip of PNG files, named by their class."""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from pathlib import Path

from PIL import Image

from shared.datasets import Arrays, DatasetStore, Manifest
from shared.datasets.builtin.built_in import BuiltIn
from shared.runtime.settings import Settings
from shared.storage.volume import Volume


def pack(manifest: Manifest, arrays: Arrays, path: Path) -> None:
    """Write the test images into a zip in their order: number 12, a seven, becomes `test/00012-7.png`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number, (image, label) in enumerate(zip(arrays.x_test, arrays.y_test, strict=True)):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            archive.writestr(f"test/{number:05d}-{manifest.classes[label]}.png", png.getvalue())


def main(path: Path) -> None:
    """Prepare the data set in a temporary folder, and pack its test images."""
    with tempfile.TemporaryDirectory() as folder:
        volume = Volume(Path(folder))
        store = DatasetStore(volume)
        BuiltIn(store, volume, Settings()).get("digits")
        path.parent.mkdir(parents=True, exist_ok=True)
        manifest, arrays = store.load("digits")
        pack(manifest, arrays, path)
    print(f"{path}: {len(arrays.x_test)} PNG files")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
