"""An archive of class folders as a data set: labels from the entries' names, images decoded block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from shared.archives import ArchiveIndex, Contents
from shared.archives.entries import LINK, shown
from shared.datasets.content import Content, Images, Labels, Split
from shared.datasets.duplicates import Fingerprints
from shared.datasets.folders.colour_check import check_colour
from shared.datasets.folders.decoding_time import DecodingTime
from shared.datasets.folders.examination import Examined, examine
from shared.datasets.folders.layout import Indices, Layout, lay_out
from shared.datasets.folders.problems import NOT_AN_IMAGE, TEXT_ENDINGS, Problems
from shared.datasets.folders.shape_rule import choose_shape
from shared.datasets.options import UploadOptions
from shared.datasets.paths import Repeated
from shared.errors import Invalid, Malformed, TooLarge
from shared.images.decoding import decode_into
from shared.images.shapes import RGB, Shape, as_text, shape_with
from shared.runtime.settings import Settings

BLOCK_BYTES = 4 * 1024 * 1024


def read_folders(path: Path, archive: ArchiveIndex, limits: Settings, options: UploadOptions) -> Content:
    """Validate the archive's layout and return the content; its images are decoded on iteration, block by block.

    Without an `image_shape` in the options, `shape_rule` chooses it; without `channels` the images are in colour if any
    is. Raises `Invalid` or `TooLarge`, here or when the content is revised, with the names of the images.
    """
    time = DecodingTime(limits.max_dataset_seconds)
    return _read(Source(path, archive, limits, options, archive.paths(0, len(archive)), Problems(), time))


@dataclass(frozen=True)
class Source:
    """An archive, how to read it, and what is known of its files: names, problems found so far, the cost."""

    path: Path
    archive: ArchiveIndex
    limits: Settings
    options: UploadOptions
    names: Sequence[str]
    problems: Problems
    time: DecodingTime

    def refuse_unreadable(self) -> None:
        """Raise `Invalid` if too many images cannot be read."""
        self.problems.refuse(len(self.archive), self.names.__getitem__, self.options.on_unreadable)


def _read(source: Source, copies: Fingerprints | None = None) -> Content:
    """Return the content without the files that have problems.

    copies: fingerprints by the archive's entries (N,), if the server's split must keep equal images together.
    """
    path, archive, limits, options = source.path, source.archive, source.limits, source.options
    image_shape, channels = options.image_shape, options.channels
    examined = examine(
        path,
        archive,
        source.names,
        limits,
        source.problems,
        source.time,
        sizes=image_shape is None,
        colour=channels != RGB,
    )
    layout = _lay_out(source, copies)
    source.refuse_unreadable()
    chosen = {"validation": layout.use_of_validation} if layout.use_of_validation else {}
    if image_shape is None:
        image_shape, reason = choose_shape(examined.sizes)
        chosen["image_shape"] = f"{as_text(image_shape)}, {reason}"
    if channels is None:
        channels, chosen["channels"] = _choose_channels(source, examined)
    shape = shape_with(*image_shape, channels)
    if prod(image_shape) > limits.max_image_pixels:
        raise TooLarge(
            "dataset_too_large",
            f"an image may have at most {limits.max_image_pixels} pixels (GLASSBOX_MAX_IMAGE_PIXELS)",
        )
    if len(archive) * prod(shape) > limits.max_dataset_bytes:
        raise TooLarge(
            "dataset_too_large",
            f"the images take more than {limits.max_dataset_bytes} bytes when decoded (GLASSBOX_MAX_DATASET_BYTES)",
        )
    dropped = channels == 1 and examined.coloured is not None
    return Content(
        shape,
        layout.classes,
        _split(source, shape, layout.train_labels, layout.train),
        _split(source, shape, layout.test_labels, layout.test),
        _split(source, shape, layout.validation_labels, layout.validation) if len(layout.validation) else None,
        chosen,
        colour_dropped=dropped,
        colour_check=check_colour(path, archive, layout, limits, source.time) if dropped else None,
        skipped=source.problems.report(archive.skipped, source.names),
        unsupported=len(source.problems.unsupported),
        doubts=(*layout.doubts, *_doubts_about_links(archive)),
        revise=partial(_revised, source, layout, len(source.problems)),
    )


def _doubts_about_links(archive: ArchiveIndex) -> tuple[str, ...]:
    """Return a warning if links were skipped: whole classes may be missing."""
    if (links := archive.skipped.get(LINK)) is None:
        return ()
    count, name = links["count"], shown(links["names"][0])
    what = f"1 link, {name}, was" if count == 1 else f"{count:,} links, such as {name}, were"
    warning = (
        f"{what} skipped: links are not followed, so the images to which they lead are not in the data set. Pack the"
        " images themselves (tar --dereference)"
    )
    return (warning,)


def _split(source: Source, shape: Shape, labels: Labels, indices: Indices) -> Split:
    return Split(
        labels, Blocks(source, shape, indices), Repeated(lambda: map(source.names.__getitem__, indices.tolist()))
    )


def _revised(source: Source, layout: Layout, known: int, prints: Mapping[str, Fingerprints]) -> Content | None:
    """Return the content without images that turned out to be damaged, and with copies on one side of the split."""
    copies = None
    if len(source.problems) == known:  # otherwise the fingerprints include those of damaged images
        if not layout.made_split or not np.isin(prints["test"], prints["train"]).any():
            return None
        copies = np.zeros(len(source.archive), np.uint64)
        copies[layout.train], copies[layout.test] = prints["train"], prints["test"]
        revised = _read(source, copies)
        return replace(revised, revise=lambda _: None)
    source.refuse_unreadable()
    return _read(source)


def _lay_out(source: Source, copies: Fingerprints | None) -> Layout:
    """Return the layout of the entries that can be used."""
    problems, options = source.problems, source.options
    images = np.array([index for index in range(len(source.archive)) if index not in problems.others])
    failed = np.array([index in problems for index in images.tolist()])
    layout = lay_out(
        [source.names[index] for index in images],
        source.limits.max_classes,
        options.test_fraction,
        options.seed,
        failed=failed,
        copies=None if copies is None else copies[images],
    )
    layout = replace(layout, train=images[layout.train], test=images[layout.test], validation=images[layout.validation])
    _refuse_folders_without_images(source, layout)
    return layout


def _refuse_folders_without_images(source: Source, layout: Layout) -> None:
    """Raise `Invalid` for a folder beside the class folders without an image that is read.

    Its files are no images and no text, such as videos, or images that are skipped: links and hidden ones.
    """
    skipped = source.archive.skipped_in
    suspects = {
        source.names[index].rpartition("/")[0]: source.names[index]
        for index, error in source.problems.others.items()
        if error.code == NOT_AN_IMAGE and not source.names[index].lower().endswith(TEXT_ENDINGS)
    }
    if not (suspects or skipped):
        return
    used = {
        source.names[index].rpartition("/")[0]
        for part in (layout.train, layout.test, layout.validation)
        for index in part
    }
    depth = min(folder.count("/") for folder in used)
    for folder, name in {**skipped, **suspects}.items():
        inside = any(other == folder or other.startswith(f"{folder}/") for other in used)
        if folder and not inside and folder.count("/") == depth:
            what = "no file in the folder {} is an image" if folder in suspects else "all images of {} are skipped"
            raise Invalid(
                "dataset_classes",
                f"{what.format(shown(folder))}, such as {shown(name)}: send images in it, no links and no hidden"
                " files, or leave the folder out",
            )


def _choose_channels(source: Source, examined: Examined) -> tuple[int, str]:
    """Return the number of channels, and the reason as a sentence."""
    if examined.coloured is None:
        return 1, "1 (grayscale), as no image is in colour"
    name = shown(source.names[examined.coloured])
    return RGB, f"{RGB} (red, green and blue), as images are in colour, such as {name}; channels=1 makes them grayscale"


@dataclass(frozen=True)
class Blocks:
    """The images of one part, decoded again at each iteration; damaged ones are added to the source's problems."""

    source: Source
    shape: Shape
    indices: Indices

    def name_of(self, place: int) -> str:
        """Return the name of the file with the image at this place of the part."""
        return self.source.names[int(self.indices[place])]

    def __iter__(self) -> Iterator[Images]:
        """Yield blocks of a few MiB, (n, H, W) or (n, H, W, 3)."""
        source, limits = self.source, self.source.limits
        rows = max(1, BLOCK_BYTES // prod(self.shape))
        with Contents(source.path, source.archive, source.limits) as contents:
            for start in range(0, len(self.indices), rows):
                chosen = self.indices[start : start + rows].tolist()
                block = np.empty((len(chosen), *self.shape), np.uint8)
                for row, index in zip(block, chosen, strict=True):
                    try:
                        content = contents.read(index)
                        decode_into(
                            row,
                            content,
                            limits.max_image_pixels,
                            seconds=limits.max_image_seconds,
                            spend=source.time.spend,
                        )
                    except Malformed as error:
                        source.problems.add(index, source.names[index], error)
                yield block
