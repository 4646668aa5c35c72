"""Keeps the decoders from writing about each damaged image into the log: an archive could fill a disk with that.

What is wrong with an image is told in its error. Pillow writes by its loggers; its libtiff writes straight to the
standard error, one line for each damaged row of pixels, unless it is given no handler.
"""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

import PIL


def silence_decoders() -> None:
    """Do it, once for the process. A libtiff that Pillow did not bring along stays as it is."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    for library in (Path(PIL.__file__).parent.parent / "pillow.libs").glob("libtiff-*"):
        libtiff = ctypes.CDLL(str(library))
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)
