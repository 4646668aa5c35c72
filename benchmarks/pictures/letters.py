"""The letters A to Z on coloured grounds; the test part uses fonts of other families than the training part."""

from __future__ import annotations

import string
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.pictures.drawing import Counts, Part, Picture, Pixels, Size, noisy, package_file

FONTS: dict[Part, dict[str, list[str]]] = {
    "train": {
        "matplotlib": [
            f"mpl-data/fonts/ttf/{name}.ttf"
            for name in (
                *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique"),
                *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic"),
                *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic"),
                *("cmr10", "cmb10", "cmss10", "cmti10"),
            )
        ],
        "font_roboto": [f"files/Roboto-{style}.ttf" for style in ("Regular", "Bold", "Italic", "Light")],
        "font_lato": [f"files/Lato-{style}.ttf" for style in ("Regular", "Black", "Italic")],
        "font_source_serif_pro": [f"files/SourceSerifPro-{style}.ttf" for style in ("Regular", "Bold", "It")],
        "font_fredoka_one": ["files/FredokaOne-Regular.ttf"],
    },
    "test": {
        "matplotlib": [
            f"mpl-data/fonts/ttf/{name}.ttf" for name in ("DejaVuSansMono", "DejaVuSansMono-Bold", "cmtt10")
        ],
        "font_source_sans_pro": [f"files/SourceSansPro-{style}.ttf" for style in ("Regular", "Bold", "It")],
        "font_caladea": [f"files/Caladea-{style}.ttf" for style in ("Regular", "Bold", "Italic")],
        "font_manrope": [f"files/Manrope-{style}.ttf" for style in ("Regular", "ExtraBold")],
        "font_rhd": [f"files/RedHatDisplay-{style}.ttf" for style in ("Regular", "Bold")],
        "font_fjallaone": ["files/FjallaOne-Regular.ttf"],
    },
}
"""The font files of each part, by the package that carries them."""

COUNTS = Counts(train=100, test=40)
LUMINANCE = np.array([0.299, 0.587, 0.114])
"""The shares of R, G and B (ITU-R BT.601)."""

CONTRAST = 90
"""The least difference between the luminance of a letter and that of its ground."""


def pictures(part: Part, rng: np.random.Generator, size: Size) -> Iterator[Picture]:
    """Yield the part's pictures, letter by letter."""
    fonts = [str(package_file(package, path)) for package, paths in FONTS[part].items() for path in paths]
    for letter in string.ascii_uppercase:
        for _ in range(COUNTS.of(part)):
            yield letter, drawn(letter, fonts[rng.integers(len(fonts))], rng, *size(rng))


def drawn(letter: str, font: str, rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Draw a letter, slightly turned and shifted, lighter or darker than its ground, both of random colours."""
    side = min(height, width)
    face = ImageFont.truetype(font, round(side * rng.uniform(0.6, 0.95)))
    mask = Image.new("L", (width, height))
    shift_x, shift_y = rng.uniform(-0.08, 0.08, 2) * side
    ImageDraw.Draw(mask).text((width / 2 + shift_x, height / 2 + shift_y), letter, fill=255, font=face, anchor="mm")
    mask = mask.rotate(rng.uniform(-12, 12), Image.Resampling.BICUBIC)
    share = np.asarray(mask, np.float64)[..., None] / 255

    ground, ink = rng.uniform(0, 255, (2, 3))
    while abs((ground - ink) @ LUMINANCE) < CONTRAST:
        ground, ink = rng.uniform(0, 255, (2, 3))
    return noisy(ground + share * (ink - ground), rng, deviation=6)
