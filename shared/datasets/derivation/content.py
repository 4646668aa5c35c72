"""The content of a data set that changes make from an existing one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, compress, repeat

import numpy as np
from numpy.typing import NDArray

from shared.archives.entries import shown
from shared.archives.skipped import SkipReport
from shared.datasets.content import Content, Images, Labels, Split
from shared.datasets.derivation.origins import KeptImages
from shared.datasets.duplicates import Fingerprints
from shared.datasets.folders.folders import Blocks
from shared.datasets.manifest import Manifest, Provenance
from shared.datasets.paths import ImagePaths, Repeated
from shared.datasets.store import Arrays
from shared.errors import Invalid, TooLarge
from shared.runtime.settings import Settings

IN_OTHER_SPLIT, PRESENT = "in_other_split", "already_present"

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Addition:
    """Images (n, ...) of one origin, in the data set's shape, with the names of their classes and names for messages.

    job, dataset: the id of the batch or the data set that they come from; both None for an upload. paths: those that
    the images had in their upload, n in all; empty if they are not known.
    """

    blocks: Iterable[Images]
    classes: Sequence[str]
    name_of: Callable[[int], str]
    job: str | None = None
    dataset: str | None = None
    paths: Iterable[str] = ()

    def chosen_paths(self, mask: Mask) -> Iterator[str]:
        """Iterate over the paths of the images for which the mask (n,) is true."""
        return compress(chain(self.paths, repeat("")), mask.tolist())


@dataclass(frozen=True)
class Changes:
    """Changes to a data set.

    removed: masks (N,) by split. relabelled: by split, the names of the new classes by index. additions: images that
    are added to `split`, in this order. upload: an upload by `read_additions` that is added after them; its damaged
    images are found when they are decoded. new_classes: whether names that are not classes of the data set become
    classes. by: the name of the API key.
    """

    removed: Mapping[str, Mask]
    relabelled: Mapping[str, Mapping[int, str]]
    additions: tuple[Addition, ...] = ()
    split: str = "train"
    upload: Content | None = None
    new_classes: bool = False
    by: str | None = None


def derive(source: Manifest, arrays: Arrays, changes: Changes, limits: Settings, paths: ImagePaths) -> Content:
    """Return the source's content with the changes. Its images are read on iteration, block by block.

    paths: of the source's images, which keep them.

    The classes of the source keep their order, and new ones follow, sorted. Removed images leave their split, images
    with new labels keep their place, and added ones follow the others. An added image that equals an image of another
    split, or one of the same class in its own, is skipped, which the content reports when its images have been read.
    Raises `Invalid` or `TooLarge`, here or when the content is revised.
    """
    return _Derivation(source, arrays, changes, _classes(source, changes, limits), limits, paths).content()


def _classes(source: Manifest, changes: Changes, limits: Settings) -> tuple[str, ...]:
    """Return the classes of the result. Raises `Invalid` for a new one that is not allowed."""
    named = {name for names in changes.relabelled.values() for name in names.values()}
    named.update(*(addition.classes for addition in changes.additions))
    if changes.upload is not None:
        named.update(changes.upload.classes)
    new = sorted(named.difference(source.classes))
    if new and not changes.new_classes:
        raise Invalid(
            "dataset_classes",
            f"{_listed(new)} {'is not a class' if len(new) == 1 else 'are not classes'} of this data set, which has"
            f" {_listed(source.classes)}: correct the label, or set new_classes=true",
        )
    for name in new:
        if len(name.encode()) > limits.max_name_bytes:
            raise Invalid(
                "dataset_classes",
                f"the label {name[:40]!r}… has {len(name.encode())} bytes; a class may have at most"
                f" {limits.max_name_bytes} (GLASSBOX_MAX_NAME_BYTES)",
            )
    if len(source.classes) + len(new) > limits.max_classes and new:
        raise Invalid(
            "dataset_classes",
            f"the data set would have {len(source.classes) + len(new)} classes; at most {limits.max_classes} are"
            " allowed (GLASSBOX_MAX_CLASSES)",
        )
    return (*source.classes, *new)


def _listed(names: Sequence[str]) -> str:
    others = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{', '.join(map(shown, names[:10]))}{others}"


@dataclass(frozen=True)
class _Chosen:
    """The blocks' images for which the mask `chosen` (n,) is true."""

    blocks: Iterable[Images]
    chosen: Mask

    def __iter__(self) -> Iterator[Images]:
        start = 0
        for block in self.blocks:
            kept = block[self.chosen[start : start + len(block)]]
            start += len(block)
            if len(kept):
                yield kept


@dataclass(frozen=True)
class _Chain:
    """The blocks of several parts, one part after the other; empty ones are omitted."""

    parts: tuple[Iterable[Images], ...]

    def __iter__(self) -> Iterator[Images]:
        for part in self.parts:
            yield from (block for block in part if len(block))


@dataclass(frozen=True)
class _Derivation:
    """Changes to a data set, with the classes of the result."""

    source: Manifest
    arrays: Arrays
    changes: Changes
    classes: tuple[str, ...]
    limits: Settings
    paths: ImagePaths

    @property
    def additions(self) -> tuple[Addition, ...]:
        """All images to add, the upload's last."""
        upload = self.changes.upload
        if upload is None:
            return self.changes.additions
        blocks = upload.train.blocks
        assert isinstance(blocks, Blocks), "the upload is not one by read_additions"
        names = [upload.classes[label] for label in upload.train.labels.tolist()]
        return *self.changes.additions, Addition(blocks, names, blocks.name_of, paths=upload.train.paths)

    def content(self, chosen: Sequence[Mask] | None = None, skipped: SkipReport | None = None) -> Content:
        """Return the content.

        chosen: masks (n,) of the images of each addition that are added; by default all, until they are compared with
        the others. skipped: the report of those that are not.
        """
        changes, upload = self.changes, self.changes.upload
        additions = self.additions
        chosen = chosen or [np.ones(len(addition.classes), np.bool_) for addition in additions]
        splits, relabelled = {}, 0
        for part, (images, labels) in self.arrays.splits.items():
            kept = ~changes.removed[part] if part in changes.removed else np.ones(len(labels), np.bool_)
            new = self._relabelled(part, labels)
            relabelled += int((new != labels)[kept].sum())
            paths = Repeated(partial(self.paths.chosen, part, kept))
            splits[part] = Split(new[kept], KeptImages(images, kept), paths)
        target = splits[changes.split]
        masked = list(zip(additions, chosen, strict=True))
        splits[changes.split] = Split(
            np.concatenate([target.labels, *(self._indices(each.classes)[mask] for each, mask in masked)]),
            _Chain((target.blocks, *(_Chosen(each.blocks, mask) for each, mask in masked))),
            Repeated(lambda: chain(target.paths, *(each.chosen_paths(mask) for each, mask in masked))),
        )
        self._check(splits)
        new_classes = self.classes[len(self.source.classes) :]
        count = {id(each): int(mask.sum()) for each, mask in masked}
        report = skipped or SkipReport(None if upload is None else upload.skipped)
        return Content(
            self.source.image_shape,
            self.classes,
            splits["train"],
            splits["test"],
            splits.get("validation"),
            chosen={"classes": f"{_listed(new_classes)} appended to those of the source"} if new_classes else {},
            colour_dropped=self.source.colour_dropped or (upload is not None and upload.colour_dropped),
            colour_check=self.source.colour_check,
            skipped=report.as_json(),
            unsupported=0 if upload is None else upload.unsupported,
            doubts=(*(upload.doubts if upload else ()), *_doubts(report, changes.split)),
            provenance=Provenance(
                derived_from=self.source.id,
                added=sum(count.values()),
                relabelled=relabelled,
                removed=sum(int(mask.sum()) for mask in changes.removed.values()),
                new_classes=new_classes,
                jobs={each.job: count[id(each)] for each in additions if each.job and count[id(each)]},
                datasets=_summed((each.dataset, count[id(each)]) for each in additions if each.dataset),
                uploaded=sum(count[id(each)] for each in additions if not each.job and not each.dataset),
                by=changes.by,
            ),
            revise=self._revised if skipped is None else lambda _: None,
        )

    def _revised(self, prints: Mapping[str, Fingerprints]) -> Content | None:
        """Return the content without uploaded images that turned out to be damaged, and without skipped copies."""
        upload = self.changes.upload
        if upload is not None and (readable := upload.revise({})) is not None:
            return replace(self, changes=replace(self.changes, upload=readable)).content()
        additions = self.additions
        sizes = [len(addition.classes) for addition in additions]
        own = prints[self.changes.split]
        kept = len(own) - sum(sizes)
        added = own[kept:]
        others = [np.empty(0, np.uint64), *(found for part, found in prints.items() if part != self.changes.split)]
        leaking = np.isin(added, np.concatenate(others))
        present = self._present(added, own[:kept])
        if not (leaking | present).any():
            return None
        report = SkipReport(None if upload is None else upload.skipped)
        start = 0
        chosen = []
        for addition, size in zip(additions, sizes, strict=True):
            part = slice(start, start + size)
            for code, mask in ((IN_OTHER_SPLIT, leaking[part]), (PRESENT, present[part] & ~leaking[part])):
                for place in np.flatnonzero(mask).tolist():
                    report.add(code, [addition.name_of(place)])
            chosen.append(~(leaking[part] | present[part]))
            start += size
        return self.content(chosen, report)

    def _present(self, added: Fingerprints, own: Fingerprints) -> Mask:
        """Return which added images (n,) equal an earlier one of the same class in their split.

        own: fingerprints of the source's images there.
        """
        part = self.changes.split
        labels = self._relabelled(part, self.arrays.splits[part][1])
        if part in self.changes.removed:
            labels = labels[~self.changes.removed[part]]
        among = np.flatnonzero(np.isin(own, added))
        seen = set(zip(own[among].tolist(), labels[among].tolist(), strict=True))
        classes = self._indices(name for addition in self.additions for name in addition.classes)
        present = np.zeros(len(added), np.bool_)
        for place, pair in enumerate(zip(added.tolist(), classes.tolist(), strict=True)):
            present[place] = pair in seen
            seen.add(pair)
        return present

    def _relabelled(self, part: str, labels: Labels) -> Labels:
        """Return the labels (N,) of a split of the source with the new ones."""
        wanted = self.changes.relabelled.get(part)
        if not wanted:
            return labels
        new = np.array(labels)
        new[list(wanted)] = self._indices(wanted.values())
        return new

    def _indices(self, names: Iterable[str]) -> Labels:
        """Return the indices of classes."""
        index_of = {name: index for index, name in enumerate(self.classes)}
        return np.array([index_of[name] for name in names], np.int64)

    def _check(self, splits: Mapping[str, Split]) -> None:
        """Raise `Invalid` for a split without images, or a class that has lost them; `TooLarge` for too many images."""
        for part, split in splits.items():
            if not len(split.labels):
                raise Invalid("dataset_images", f"no image for {part} would be left: keep at least one")
        total = sum(len(split.labels) for split in splits.values())
        if total * self.arrays.x_train[0].nbytes > self.limits.max_dataset_bytes:
            raise TooLarge(
                "dataset_too_large",
                f"the images would take more than {self.limits.max_dataset_bytes} bytes (GLASSBOX_MAX_DATASET_BYTES)",
            )
        before = np.bincount(self.arrays.y_train, minlength=len(self.classes))
        after = np.bincount(splits["train"].labels, minlength=len(self.classes))
        lost = np.flatnonzero((after == 0) & ((before > 0) | (np.arange(len(after)) >= len(self.source.classes))))
        if lost.size:
            raise Invalid(
                "dataset_classes",
                f"the class {shown(self.classes[lost[0]])} would have no image for training: keep or add at least one"
                " with split=train",
            )


def _summed(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the sum for each id, without zeros."""
    found: dict[str, int] = {}
    for reference, count in counts:
        if count:
            found[reference] = found.get(reference, 0) + count
    return found


def _doubts(report: SkipReport, split: str) -> tuple[str, ...]:
    """Return warnings about images that were not added."""
    found = report.as_json()
    doubts = []
    if leaking := found.get(IN_OTHER_SPLIT):
        doubts.append(
            f"{_images(leaking['count'])} not added to {split}, because the same pixels are in another split, such as"
            f" {shown(leaking['names'][0])}: an image belongs to one split. Remove it there to move it"
        )
    if present := found.get(PRESENT):
        doubts.append(
            f"{_images(present['count'])} not added to {split}, because the same pixels have this class there already,"
            f" such as {shown(present['names'][0])}"
        )
    return tuple(doubts)


def _images(count: int) -> str:
    return "1 image was" if count == 1 else f"{count:,} images were"
