"""Ten classes that differ in hue alone: the same shapes, the same luminance, random noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.pictures.drawing import Counts, Part, Picture, Pixels, Size, noisy

HUES = 10
COUNTS = Counts(train=100, test=50)
CHROMA = 42
"""The distance of each colour from gray in the plane (Cb, Cr); with these luminances all channels stay within bytes."""

LUMINANCE = (90, 160)
SPREAD = 8
"""The largest deviation of a picture's hue from its class's, in degrees; two classes are 36 degrees apart."""


def pictures(part: Part, rng: np.random.Generator, size: Size) -> Iterator[Picture]:
    """Yield the part's pictures, hue by hue."""
    for hue in range(HUES):
        for _ in range(COUNTS.of(part)):
            angle = np.radians(360 * hue / HUES + rng.uniform(-SPREAD, SPREAD))
            yield f"hue-{hue}", drawn(angle, rng, *size(rng))


def drawn(angle: float, rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Draw a random shape of this hue on a gray ground."""
    ground, luminance = rng.uniform(*LUMINANCE, 2)
    share = np.asarray(shape(rng, height, width), np.float64)[..., None] / 255
    Y = ground + share * (luminance - ground)
    Cb, Cr = share * CHROMA * np.cos(angle), share * CHROMA * np.sin(angle)
    R, B = Y + 1.402 * Cr, Y + 1.772 * Cb  # ITU-R BT.601
    G = (Y - 0.299 * R - 0.114 * B) / 0.587
    return noisy(np.concatenate([R, G, B], axis=2), rng, deviation=8)


def shape(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """Draw an ellipse, a rectangle, a triangle or a cross at a random place, white on black."""
    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    x, y = rng.uniform(0.4, 0.6) * width, rng.uniform(0.4, 0.6) * height
    across, down = rng.uniform(0.2, 0.4) * width, rng.uniform(0.2, 0.4) * height
    box = (x - across, y - down, x + across, y + down)
    match rng.integers(4):
        case 0:
            draw.ellipse(box, fill=255)
        case 1:
            draw.rectangle(box, fill=255)
        case 2:
            draw.polygon([(x, y - down), (x - across, y + down), (x + across, y + down)], fill=255)
        case _:
            draw.rectangle((x - across / 3, y - down, x + across / 3, y + down), fill=255)
            draw.rectangle((x - across, y - down / 3, x + across, y + down / 3), fill=255)
    return mask
