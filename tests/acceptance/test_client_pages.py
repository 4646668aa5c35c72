"""Every block of the pages about the client, run in order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from glassbox.cli.exits import CODES

from services.embedded.running import running_stack
from tests.support.data.images import encoded, png, smooth
from tests.support.data.npz import easy_arrays, easy_images, npz

ROOT = Path(__file__).parents[2]
PAGES = ["client", *(f"client/{name}" for name in ("configure", "train", "classify", "predict", "jobs", "models"))]
PAGES += ["client/datasets", "client/dashboard", "client/errors"]  # a page uses what the pages before it created
PAGES += ["your-own-pictures"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SIDE = 28


@dataclass(frozen=True)
class User:
    """A user with a folder of files, a server, and the command on the PATH."""

    folder: Path
    url: str

    def run(self, language: str, block: str) -> None:
        """Run a block, which must succeed."""
        programs = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-W", "error", "-c"]}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GLASSBOX_")}
        environment = {
            **inherited,
            "HOME": str(self.folder / "home"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "client"),
            "GLASSBOX_URL": self.url,
        }
        environment.pop("XDG_CONFIG_HOME", None)
        done = subprocess.run(
            [*programs[language], block],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    folder = tmp_path_factory.mktemp("user")
    (folder / "bin").mkdir()
    (folder / "home").mkdir()
    (folder / "bin" / "glassbox").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m glassbox "$@"\n')
    (folder / "bin" / "glassbox").chmod(0o755)
    (folder / "mnist.npz").write_bytes(npz(easy_arrays(train=300, test=60, side=SIDE)))
    images, labels = easy_images(30, side=SIDE, seed=1)
    with (
        zipfile.ZipFile(folder / "images.zip", "w") as archive,
        zipfile.ZipFile(folder / "pets.zip", "w") as archive_of_pets,
    ):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            content = png(image)
            archive.writestr(f"{number:02d}.png", content)
            for path in (folder / "scans" / f"{number:02d}.png", folder / "pets" / f"class-{label}" / f"{number}.png"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            archive_of_pets.writestr(f"class-{label}/{number}.png", png(255 - image))
            photo = folder / "photos" / f"class-{label}" / f"{number}.jpg"
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.write_bytes(encoded(smooth(60 + number, 90, seed=number), "JPEG"))
            own = folder / "pictures" / ("cats", "dogs", "horses")[label] / f"{number}.png"
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_bytes(png(image[::2, ::2]))  # small, because the page trains several times
    (folder / "new").mkdir()
    for name in ("one.jpg", "new/1.png", "new/2.jpg"):
        (folder / name).write_bytes(encoded(smooth(80, 70, seed=3), "JPEG"))
    for name, image in zip(("seven.png", "four.png"), images, strict=False):
        (folder / name).write_bytes(png(image))
    with running_stack(folder / "volume", folder / "stack.log", GLASSBOX_DATASETS=str(folder)) as client:
        yield User(folder, client.url)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_works(page: str, user: User) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text())
    assert blocks
    for language, block in blocks:
        user.run(language, block)


def test_every_page_is_tested() -> None:
    assert sorted(PAGES) == sorted(
        ["client", "your-own-pictures", *(f"client/{path.stem}" for path in (ROOT / "docs" / "client").glob("*.md"))]
    )


def test_the_page_lists_each_exit_status() -> None:
    listed = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "client.md").read_text(), re.MULTILINE)
    assert list(map(int, listed)) == list(CODES)
