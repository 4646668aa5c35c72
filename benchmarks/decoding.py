"""The decoding of images, compared with the libraries that could be used for it.

    PYTHONPATH=. python benchmarks/decoding.py [--rounds 5]

It needs requirements/bench.in. GLASSBOX_TEST_DATA names the folder that holds mnist-test-png.zip; without it,
../shared/data beside the project. Each candidate turns a file's bytes into a row of 28×28 grayscale pixels, on one
core. If a library only decodes, Glassbox resizes its pixels. The candidates take turns, and times are medians.

"off by" is the greatest difference, in gray levels, from the exact result: the image's BT.601 luma, resized by area.
"MB" is the installed size of the library and its dependencies beyond NumPy. Writes var/benchmarks/decoding.json.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported, as in a worker's process

import cv2
import imagecodecs
import kornia_rs
import numpy as np
import pyspng
import pyvips
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from benchmarks.network import ROOT, describe_machine
from shared.images.area import area_resize
from shared.images.decoding import decode_into

SHAPE = (28, 28)
MAX_PIXELS = 16_000_000
PLAIN = "PNG 28×28, MNIST"
TARGET = 10.0  # microseconds for a plain PNG
Row = NDArray[np.uint8]


@dataclass(frozen=True)
class Candidate:
    """One way from a file's bytes to a row, the packages that it needs, and the file formats that it supports."""

    name: str
    decode: Callable[[Row, bytes], None]
    packages: tuple[str, ...]
    kinds: tuple[str, ...] = ("PNG", "JPEG")


def ours(row: Row, content: bytes) -> None:
    """Decode as the workers do."""
    decode_into(row, content, MAX_PIXELS)


def pillow(row: Row, content: bytes) -> None:
    """Decode with Pillow in the obvious way."""
    image = Image.open(io.BytesIO(content)).convert("L")
    row[...] = np.asarray(image.resize(SHAPE, Image.Resampling.BOX) if image.size != SHAPE else image)


def pillow_scaled(row: Row, content: bytes) -> None:
    """Decode with Pillow, with the JPEG decoder's scaling to an eighth, a quarter or a half of the image."""
    image = Image.open(io.BytesIO(content))
    image.draft("L", SHAPE)
    row[...] = fitted(np.asarray(image.convert("L")))


def opencv(row: Row, content: bytes) -> None:
    """Decode and resize with OpenCV."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    row[...] = image if image.shape == SHAPE else cv2.resize(image, SHAPE, interpolation=cv2.INTER_AREA)


def codecs(row: Row, content: bytes) -> None:
    """Decode with the fastest codec of imagecodecs for the format."""
    if content.startswith(b"\x89PNG"):
        row[...] = imagecodecs.spng_decode(content).reshape(SHAPE)
    else:
        row[...] = fitted(imagecodecs.jpeg8_decode(content, outcolorspace="GRAYSCALE"))


def spng(row: Row, content: bytes) -> None:
    """Decode with pyspng, a binding of libspng."""
    row[...] = pyspng.load(content).reshape(SHAPE)


def kornia(row: Row, content: bytes) -> None:
    """Decode with kornia-rs, a decoder in Rust, which needs the size as an argument."""
    row[...] = np.asarray(kornia_rs.io.decode_image_png_u8(content, SHAPE, "mono"))[..., 0]


def jpeg(row: Row, content: bytes) -> None:
    """Decode with simplejpeg, a binding of libjpeg-turbo."""
    row[...] = fitted(simplejpeg.decode_jpeg(content, "GRAY")[..., 0])


def vips(row: Row, content: bytes) -> None:
    """Decode with libvips, which decodes in strips."""
    row[...] = fitted(pyvips.Image.new_from_buffer(content, "").colourspace("b-w").numpy())


CANDIDATES = [
    Candidate("decode_into", ours, ("pillow",)),
    Candidate("Pillow", pillow, ("pillow",)),
    Candidate("Pillow, scaled", pillow_scaled, ("pillow",), ("JPEG",)),
    Candidate("OpenCV", opencv, ("opencv-python-headless",)),
    Candidate("imagecodecs", codecs, ("imagecodecs",)),
    Candidate("pyspng", spng, ("pyspng",), ("PNG",)),
    Candidate("kornia-rs", kornia, ("kornia-rs",), ("PNG",)),
    Candidate("simplejpeg", jpeg, ("simplejpeg",), ("JPEG",)),
    Candidate("libvips", vips, ("pyvips", "pyvips-binary", "cffi")),
]


def main() -> int:
    """Run the benchmark; return the exit status: 1 if the target was missed."""
    parser = argparse.ArgumentParser(description="Hold decoders of images against each other.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    machine = describe_machine() | {"versions": versions()}
    print(", ".join(f"{name} {value}" for name, value in machine.items() if name != "versions"), end="\n\n")

    print(f"{'image':<22}{'candidate':<18}{'µs':>10}{'against ours':>14}{'off by':>8}{'MB':>8}")
    tasks = {}
    for name, kind, contents in workloads():
        tasks[name] = compare(kind, contents, rounds)
        for result in tasks[name]:
            print_result(name, result)

    fastest = tasks[PLAIN][0]["microseconds"]
    reached: bool = fastest < TARGET
    print(f"\na plain PNG in less than {TARGET:g} µs: {'reached' if reached else 'MISSED'}")
    path = ROOT / "var" / "benchmarks" / "decoding.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "images": tasks}, indent=2) + "\n")
    print(f"written to {path.relative_to(ROOT)}")
    return 0 if reached else 1


def workloads() -> list[tuple[str, str, list[bytes]]]:
    """Return the workloads: real small PNGs, and JPEGs in the sizes of photographs."""
    folder = Path(os.environ.get("GLASSBOX_TEST_DATA", ROOT.parent / "shared" / "data"))
    with zipfile.ZipFile(folder / "mnist-test-png.zip") as archive:
        digits = [archive.read(name) for name in archive.namelist()[:2000]]
    return [
        (PLAIN, "PNG", digits),
        ("JPEG 1000×750", "JPEG", [photograph(1000, 750)]),
        ("JPEG 4000×3000", "JPEG", [photograph(4000, 3000)]),
    ]


def photograph(width: int, height: int) -> bytes:
    """Return noise with the spectrum of photographs: its amplitudes decrease with the frequency."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis] * height, np.fft.rfftfreq(width) * width)
    frequency[0, 0] = np.inf
    layers = [
        np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) / frequency**1.2, (height, width))
        for _ in range(3)
    ]
    pixels = np.stack([0.7 * layers[0] + 0.3 * layer for layer in layers], axis=-1)
    pixels = 128 + 55 * pixels / pixels.std()
    file = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def compare(kind: str, contents: list[bytes], rounds: int) -> list[dict[str, Any]]:
    """Time all candidates that support the file format, in turns."""
    candidates = [candidate for candidate in CANDIDATES if kind in candidate.kinds]
    seconds: dict[str, list[float]] = {candidate.name: [] for candidate in candidates}
    for _ in range(rounds):
        for candidate in candidates:
            seconds[candidate.name].append(seconds_per_image(candidate, contents))
    first = statistics.median(seconds[candidates[0].name])
    return [
        {
            "candidate": candidate.name,
            "microseconds": round(1e6 * statistics.median(seconds[candidate.name]), 2),
            "ratio": round(statistics.median(seconds[candidate.name]) / first, 2),
            "off_by": max(off_by(candidate, content) for content in contents[:200]),
            "megabytes": megabytes(candidate.packages),
        }
        for candidate in candidates
    ]


def seconds_per_image(candidate: Candidate, contents: list[bytes]) -> float:
    """Time one pass over the files, or several passes over few files."""
    row = np.zeros(SHAPE, np.uint8)
    started = perf_counter()
    for content in contents:
        candidate.decode(row, content)
    return (perf_counter() - started) / len(contents)


def off_by(candidate: Candidate, content: bytes) -> int:
    """Return the greatest difference from the exact result."""
    row = np.zeros(SHAPE, np.uint8)
    candidate.decode(row, content)
    exact = fitted(np.asarray(Image.open(io.BytesIO(content)).convert("L")))
    return int(np.abs(row.astype(np.int16) - exact).max())


def fitted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize grayscale pixels as Glassbox does, if they have another size."""
    return pixels if pixels.shape == SHAPE else area_resize(np.ascontiguousarray(pixels), SHAPE)


def megabytes(packages: tuple[str, ...]) -> float:
    """Return the installed size of packages, without bytecode."""
    names = [Path(str(file.locate())) for package in packages for file in distribution(package).files or []]
    return round(sum(name.stat().st_size for name in names if name.suffix != ".pyc" and name.exists()) / 1e6, 1)


def versions() -> dict[str, str]:
    """Return the versions of all compared packages."""
    names = sorted({package for candidate in CANDIDATES for package in candidate.packages})
    return {name: distribution(name).version for name in names}


def print_result(image: str, result: dict[str, Any]) -> None:
    """Print one line of the table."""
    print(
        f"{image:<22}{result['candidate']:<18}{result['microseconds']:>10,.1f}{result['ratio']:>14.2f}"
        f"{result['off_by']:>8}{result['megabytes']:>8.1f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
