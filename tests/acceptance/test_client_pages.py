"""Every block of the pages about the client, run in order."""

from __future__ import annotations

import os
import re
import shutil
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
PAGES = [
    "client/tutorial",
    "client",
    *(f"client/{name}" for name in ("configure", "train", "classify", "predict", "jobs", "models")),
]
PAGES += ["client/datasets", "client/dashboard", "client/errors"]  # a page uses what the pages before it created
PAGES += ["your-own-pictures"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SIDE = 28
ADDRESS = "http://127.0.0.1:8000"  # of `make up`, in the pages
MAKE = f"""#!/bin/sh
[ "$1" = up ] && set -- --dry-run up
unset MAKEFLAGS MFLAGS
exec /usr/bin/env make --no-print-directory -C {ROOT} SHAPES="$PWD/var/shapes" SAMPLE="$PWD/var/digits.zip" "$@"
"""  # the stack runs already: of `make up` only what it would start


@dataclass(frozen=True)
class User:
    """A user with a folder of files, a server, and the command on the PATH."""

    folder: Path
    url: str

    def run(self, language: str, block: str) -> str:
        """Run a block, which must succeed; returns what it printed."""
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
            [*programs[language], block.replace(ADDRESS, self.url)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}"
        return done.stdout


def check_shown(shown: str, printed: str) -> None:
    """Assert that the lines that a page shows were printed in this order; `…` stands for any text."""
    lines = iter(printed.splitlines())
    for line in shown.splitlines():
        pattern = ".*".join(r"\s+".join(map(re.escape, part.split(" "))) for part in re.sub(" +", " ", line).split("…"))
        assert any(re.fullmatch(pattern, one.rstrip()) for one in lines), f"not printed: {line}\n{printed}"


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    folder = tmp_path_factory.mktemp("user")
    (folder / "bin").mkdir()
    (folder / "home").mkdir()
    (folder / "bin" / "glassbox").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m glassbox "$@"\n')
    (folder / "bin" / "make").write_text(MAKE.replace("/usr/bin/env make", shutil.which("make") or "make"))
    (folder / "bin" / "pip").write_text(
        f'#!/bin/sh\n[ "$*" = "install ./client" ] && [ -f {ROOT}/client/pyproject.toml ]\n'
    )
    for program in (folder / "bin").iterdir():
        program.chmod(0o755)
    (folder / "mnist.npz").write_bytes(npz(easy_arrays(train=300, test=60, side=SIDE)))
    images, labels = easy_images(30, side=SIDE, seed=1)
    with (
        zipfile.ZipFile(folder / "images.zip", "w") as archive,
        zipfile.ZipFile(folder / "pets.zip", "w") as archive_of_pets,
    ):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            content = png(image)
            small = image[::2, ::2]  # because the pages train several times
            archive.writestr(f"{number:02d}.png", content)
            for path in (folder / "scans" / f"{number:02d}.png", folder / "pets" / f"class-{label}" / f"{number}.png"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            archive_of_pets.writestr(f"class-{label}/{number}.png", png(255 - small))
            photo = folder / "photos" / f"class-{label}" / f"{number}.jpg"
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.write_bytes(encoded(smooth(60 + number, 90, seed=number), "JPEG"))
            own = folder / "pictures" / ("cats", "dogs", "horses")[label] / f"{number}.png"
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_bytes(png(small))
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
    printed = ""
    for language, block in blocks:
        if language == "text":
            check_shown(block, printed)
        else:
            printed = user.run(language, block)


def test_the_tutorial_shows_no_command_that_is_not_run() -> None:
    page = (ROOT / "docs" / "client" / "tutorial.md").read_text()
    assert {language for language, _ in BLOCK.findall(page)} == {"bash", "python", "text"}
    assert re.findall(r"^(?: {4}|\t).*$", BLOCK.sub("", page), re.MULTILINE) == []
    run = [block for language, block in BLOCK.findall(page) if language == "bash"]
    in_sentences = re.findall(r"`((?:glassbox|make|curl|pip) [^`]*)`", BLOCK.sub("", page))
    assert [command for command in in_sentences if not any(command in block for block in run)] == []


@pytest.mark.parametrize("printed", ["", "images 120 train", "shape 16\nimages 120 train, 60 test"])
def test_a_shown_line_that_is_not_printed_is_found(printed: str) -> None:
    with pytest.raises(AssertionError, match="not printed"):
        check_shown("images 120 train, … test\nshape …\n", printed)


def test_every_page_is_tested() -> None:
    assert sorted(PAGES) == sorted(
        ["client", "your-own-pictures", *(f"client/{path.stem}" for path in (ROOT / "docs" / "client").glob("*.md"))]
    )


def test_the_page_lists_each_exit_status() -> None:
    listed = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "client.md").read_text(), re.MULTILINE)
    assert list(map(int, listed)) == list(CODES)
