"""`--sort-into`: the classified images in a folder for each label, and a summary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glassbox.cli.exits import say
from glassbox.cli.output import print_line
from glassbox.errors import LocalFileError, WrongArgument
from glassbox.files.references import is_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glassbox.files.sorting import SortedImages
    from glassbox.jobs import Job

LISTED = 20  # images that could not be read, by name


def check_sorting(
    archives: Sequence[str], folder: Path | None, *, link: bool, min_confidence: float | None, detach: bool
) -> None:
    """Make the folder and open the images, so that an error comes before the upload. Raises `GlassboxError`."""
    if folder is None:
        if link or min_confidence is not None:
            raise WrongArgument("--link and --min-confidence need --sort-into DIR")
        return
    if detach:
        raise WrongArgument("--detach does not wait for rows: omit it to sort the images")
    if len(archives) > 1:
        raise WrongArgument("--sort-into sorts the images of one folder or archive: classify them one by one")
    (images,) = archives
    if is_url(images):
        raise WrongArgument("--sort-into sorts local images: download them, and classify the folder or archive")
    from glassbox.files.classified import classified_files  # noqa: PLC0415 - a command starts faster without them
    from glassbox.files.sorting import prepare_folder  # noqa: PLC0415

    if Path(images).exists():  # else the upload reports it
        with classified_files(Path(images), link=link):
            prepare_folder(folder)


def sort(job: Job, folder: Path, images: Path, *, link: bool, min_confidence: float | None, quiet: bool) -> None:
    """Sort the images and print a summary; with `quiet` on standard error. Raises `LocalFileError` for lost files."""
    done = job.sort_into(folder, images, link=link, min_confidence=min_confidence)
    _list_unread(job)
    line = summary(done, link=link, min_confidence=min_confidence)
    if quiet:
        say(line)
    else:
        print_line(line)
    if done.failures:
        for path, reason in done.failed:
            say(f"not sorted: {path}: {reason}")
        raise LocalFileError(f"{done.failures:,} of {done.total + done.failures:,} files could not be sorted")


def summary(done: SortedImages, *, link: bool, min_confidence: float | None) -> str:
    """Return the line with the counts."""
    count = len(done.labels)
    labels = f"{count:,} {'label' if count == 1 else 'labels'}"
    unsure = f", {done.unsure:,} below {min_confidence:g} in _unsure" if min_confidence is not None else ""
    return f"{done.total:,} images {'linked' if link else 'copied'} into {done.folder}: {labels}{unsure}"


def _list_unread(job: Job) -> None:
    """List the images that the server could not read, which are left out."""
    unread: int = getattr(job.result, "failed", 0)
    if not unread:
        return
    for number, error in enumerate(job.errors()):
        if number == LISTED:
            say(f"and {unread - LISTED:,} more: `glassbox jobs errors {job.id}` lists all of them")
            break
        say(f"not sorted: {error.path}: {error.detail}")
