"""The files of an archive that cannot be images of a data set: which are skipped, and which refuse the upload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.archives.entries import shown
from shared.archives.skipped import SkipReport
from shared.datasets.options import OnUnreadable
from shared.errors import Invalid, Malformed
from shared.json_types import Skipped

NAMED = 5  # unreadable images that an error names; the others are only counted
ACCEPTED_SHARE = 0.01  # of unreadable images that are skipped by default
ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp", ".avif")
"""Endings of the supported formats: a file with one of them is meant as an image, whatever it contains."""

FOREIGN_ENDINGS = (
    *(
        ".heic",
        ".heif",
        ".hif",
        ".jxl",
        ".jp2",
        ".j2k",
        ".jpx",
        ".jxr",
        ".psd",
        ".psb",
        ".svg",
        ".svgz",
        ".ico",
        ".cur",
    ),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm", ".tga", ".exr", ".hdr", ".dcm", ".dds", ".qoi", ".pcx", ".xcf"),
    *(".icns", ".sgi", ".eps", ".ai", ".emf", ".wmf", ".fits", ".djvu", ".kra", ".bpg", ".flif"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".raw", ".pef", ".srw", ".x3f"),
)
"""Endings of images of other formats."""

TEXT_ENDINGS = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html", ".log", ".py", ".ipynb"),
    ".mat",
)
"""Endings of files that describe images: a folder of such files alone is not meant as a class.

`client/glassbox/files/image_files.py` has the same endings.
"""

NOT_AN_IMAGE, UNSUPPORTED, TOO_LARGE = "not_an_image", "image_unsupported", "entry_too_large"


@dataclass
class Problems:
    """The problems of an archive's files, by the entries' indices.

    unreadable: images that are damaged, or not within the limits. unsupported: images of formats that are not read.
    others: files that are no images; they are always skipped.
    """

    unreadable: dict[int, Malformed] = field(default_factory=dict)
    unsupported: dict[int, Malformed] = field(default_factory=dict)
    others: dict[int, Malformed] = field(default_factory=dict)

    def __contains__(self, index: int) -> bool:
        return index in self.unreadable or index in self.unsupported or index in self.others

    def __len__(self) -> int:
        return len(self.unreadable) + len(self.unsupported) + len(self.others)

    def add(self, index: int, name: str, error: Malformed) -> None:
        """Record why an entry cannot be used."""
        lower = name.lower()
        if error.code == UNSUPPORTED or (error.code == NOT_AN_IMAGE and lower.endswith(FOREIGN_ENDINGS)):
            self.unsupported[index] = Malformed(UNSUPPORTED, error.detail)
        elif error.code in {NOT_AN_IMAGE, TOO_LARGE} and not lower.endswith(ENDINGS):
            self.others[index] = error
        else:
            self.unreadable[index] = error

    def refuse(self, total: int, name_of: Callable[[int], str], on_unreadable: OnUnreadable | None) -> None:
        """Raise `Invalid` if too many of `total` files are images that cannot be read, unless these are skipped."""
        refusing = dict(self.unreadable)
        if on_unreadable is OnUnreadable.SKIP:
            return
        if on_unreadable is OnUnreadable.REFUSE:
            refusing |= self.unsupported
        images = total - len(self.others)
        if not refusing or (on_unreadable is None and len(refusing) <= ACCEPTED_SHARE * images):
            return
        count = len(refusing)
        named = "; ".join(f"{shown(name_of(index))} ({refusing[index].detail})" for index in sorted(refusing)[:NAMED])
        others = f", and {count - NAMED} more" if count > NAMED else ""
        why = "" if on_unreadable else f"; by default at most {ACCEPTED_SHARE:.0%} of the images may be unreadable"
        raise Invalid(
            "dataset_images",
            f"{count} of {images} files cannot be read: {named}{others}{why}. Replace them, or set on_unreadable=skip"
            " to leave them out",
        )

    def report(self, start: Skipped, names: Sequence[str]) -> Skipped:
        """Return the report of the skipped files, after those that the archive's index skipped."""
        report = SkipReport(start)
        for found in (self.unreadable, self.unsupported, self.others):
            for index in sorted(found):
                report.add(found[index].code, [names[index]])
        return report.as_json()
