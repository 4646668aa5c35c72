"""`client.datasets`: images with labels, identified by the digest of their content and by names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from glassbox.files.archives import opened
from glassbox.files.folders import FolderBody
from glassbox.files.references import SECONDS, is_url, name_in, reference
from glassbox.files.skip_report import merged
from glassbox.http.bodies import FormBody, OnBytes
from glassbox.http.reading import read
from glassbox.http.resumable import Uploads
from glassbox.http.routes import path_to
from glassbox.http.transport import Transport
from glassbox.records.changes import Change, SplitName, as_json
from glassbox.records.datasets import BuiltInDataset, DatasetSummary, NearPairs, Provenance
from glassbox.records.images import Images, images_of
from glassbox.records.skipped import SkippedFiles

OnUnreadable = Literal["refuse", "skip"]

BUILT_IN = frozenset({"digits", "mnist", "fashion-mnist"})  # names that uploads cannot have

DERIVE_SECONDS = 600.0  # the server writes the whole data set before it responds

ENDINGS = (".npz", ".csv", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class Duplicates:
    """Numbers of exact duplicates in a data set.

    images: that equal another one and could be removed. test_in_train: test images that equal a training image;
    validation_in_train and test_in_validation: likewise. in_several_classes: images that equal an image of another
    class.
    """

    images: int
    test_in_train: int
    in_several_classes: int
    validation_in_train: int = 0
    test_in_validation: int = 0


@dataclass(frozen=True)
class Dataset:
    """A data set.

    id: digest of its content. image_shape: (height, width), or (height, width, 3) in colour. splits: the numbers of
    images for `train`, `test` and, if the upload has such images, `validation`. class_counts: images of each class by
    split. chosen: what the server chose from the images, as a sentence for each option that the upload did not set.
    colour_dropped: whether images in colour became grayscale. skipped: files of the upload, or of the folder, that are
    not in the data set, by the reason's code. duplicates: images that are equal; None for data sets of older releases.
    warnings: what makes results of the data set doubtful. provenance: how it was derived from another data set; None
    for uploads and built-in ones.
    """

    id: str
    name: str
    source: str
    image_shape: tuple[int, ...]
    classes: tuple[str, ...]
    splits: dict[str, int]
    class_counts: dict[str, tuple[int, ...]]
    bytes: int
    created_at: str
    chosen: dict[str, str] = field(default_factory=dict)
    colour_dropped: bool = False
    skipped: dict[str, SkippedFiles] = field(default_factory=dict)
    duplicates: Duplicates | None = None
    warnings: tuple[str, ...] = ()
    provenance: Provenance | None = None
    _datasets: Datasets = field(kw_only=True, repr=False, compare=False)

    def derive(self, changes: Iterable[Change] = (), **options: Any) -> Dataset:
        """Make a new data set from this one; see `Datasets.derive`."""
        return self._datasets.derive(self.id, changes, **options)

    def delete(self, *, force: bool = False) -> None:
        """Delete the data set and all its names. force: also if a version was trained on it."""
        self._datasets.delete(self.id, force=force)


class Datasets:
    """The server's data sets."""

    def __init__(self, transport: Transport, uploads: Uploads) -> None:
        self._transport = transport
        self._uploads = uploads

    def upload(
        self,
        path: Path | str,
        name: str | None = None,
        *,
        test_fraction: float | None = None,
        seed: int | None = None,
        image_shape: tuple[int, int] | None = None,
        channels: int | None = None,
        on_unreadable: OnUnreadable | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Dataset:
        """Upload an `.npz` file, an archive with a folder of images for each class, or such a folder.

        A file of 64 MiB or more is sent as a resumable upload: if it is interrupted, the same call continues it.

        path: a text that begins with `https:`, `s3:` or `file:` is a URL that the server reads itself. name: by default
        the file's name, with `-upload` after that of a built-in data set. test_fraction, seed: the share of test images
        and the random seed of the split, if the file has no test images. image_shape: height and width to which images
        are resized. channels: 1 converts them to grayscale, 3 to colour. By default the server chooses both from the
        images (`Dataset.chosen`).
        on_unreadable: `skip` images that cannot be read (`Dataset.skipped`), or `refuse` the upload; by default it is
        refused if they are more than 1 % of the images. Raises `LocalFileError` if a class folder has no image.
        """
        named = name_in(path) if isinstance(path, str) and is_url(path) else Path(path)
        params = {
            "name": name or name_of(named),
            "test_fraction": test_fraction,
            "seed": seed,
            "image_shape": image_shape and "x".join(map(str, image_shape)),
            "channels": channels,
            "on_unreadable": on_unreadable,
        }
        if isinstance(path, str) and is_url(path):
            return self.dataset_of(
                self._transport.create(
                    path_to("datasets"), params=params, document=reference(path), read_timeout=SECONDS
                )
            )
        body = opened(path)
        if isinstance(body, FolderBody):
            body.refuse_empty_class()
        if (sent := self._uploads.of_body(body, on_bytes)) is not None:
            source, upload = sent
            document = {"upload": upload.id}
            values = self._transport.create(
                path_to("datasets"), params=params, document=document, read_timeout=DERIVE_SECONDS
            )
            self._uploads.forget(source, upload)
            return self.dataset_of(values)
        dataset = self.dataset_of(
            self._transport.create(path_to("datasets"), params=params, body=body, on_bytes=on_bytes)
        )
        if isinstance(body, FolderBody):
            return replace(dataset, skipped=merged(body.skipped, dataset.skipped))
        return dataset

    def derive(
        self,
        reference: str,
        changes: Iterable[Change] = (),
        *,
        path: Path | str | None = None,
        name: str | None = None,
        split: SplitName | None = None,
        new_classes: bool = False,
        on_unreadable: OnUnreadable | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Dataset:
        """Make a new data set from one with this id or name; that one stays as it is.

        changes: `AddFromJob`, `AddFromDataset`, `Relabel` and `Remove`, with indices of the data set before them; give
        its id if its name could move. path: an archive of images to add, with a folder for each class, or such a
        folder. name: of the result; by default the data set's, which then points to the result. split: to which images
        are added, by default `train`. new_classes: whether labels that are not its classes become classes.
        on_unreadable: what to do about uploaded images that cannot be read, as for `upload`. Images that were not
        added, because they are in another split or there already, are in `Dataset.skipped`.
        """
        params = {"name": name, "split": split, "new_classes": new_classes or None, "on_unreadable": on_unreadable}
        document, route = as_json(changes), path_to("datasets", reference, "derive")
        if path is None:
            return self.dataset_of(
                self._transport.create(route, params=params, document=document, read_timeout=DERIVE_SECONDS)
            )
        body = opened(path)
        form = FormBody(body, "file", {"changes": json.dumps(document)})
        dataset = self.dataset_of(
            self._transport.create(route, params=params, body=form, on_bytes=on_bytes, read_timeout=DERIVE_SECONDS)
        )
        if isinstance(body, FolderBody):
            return replace(dataset, skipped=merged(body.skipped, dataset.skipped))
        return dataset

    def list(self, limit: int | None = None) -> Iterator[Dataset]:
        """Return the data sets, newest first, at most `limit`."""
        return map(self.dataset_of, self._transport.pages(path_to("datasets"), size=limit))

    def built_in(self) -> tuple[BuiltInDataset, ...]:
        """Return the built-in data sets, also those that are not prepared yet."""
        found = self._transport.get(path_to("datasets"), limit=1)
        return tuple(read(BuiltInDataset, one) for one in found.get("built_in", ()))  # none of an older server

    def get(self, reference: str) -> Dataset:
        """Return the data set with this id or name; a built-in one is prepared if it was not used before."""
        return self.dataset_of(self._transport.get(path_to("datasets", reference)))

    def images(
        self,
        reference: str,
        split: Literal["train", "validation", "test"] = "train",
        *,
        label: str | None = None,
        start: int | None = None,
        count: int | None = None,
        indices: Iterable[int] | None = None,
        seed: int | None = None,
        least_typical: bool = False,
        paths: bool = False,
    ) -> Images:
        """Return images of a data set with their indices and labels; 100 by default, at most 2,000.

        label: only images of this class. start, count: the range of those selected. indices: the images at these
        indices of the split, at most 500. seed: a random order. least_typical: first those that are farthest from the
        mean image of their class. paths: whether to read the paths that the images had in their upload. `Images.next`
        is the `start` of the next call.
        """
        params = {
            "split": split,
            "class": label,
            "from": start,
            "count": count,
            "indices": None if indices is None else ",".join(map(str, indices)),
            "order": "least_typical" if least_typical else None if seed is None else "random",
            "seed": seed,
            "paths": "true" if paths else None,
        }
        return images_of(self._transport.content(path_to("datasets", reference, "images"), **params))

    def summary(self, reference: str) -> DatasetSummary:
        """Return a data set's balance, mean images and exact duplicates; the first call for a data set takes longer."""
        return read(DatasetSummary, self._transport.get(path_to("datasets", reference, "summary")))

    def near_pairs(self, reference: str) -> NearPairs:
        """Return the test and validation images that are almost the same as a training image.

        The first call for a data set waits for the search, which takes seconds. If it takes longer than the client
        repeats requests, `Unavailable` with the code `near_pairs_busy` is raised: call again later.
        """
        return read(NearPairs, self._transport.get(path_to("datasets", reference, "near-pairs")))

    def delete(self, reference: str, *, force: bool = False) -> None:
        """Delete a data set by its id, or one of its names; the last name deletes the content, too."""
        self._transport.change("DELETE", path_to("datasets", reference), params={"force": force})

    def dataset_of(self, values: Any) -> Dataset:
        """Return a data set from the server's JSON."""
        return read(Dataset, values, _datasets=self)


def is_file(dataset: Path | str) -> bool:
    """Return whether this is a local file or folder, and not a data set on the server.

    A `Path` is one, and a text with a slash or a data set's file ending, or the name of an existing file with a dot.
    """
    if isinstance(dataset, Path) or "/" in dataset or dataset.lower().endswith(ENDINGS):
        return True
    return "." in dataset and Path(dataset).is_file()


def name_of(path: Path) -> str:
    """Return the default name of a data set from a file: `MNIST (1).npz` becomes `mnist-1`.

    `mnist.npz` becomes `mnist-upload`, because `mnist` is the name of a built-in data set.
    """
    name = Path(path).resolve().name.lower()
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    name = re.sub(r"[^a-z0-9._-]+", "-", name).strip("._-")[:64] or "data"
    return f"{name}-upload" if name in BUILT_IN else name
