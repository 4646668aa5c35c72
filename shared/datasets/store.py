"""The data sets on the volume: each is an immutable folder, named by the SHA-256 of its content."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import ValidationError

from shared.datasets.content import Content, Images, Labels, Split
from shared.datasets.doubts import warnings_of
from shared.datasets.duplicates import Fingerprints, count_duplicates, fingerprints_of
from shared.datasets.manifest import Manifest
from shared.datasets.paths import FILE as PATHS
from shared.datasets.paths import ImagePaths, read_paths, write_paths
from shared.datasets.similarity.typicality import Distances, distances
from shared.datasets.summary import FORMAT, Summary, summarize
from shared.errors import Conflict, Damaged, NotFound, StorageFull, Unavailable
from shared.images.shapes import Shape
from shared.runtime import clock
from shared.storage import durable
from shared.storage.mapped import map_array
from shared.storage.names import is_name
from shared.storage.volume import Volume

KNOWN = 5000
"""The most manifests that a process keeps in memory."""

SUMMARY_WAIT = 30.0
"""Seconds that a request waits while the summaries of other data sets are computed."""

DISTANCES = "distances.npz"

Signature = tuple[int, int, int]
"""The inode, the size and the modification time of a file."""


@dataclass(frozen=True)
class Arrays:
    """The arrays of a data set: images mapped from the file, labels (N,) as class indices.

    The images are (N, H, W), or (N, H, W, 3) in colour. Most data sets have none for validation.
    """

    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels
    x_validation: Images | None = None
    y_validation: Labels | None = None

    @property
    def validation(self) -> tuple[Images, Labels] | None:
        """The images for validation with their labels; None if the data set has none."""
        if self.x_validation is None or self.y_validation is None:
            return None
        return self.x_validation, self.y_validation

    @property
    def splits(self) -> dict[str, tuple[Images, Labels]]:
        """The images and labels of each split."""
        validation = {} if self.validation is None else {"validation": self.validation}
        return {"train": (self.x_train, self.y_train), **validation, "test": (self.x_test, self.y_test)}


class DatasetStore:
    """Adds, finds and loads data sets."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._known: dict[str, tuple[Signature, Manifest]] = {}  # by digest, the manifest as it was read last
        self._summarizing = Lock()  # one summary is computed at a time
        self._checked: dict[str, Signature] = {}  # by digest, the file of arrays whose SHA-256 was checked last

    def add(
        self,
        content: Content,
        name: str,
        source: str,
        replaces: str | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> tuple[Manifest, bool]:
        """Store the content under `name`; returns the manifest, and whether it is new.

        Reads each image once, and again if the content is revised. replaces: the digest to which the name must point
        until then; raises `Conflict` if it points to another data set. check: called after the images are read and
        before the data set exists; if it raises, nothing is stored.
        """
        folder = durable.temporary_beside(self._volume.datasets / "new")
        durable.make_folder(folder)
        try:
            content, written = _write_revised(folder / "data.npz", content)
            check()
            splits = {part: len(split.labels) for part, split in content.splits.items()}
            duplicates = count_duplicates(
                written.fingerprints, {part: split.labels for part, split in content.splits.items()}
            )
            of_this_upload = {
                "chosen": dict(content.chosen),
                "colour_dropped": content.colour_dropped,
                "colour_check": content.colour_check,
                "skipped": content.skipped,
                "warnings": (
                    *content.doubts,
                    *warnings_of(splits, duplicates, content.unsupported, written.brightest, written.dark),
                ),
            }
            manifest = Manifest(
                digest=written.digest,
                name=name,
                source=source,
                image_shape=content.image_shape,
                classes=content.classes,
                splits=splits,
                class_counts={
                    part: tuple(np.bincount(split.labels, minlength=len(content.classes)).tolist())
                    for part, split in content.splits.items()
                },
                bytes=written.size,
                sha256=durable.sha256_of(folder / "data.npz"),
                created_at=clock.now(),
                duplicates=duplicates,
                provenance=content.provenance,
                **of_this_upload,
            )
            durable.write_json(folder / "manifest.json", manifest.model_dump(mode="json"))
            has_paths = write_paths(folder, {part: split.paths for part, split in content.splits.items()})
        except BaseException:
            durable.remove_tree(folder)
            raise
        try:
            self.check_name(name, replaces)
        except Conflict:
            durable.remove_tree(folder)
            raise
        known = self._names(written.digest)
        target = self._volume.dataset(written.digest)
        if has_paths and target.exists():  # the same content, perhaps uploaded without paths
            with suppress(FileNotFoundError):  # deleted meanwhile
                durable.link_exclusively(folder / PATHS, target / PATHS)
        created = durable.publish_folder(folder, target)
        if created:
            for deleted in known:  # a process died while it deleted the same content, before it removed the names
                self._remove_name(deleted)
        durable.write_bytes(self._volume.dataset_names / name, written.digest.encode())
        # What this upload chose and skipped, also if the same content is stored already.
        return self.get(name).model_copy(update=of_this_upload | {"duplicates": duplicates}), created

    def get(self, reference: str) -> Manifest:
        """Return the data set with this id (`sha256:…`), or the newest one with this name.

        A data set may have several names: the manifest has the name of the reference. Raises `NotFound`, or `Damaged`
        if this version of the code cannot read the manifest.
        """
        manifest = self._manifest(self._digest(reference))
        return manifest if reference == manifest.id else manifest.model_copy(update={"name": reference})

    def id_of(self, reference: str) -> str:
        """Return the id of the data set with this id or name, also if its manifest is unreadable; raises `NotFound`."""
        return f"sha256:{self._digest(reference)}"

    def all(self) -> list[Manifest]:
        """Return every data set, the newest first."""
        folders = self._volume.datasets.iterdir() if self._volume.datasets.exists() else ()
        manifests = []
        for folder in folders:
            if _is_digest(folder.name):
                with suppress(NotFound, Damaged):  # deleted in the meantime, or written by a newer version
                    manifests.append(self._manifest(folder.name))
        return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.digest), reverse=True)

    def load(
        self, reference: str, check: Callable[[], None] = lambda: None, *, anew: bool = True
    ) -> tuple[Manifest, Arrays]:
        """Return the manifest and the arrays; raises `Damaged` if the file's digest is wrong.

        check: called while the file is read. anew: whether the file is also read if it has not changed, by its inode,
        size and time, since this store read it last.
        """
        manifest = self.get(reference)
        path = self._volume.dataset(manifest.digest) / "data.npz"
        try:
            signature = _signature(path)  # from before the file is read, so that a change meanwhile is detected later
            if anew or self._checked.get(manifest.digest) != signature:
                self._checked.pop(manifest.digest, None)
                if durable.sha256_of(path, check) != manifest.sha256:
                    detail = f"the file of data set {manifest.id} has changed since it was stored"
                    raise Damaged("dataset_damaged", detail)
                if len(self._checked) >= KNOWN:
                    self._checked.clear()
                self._checked[manifest.digest] = signature
        except FileNotFoundError:  # deleted meanwhile
            raise _not_found(reference) from None
        names = [f"{letter}_{part}" for part in manifest.splits for letter in "xy"]
        return manifest, Arrays(**{name: map_array(path, name) for name in names})

    def paths(self, dataset_id: str) -> ImagePaths:
        """Return the paths that the images had in their upload; none if they are not known, or the data set is gone."""
        return read_paths(self._volume.dataset(dataset_id.removeprefix("sha256:")))

    def summary(self, reference: str) -> tuple[Manifest, Summary]:
        """Return the manifest and the summary, which the first call for a data set computes and writes to the volume.

        Raises `NotFound`, `Damaged`, or `Unavailable` if other summaries are computed for too long.
        """
        manifest = self.get(reference)
        path = self._volume.dataset(manifest.digest) / "summary.json"
        if (stored := _read_summary(path)) is not None:
            return manifest, stored
        try:
            with self._alone():
                if (stored := _read_summary(path)) is not None:  # another thread has computed it meanwhile
                    return manifest, stored
                _, arrays = self.load(manifest.id, anew=False)
                summary = summarize(arrays.splits, len(manifest.classes), manifest.image_shape)
                path.unlink(missing_ok=True)  # that of another version of the code
                with suppress(StorageFull):  # the next request computes it again
                    durable.add(path, [durable.encode_json(summary.model_dump(mode="json"))])
        except FileNotFoundError:  # deleted meanwhile
            raise _not_found(reference) from None
        return manifest, summary

    def distances(self, reference: str) -> dict[str, Distances]:
        """Return how far each image is from the mean image of its class, by split.

        The first call for a data set computes the distances and writes them to the volume. Raises as `summary` does.
        """
        manifest = self.get(reference)
        path = self._volume.dataset(manifest.digest) / DISTANCES
        try:
            if not path.exists():
                with self._alone():
                    if not path.exists():  # else another thread has computed them meanwhile
                        _, arrays = self.load(manifest.id, anew=False)
                        found = distances(arrays.splits, len(manifest.classes), manifest.image_shape)
                        try:
                            _write_distances(path, found)
                        except StorageFull:  # the next request computes them again
                            return found
            return {part: map_array(path, part) for part in manifest.splits}
        except FileNotFoundError:  # deleted meanwhile
            raise _not_found(reference) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Compute for one data set at a time. Raises `Unavailable` after a long wait."""
        if not self._summarizing.acquire(timeout=SUMMARY_WAIT):
            raise Unavailable("summary_busy", "the summary of another data set is computed; send the request again")
        try:
            yield
        finally:
            self._summarizing.release()

    def delete(self, reference: str) -> None:
        """Delete a name, and the data set if it has no other name; or, by its id, the data set and all its names.

        Raises `NotFound`. After a crash the deletion has either not happened, or left files that no reference finds,
        which `free_names` and maintenance remove.
        """
        digest = self._digest(reference)
        names = self._names(digest)
        if self.is_last_name(reference):
            unlisted = durable.unlist(self._volume.dataset(digest))  # one step: no name and no id finds it any more
            for name in names:
                self._remove_name(name)
            shutil.rmtree(unlisted, ignore_errors=True)
            return
        content = json.loads(self._manifest_path(digest).read_bytes())  # with the fields of a newer version
        if content["name"] == reference:  # the name in the list of data sets
            other = next(name for name in names if name != reference)
            durable.write_json(self._manifest_path(digest), {**content, "name": other})
        self._remove_name(reference)

    def free_names(self, is_left: Callable[[Path], bool]) -> list[Path]:
        """Remove the names without a data set for which `is_left` is true, and return their files."""
        removed = []
        folder = self._volume.dataset_names
        for file in sorted(folder.iterdir()) if folder.exists() else ():
            with suppress(FileNotFoundError):  # deleted in the meantime
                if is_name(file.name) and not self._volume.dataset(file.read_text()).exists() and is_left(file):
                    self._remove_name(file.name)
                    removed.append(file)
        return removed

    def check_name(self, name: str, replaces: str | None) -> None:
        """Raise `Conflict` if the name points to another data set than it should, or to none."""
        pointer = self._volume.dataset_names / name
        found = pointer.read_text() if pointer.exists() else None
        if replaces is not None and found != replaces:
            now = f"points to sha256:{found} now" if found else "does not exist any more"
            raise Conflict(
                "dataset_name_moved",
                f"the name {name} {now}, not to sha256:{replaces}: derive from the newer data set, or set another name",
            )

    def is_last_name(self, reference: str) -> bool:
        """Return whether deleting this reference deletes the data set: it is the id, or the only name."""
        digest = self._digest(reference)
        return reference == f"sha256:{digest}" or self._names(digest) == [reference]

    def _names(self, digest: str) -> list[str]:
        """Return the names that point to the data set, sorted."""
        folder = self._volume.dataset_names
        files = folder.iterdir() if folder.exists() else ()
        return sorted(file.name for file in files if is_name(file.name) and file.read_text() == digest)

    def _digest(self, reference: str) -> str:
        """Return the digest of the data set with this id or name; raises `NotFound`."""
        digest = reference.removeprefix("sha256:")
        if reference == digest and is_name(reference):
            pointer = self._volume.dataset_names / reference
            digest = pointer.read_text() if pointer.exists() else ""
        if not _is_digest(digest) or not self._volume.dataset(digest).exists():
            raise _not_found(reference)
        return digest

    def _remove_name(self, name: str) -> None:
        (self._volume.dataset_names / name).unlink(missing_ok=True)
        durable.fsync_folder(self._volume.dataset_names)

    def _manifest_path(self, digest: str) -> Path:
        return self._volume.dataset(digest) / "manifest.json"

    def _manifest(self, digest: str) -> Manifest:
        """Return a manifest, which is read again only after it was written, so that lists read few files."""
        path = self._manifest_path(digest)
        try:
            signature = _signature(path)
            known = self._known.get(digest)
            if known is not None and known[0] == signature:
                return known[1]
            manifest = Manifest.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise _not_found(f"sha256:{digest}") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise Damaged(
                "dataset_unreadable",
                f"the manifest of data set sha256:{digest} cannot be read ({'.'.join(map(str, first['loc']))}:"
                f" {first['msg']}): a newer version of Glassbox wrote it, or it is damaged; upgrade Glassbox, or upload"
                " the data set again",
            ) from error
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[digest] = signature, manifest
        return manifest


def _read_summary(path: Path) -> Summary | None:
    """Return the summary in a file; None if there is none that this version of the code can read."""
    try:
        summary = Summary.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return summary if summary.format == FORMAT else None


def _write_distances(path: Path, found: dict[str, Distances]) -> None:
    """Write the file into the data set's folder. Raises `FileNotFoundError` if that was deleted meanwhile."""
    temporary = durable.temporary_beside(path)
    with durable.fsynced(temporary) as file:
        np.savez(file, **found)  # type: ignore[arg-type]
    durable.rename(temporary, path)


def _signature(path: Path) -> Signature:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _not_found(reference: str) -> NotFound:
    return NotFound("dataset_not_found", f"the data set {reference!r} does not exist; upload it to /v1/datasets")


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


@dataclass(frozen=True)
class Written:
    """A written `data.npz`: the content's digest, the images' bytes, and the images' fingerprints by part.

    brightest: the largest gray level of the images. dark: the number of images whose largest gray level is 1.
    """

    digest: str
    size: int
    fingerprints: dict[str, Fingerprints]
    brightest: int
    dark: int


def _write_revised(path: Path, content: Content) -> tuple[Content, Written]:
    """Write the content, and again as long as reading its images revises it; returns what was written last."""
    while True:
        written = _write_arrays(path, content)
        revised = content.revise(written.fingerprints)
        if revised is None:
            return content, written
        path.unlink()
        content = revised


def _write_arrays(path: Path, content: Content) -> Written:
    """Write `data.npz`, uncompressed so that it can be mapped."""
    digest = content.start_digest()
    size = 0
    brightest: list[NDArray[np.uint8]] = []
    fingerprints = {}
    with durable.fsynced(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for part, split in content.splits.items():
            count, fingerprints[part], levels = _write_images(
                archive, f"x_{part}.npy", split, content.image_shape, digest
            )
            size += count
            brightest.append(levels)
            with archive.open(f"y_{part}.npy", "w") as member:
                npy.write_array(member, split.labels, allow_pickle=False)
    levels = np.concatenate(brightest)
    return Written(digest.hexdigest(), size, fingerprints, int(levels.max()), int((levels == 1).sum()))


def _write_images(
    archive: zipfile.ZipFile, name: str, split: Split, image_shape: Shape, digest: Any
) -> tuple[int, Fingerprints, NDArray[np.uint8]]:
    """Write the images; returns their bytes, their fingerprints (N,), and the largest gray level of each (N,)."""
    size = 0
    fingerprints = []
    brightest = []
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(split.labels), *image_shape)}
    with archive.open(name, "w", force_zip64=True) as member:
        npy.write_array_header_1_0(member, header)
        for block in split.blocks:
            if not len(block):  # all images of this block of the upload are in the other split
                continue
            pixels = np.ascontiguousarray(block).data
            digest.update(pixels)
            member.write(pixels)
            size += pixels.nbytes
            fingerprints.append(fingerprints_of(block))
            brightest.append(block.reshape(len(block), -1).max(axis=1, initial=0))
    return size, np.concatenate(fingerprints), np.concatenate(brightest)
