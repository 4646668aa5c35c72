"""A CSV file with the changes that derive a data set: a line for each, with the columns of `COLUMNS` that it needs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import cast, get_args

from glassbox.errors import LocalFileError
from glassbox.records.changes import AddFromDataset, AddFromJob, Change, Relabel, Remove, SplitName

COLUMNS = ("action", "split", "index", "label", "job", "dataset")
SPLITS = get_args(SplitName)


def read_changes(path: Path) -> list[Change]:
    """Return the changes in a file. Raises `LocalFileError` with the line that is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            unknown = [name for name in reader.fieldnames or () if name not in COLUMNS]
            if unknown or "action" not in (reader.fieldnames or ()):
                raise LocalFileError(
                    f"{path}: the first line must name columns of {', '.join(COLUMNS)}; got"
                    f" {', '.join(unknown) or 'none'}"
                )
            return [_change(values, f"{path}, line {reader.line_num}") for values in reader]
    except OSError as error:
        raise LocalFileError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LocalFileError(f"{path} is not a CSV file in UTF-8: {error}") from error


def _change(values: dict[str, str | None], place: str) -> Change:
    """Return the change in a line."""
    action, split, index, label, job, dataset = (values.get(name) or "" for name in COLUMNS)
    if None in values:
        raise LocalFileError(f"{place}: has more columns than the first line")
    if not index.isdecimal():
        raise LocalFileError(f"{place}: index must be a whole number from 0; got {index!r}")
    if split not in SPLITS and not (action == "add" and job):
        raise LocalFileError(f"{place}: split must be {', '.join(SPLITS)}; got {split!r}")
    if action in {"add", "relabel"} and not label.strip():
        raise LocalFileError(f"{place}: {action} needs a label")
    part, number = cast("SplitName", split), int(index)
    match action:
        case "add" if job and not dataset and not split:
            return AddFromJob(job, number, label)
        case "add" if job and not dataset:
            detail = f"an image of a batch has no split, but the column split has {split!r}"
            raise LocalFileError(f"{place}: {detail}; leave it empty. The option --split sets where images are added")
        case "add" if dataset and not job:
            return AddFromDataset(dataset, part, number, label)
        case "relabel" if not job and not dataset:
            return Relabel(part, number, label)
        case "remove" if not job and not dataset and not label:
            return Remove(part, number)
    raise LocalFileError(
        f"{place}: must be add with index, label and job, or with index, label, dataset and split; relabel with split,"
        f" index and label; or remove with split and index; got {', '.join(filter(None, values.values()))}"
    )
