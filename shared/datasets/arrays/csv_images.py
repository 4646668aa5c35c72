"""Images as rows of a CSV file, such as Kaggle's digits: a label and the pixels of an image, row by row."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from shared.archives.arrays import Header
from shared.archives.damage import cause_of
from shared.archives.entries import shown
from shared.archives.names.leftovers import SIDE_FILE, leftover
from shared.archives.zip_directory import find_directory
from shared.datasets.arrays.array_images import ImageArray, scale_of
from shared.datasets.arrays.array_names import ArrayNames, Pair
from shared.datasets.arrays.idx_archive import EMNIST, ORIENTATION
from shared.datasets.arrays.npz import UNREADABLE, content_of
from shared.datasets.content import Content
from shared.datasets.folders.split_names import Role, role_of
from shared.datasets.options import UploadOptions
from shared.errors import Invalid, TooLarge
from shared.runtime.settings import Settings

LABELS = frozenset(
    "label labels class classes class_id classid target targets y digit letter character category".split()  # noqa: SIM905
)
NUMBERING = frozenset({"", "unnamed: 0", "index", "id", "image_id", "imageid"})
"""Names of a first column that numbers the rows, as pandas writes it; it is no pixel."""

TABLES = (".csv", ".tsv")
LEAST_PIXELS = 16
LONGEST_LINE = 1 << 24
ROWS = 2_000  # parsed at a time
START = 1 << 16
MOST_OTHERS = 10  # files of other kinds beside CSV files, such as pictures that explain them; all in one folder
LARGEST_DIRECTORY = 1 << 16  # of a zip that may hold CSV files alone; one of images has more entries


@dataclass(frozen=True)
class Table:
    """The form of a CSV file, by its first line. label: the column of the labels, or None if it has none.

    numbering: whether the first column numbers the rows. named: the first line's cells at both ends, for messages.
    """

    delimiter: str
    header: bool
    columns: int
    label: int | None
    numbering: bool = False
    named: str = ""

    @property
    def pixels(self) -> int:
        """The number of columns that are pixels."""
        return self.columns - (self.label is not None) - self.numbering

    def is_pixel(self, column: int) -> bool:
        """Return whether a column is a pixel."""
        return column >= self.numbering and column != self.label


@dataclass(frozen=True)
class Source:
    """A CSV file: the upload itself, or a member of a zip."""

    path: Path
    member: str | None

    @property
    def name(self) -> str:
        """The file's name in messages."""
        return shown(self.member) if self.member else "the CSV file"

    @contextmanager
    def opened(self) -> Iterator[IO[str]]:
        """Open the file as text."""
        if self.member is None:
            with self.path.open(encoding="utf-8-sig") as file:
                yield file
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as member:
            yield io.TextIOWrapper(member, encoding="utf-8-sig")

    def table(self) -> Table | None:
        """Return the form of the file, or None if its first line is not that of images."""
        try:
            with self.opened() as file:
                first, second = file.readline(START), file.readline(START)
        except UNREADABLE:
            return None
        delimiter = max(",;\t", key=first.count)
        cells = [cell.strip().strip('"').lower() for cell in first.split(delimiter)]
        if len(cells) <= LEAST_PIXELS or not first.endswith("\n") or second.count(delimiter) != len(cells) - 1:
            return None
        if all(map(_is_number, cells[1:])):
            return Table(delimiter, _are_columns(cells), len(cells), 0)
        found = [column for column, cell in enumerate(cells) if cell in LABELS]
        label = found[0] if len(found) == 1 else None
        named = f"{shown(cells[0])}, {shown(cells[1])} … {shown(cells[-1])}"
        return Table(delimiter, True, len(cells), label, cells[0] in NUMBERING, named)


def csv_sources(path: Path) -> list[Source]:
    """Return the CSV files of an upload that is one, or a zip of them; empty for other uploads.

    A few files of other kinds may be in the zip; they are returned, too, so that they are named as ignored.
    """
    with path.open("rb") as file:
        start = file.read(START)
        if not start.startswith(b"PK"):
            source = Source(path, None)
            if b"\0" in start:
                return []
            if source.table() is None:
                _refuse_other_encodings(start)
                return []
            return [source]
        try:
            directory = find_directory(file.fileno(), file.seek(0, os.SEEK_END))
        except Invalid:
            return []  # `validate` raises the error
    if directory is None or directory.size > LARGEST_DIRECTORY:
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            files = [info.filename for info in archive.infolist() if not info.is_dir()]
    except UNREADABLE:
        return []
    tables = [name for name in files if name.lower().endswith(TABLES) and leftover(name) in {None, SIDE_FILE}]
    others = [name for name in files if leftover(name) is None and not name.lower().endswith((*TABLES, ".txt"))]
    if not tables or len(others) > MOST_OTHERS or len({name.rpartition("/")[0] for name in others}) > 1:
        return []
    sources = [Source(path, name) for name in (*tables, *others)]
    return sources if any(source.table() for source in sources) else []


def _refuse_other_encodings(start: bytes) -> None:
    """Raise `Invalid` for a CSV file of images that is not in UTF-8, by the bytes at its start."""
    first, end, _ = start.partition(b"\n")
    try:
        start[: start.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError:
        if end and max(map(first.count, (b",", b";", b"\t"))) >= LEAST_PIXELS:
            detail = "the CSV file is not in UTF-8: save it in UTF-8, in Excel as CSV UTF-8"
            raise Invalid("dataset_csv", detail) from None


def read_csv(sources: Sequence[Source], limits: Settings, options: UploadOptions) -> Content:
    """Return the content of CSV files of images. Raises `Invalid` or `TooLarge`, with the file and the row."""
    labelled, ignored = _by_role(sources)
    if not labelled:
        what = "no column is named label, so the classes are unknown"
        tables = [table for source in sources if (table := source.table()) and table.named]
        there = f"; the columns are {tables[0].named}" if len(tables) == 1 else ""
        raise Invalid("dataset_csv", f"{', '.join(ignored)}: {what}{there}")
    if Role.TRAIN not in labelled:
        raise Invalid("dataset_csv", "no CSV file has labelled images for training")
    if len({table.pixels for _, table in labelled.values()}) > 1:
        raise Invalid("dataset_csv", "the CSV files differ in the number of pixels")
    shape = _shape(labelled[Role.TRAIN][1], limits, options)
    parsed = {role: _parsed(source, table, limits) for role, (source, table) in labelled.items()}
    if any(images.dtype != np.uint8 for images, _ in parsed.values()):
        parsed = {role: (images.astype(np.float32), labels) for role, (images, labels) in parsed.items()}
    arrays, labels = {}, {}
    for role, (images, texts) in parsed.items():
        header = Header(str(role), (len(images), *shape), False, images.dtype, 0)
        opened = partial(io.BytesIO, images.tobytes())
        transposed = EMNIST in (labelled[role][0].member or "").lower()
        arrays[str(role)], labels[str(role)] = ImageArray(header, shape, opened, transposed), texts
    if len({part.dtype.kind for part in labels.values()}) > 1:
        labels = {role: part.astype(np.str_) for role, part in labels.items()}
    scale, scaling = scale_of(list(arrays.values()))
    chosen = {"numbers": scaling} if scaling else {}
    if any(array.transposed for array in arrays.values()):
        chosen["orientation"] = ORIENTATION
    if ignored:
        chosen["ignored"] = "; ".join(f"{name}: {reason}" for name, reason in ignored.items())
    names = ArrayNames(
        _pair(Role.TRAIN), *(_pair(role) if role in labelled else None for role in (Role.TEST, Role.VALIDATION))
    )
    content = content_of(names, arrays, labels, scale, chosen, limits, options.test_fraction, options.seed)
    return replace(content, doubts=_doubts_about_labels(labelled[Role.TRAIN], *parsed[Role.TRAIN]))


def _doubts_about_labels(file: tuple[Source, Table], images: NDArray[Any], labels: NDArray[Any]) -> tuple[str, ...]:
    """Return a warning if the last column looks more like the labels than the first, which has no name."""
    source, table = file
    first, last = len(np.unique(labels)), len(np.unique(images[:, -1]))
    if table.header or labels.dtype.kind != "i" or not (last > 1 and first > 2 * last and 4 * first > len(labels)):
        return ()
    warning = (
        f"the first column of {source.name} became the labels: it has {first:,} different values in {len(labels):,}"
        f" rows, and the last column has {last:,}. If another column has them, add a first line that names it label"
    )
    return (warning,)


def _by_role(sources: Sequence[Source]) -> tuple[dict[Role, tuple[Source, Table]], dict[str, str]]:
    """Return the file of each role, and the names of the others with the reason why they are not used.

    Files whose names state no role are for training if no other is. Raises `Invalid` if several files have one role.
    """
    found: dict[Role, list[tuple[Source, Table]]] = {}
    unstated: list[tuple[Source, Table]] = []
    ignored = {}
    for source in sources:
        table = source.table()
        if table is None or table.label is None:
            ignored[source.name] = "no labelled images"
        else:
            stated = role_of(Path(source.member or "train").stem)
            (found.setdefault(stated[0], []) if stated else unstated).append((source, table))
    if Role.TRAIN in found:
        ignored |= {source.name: "its name is not that of a split" for source, _ in unstated}
    elif unstated:
        found[Role.TRAIN] = unstated
    chosen = {}
    for role, files in found.items():
        (first, table), *others = files
        for other, _ in others:
            if Path(other.member or "").name != Path(first.member or "").name:
                raise Invalid(
                    "dataset_csv",
                    f"{first.name} and {other.name} both have images for {'training' if role == Role.TRAIN else role}:"
                    " send one of them, or give them the names train.csv, val.csv and test.csv",
                )
            ignored[other.name] = f"a second file of the name of {first.name}"
        chosen[role] = (first, table)
    return chosen, ignored


def _pair(role: Role) -> Pair:
    """Return the names of a role's arrays; images and labels have the same."""
    return str(role), str(role)


def _shape(table: Table, limits: Settings, options: UploadOptions) -> tuple[int, int]:
    if options.channels == 3:
        raise Invalid("dataset_csv", "the images of a CSV file are grayscale; channels=3 does not apply")
    side = int(np.sqrt(table.pixels))
    shape = options.image_shape or (side, side)
    if shape[0] * shape[1] != table.pixels:
        stated = (
            f"image_shape={shape[0]}x{shape[1]} has {shape[0] * shape[1]}" if options.image_shape else "no square has"
        )
        raise Invalid(
            "dataset_csv", f"a row has {table.pixels} pixels, but {stated}: set image_shape=HEIGHTxWIDTH of the images"
        )
    if table.pixels > limits.max_image_pixels:
        raise TooLarge(
            "dataset_too_large",
            f"an image may have at most {limits.max_image_pixels} pixels (GLASSBOX_MAX_IMAGE_PIXELS)",
        )
    return shape


def _parsed(source: Source, table: Table, limits: Settings) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the pixels (N, pixels), uint8 or float32, and the labels (N,), integers or texts."""
    blocks: list[NDArray[Any]] = []
    labels: list[str] = []
    try:
        with source.opened() as file:
            if table.header:
                file.readline(LONGEST_LINE)
            lines = (line for line in iter(partial(file.readline, LONGEST_LINE), "") if line.strip())
            while block := list(islice(lines, ROWS)):
                blocks.append(_pixels(source, table, block, len(labels)))
                labels += _labels(table, block)
                if len(labels) * table.pixels > limits.max_dataset_bytes:
                    raise TooLarge(
                        "dataset_too_large",
                        f"the images take more than {limits.max_dataset_bytes} bytes (GLASSBOX_MAX_DATASET_BYTES)",
                    )
    except UNREADABLE as error:
        raise Invalid("dataset_csv", f"{source.name} cannot be read: {cause_of(error)}") from error
    if not blocks:
        raise Invalid("dataset_csv", f"{source.name} has no rows")
    if not all(labels):
        raise Invalid("dataset_csv", f"{source.name} has no label in row {labels.index('') + 1}")
    try:
        numbers = [_as_integer(label) for label in labels]
        return np.concatenate(blocks), np.array(numbers, np.int64)
    except (ValueError, OverflowError):
        return np.concatenate(blocks), np.array(labels)


def _pixels(source: Source, table: Table, lines: list[str], start: int) -> NDArray[Any]:
    """Return the pixels of rows, as uint8 if all are integers from 0 to 255, else as float32.

    If none is above 1, `1.0` is a float.
    """
    columns = list(filter(table.is_pixel, range(table.columns)))
    for number, line in enumerate(lines, start + 1):
        if line.count(table.delimiter) != table.columns - 1:
            raise Invalid(
                "dataset_csv",
                f"{source.name} has {line.count(table.delimiter) + 1} columns in row {number}, but {table.columns} in"
                " the first line",
            )
    lines = [line.replace('"', "") for line in lines]  # some programs quote numbers, too
    try:
        values = np.loadtxt(lines, np.float64, delimiter=table.delimiter, usecols=columns, comments=None, ndmin=2)
    except ValueError as error:
        raise _not_a_number(source, table, lines, start) from error
    as_bytes = values.clip(0, 255).astype(np.uint8) if np.isfinite(values).all() else None
    if as_bytes is None or (as_bytes != values).any():
        return values.astype(np.float32)
    return values.astype(np.float32) if as_bytes.max() <= 1 and _holds_floats(table, lines) else as_bytes


def _not_a_number(source: Source, table: Table, lines: list[str], start: int) -> Invalid:
    """Return the error for the first cell of the rows that is not a number."""
    for number, line in enumerate(lines, start + 1):
        for column, cell in enumerate(line.rstrip("\r\n").split(table.delimiter)):
            if table.is_pixel(column) and not _is_number(cell):
                what = f"has {shown(cell)} in row {number}, column {column + 1}, not a number"
                return Invalid("dataset_csv", f"{source.name} {what}: pixels are numbers from 0 to 255, or from 0 to 1")
    return Invalid("dataset_csv", f"{source.name} has a pixel that is not a number in the rows after row {start}")


def _holds_floats(table: Table, lines: list[str]) -> bool:
    """Return whether a pixel is written with a decimal point."""
    return any(
        "." in cell
        for line in lines
        if "." in line
        for column, cell in enumerate(line.split(table.delimiter))
        if table.is_pixel(column)
    )


def _labels(table: Table, lines: list[str]) -> list[str]:
    return [line.split(table.delimiter)[table.label or 0].strip().strip('"') for line in lines]


def _are_columns(cells: list[str]) -> bool:
    """Return whether numbers are the names of columns; no row of pixels looks like them.

    They are 0, 1, 2 …, or a first row as pandas makes its numbers different: 0, 0.1, 0.2 for three zeros.
    """
    numbers = cells if _is_number(cells[0]) else cells[1:]
    if all(number.isdecimal() for number in numbers) and numbers[0] in {"0", "1"}:
        first = int(numbers[0])
        if list(map(int, numbers)) == list(range(first, first + len(numbers))):
            return True
    equal: dict[str, int] = {}
    for cell in cells:
        number, _, place = cell.partition(".")
        if place != (str(equal[number]) if number in equal else ""):
            return False
        equal[number] = equal.get(number, 0) + 1
    return max(equal.values()) > 1


def _as_integer(label: str) -> int:
    """Return a label as an integer; pandas writes 1.0 if a column has had gaps. Raises ValueError."""
    return int(label.removesuffix(".0"))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
