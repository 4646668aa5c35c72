"""Checks of folders that may be splits: an archive is refused or has a warning if its folders can mean two things.

Paths are sorted. `tops` are the folders below the common folders of all paths, `seconds` the folders in them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from shared.archives.entries import shown
from shared.datasets.folders.split_names import NUMBERS, Role, is_divided, plain_rest, role_of, roles_of
from shared.errors import Invalid

WRAPPERS = frozenset("images image imgs img data classes class pictures photos jpegimages".split())  # noqa: SIM905
EXPECTED = "the archive must hold train/<class>/… and test/<class>/…, or <class>/… alone, and nothing else"


def refuse_bare(paths: Sequence[str], tops: Sequence[str], starts: Sequence[int]) -> None:
    """Raise `Invalid` for a split that has images, but no class folders, such as a test split without labels."""
    bare = {top: path for path, top, at in zip(paths, tops, starts, strict=True) if "/" not in path[at:]}
    labelled = {top for path, top, at in zip(paths, tops, starts, strict=True) if "/" in path[at:]}
    for top, path in bare.items():
        if top not in labelled:
            stated = role_of(top)
            remedy = (
                "Put the images of each class into a folder of its own"
                if stated and stated[0] is Role.TRAIN
                else "Leave this folder out: without a test split, some of the images for training are set aside"
            )
            raise Invalid(
                "dataset_layout",
                f"{shown(path)} is not in a class folder: no image in {shown(top)} is, so their classes are unknown."
                f" {remedy}",
            )


def refuse_mixed(paths: Sequence[str], tops: Sequence[str], start: int) -> None:
    """Raise `Invalid` if folders of splits stand beside other folders, so that the splits would become classes.

    A folder of a split is one that has its name and shares the names of its folders with another folder, or has several
    folders and no image beside a folder that has only images. A class named `train`, such as of vehicles, has images
    and not the same folders as other classes.
    """
    stated = {top for top in set(tops) if role_of(top)}
    if not stated:
        return
    inside: dict[str, set[str]] = {}
    for path, top in zip(paths, tops, strict=True):
        if not top:
            return  # a file beside the folders; the layout names it
        inside.setdefault(top, set()).add(part_at(path, start + len(top) + 1))
    for top in {top for top in inside if repeats(inside[top], top)}:  # seg_train/seg_train/<class>
        wrapped = (path for path, other in zip(paths, tops, strict=True) if other == top)
        within = start + len(top) + 1 + len(next(iter(inside[top]))) + 1
        inside[top] = {part_at(path, within) for path in wrapped}
    for top in sorted(stated):
        has_classes = len(inside[top]) > 1 and "" not in inside[top]
        others = {
            other
            for other in inside
            if other != top and ((inside[top] & inside[other]) - {""} or (has_classes and inside[other] == {""}))
        }
        if others:
            named = (sorted(others - stated) or sorted(set(inside) - stated) or sorted(others))[0]
            remedy = (
                "Give both the same name around train, test or validation"
                if named in stated
                else f"Rename {shown(named)} to train, test or validation"
            )
            raise Invalid(
                "dataset_layout",
                f"the folder {shown(named)} is beside {shown(top)}, which is a split by its name and its class"
                f" folders: {EXPECTED}. {remedy}, or leave {shown(named)} out",
            )


def refuse_combined(tops: Sequence[str]) -> None:
    """Raise `Invalid` for folders that are a class and a split at once: `trainA`, `trainB`, `testA` and `testB`."""
    by_class: dict[str, dict[Role, str]] = {}
    for top in sorted(set(tops)):
        if (stated := role_of(top)) and (name := plain_rest(stated[1])):
            by_class.setdefault(name, {}).setdefault(stated[0], top)
    for name, folders in by_class.items():
        if Role.TRAIN in folders and len(folders) > 1:
            train, other = folders.pop(Role.TRAIN), min(folders)
            raise Invalid(
                "dataset_layout",
                f"the folders {shown(train)} and {shown(folders[other])} are splits of one class by their names:"
                f" rename them to train/{name}/ and {other}/{name}/, and the others likewise. Each would be a class"
                " otherwise",
            )


def refuse_several_sets(paths: Sequence[str], tops: Sequence[str], seconds: Sequence[str], start: int) -> None:
    """Raise `Invalid` for several data sets side by side: `digits/train/<class>`, `letters/train/<class>` and so on.

    In `<class>/train/<folder>` the folders belong to the class. They are classes if, in all tops, the splits have no
    images outside of them, and two or more of the same names.
    """
    inside: dict[str, dict[str, set[str]]] = {}
    for path, top, second in zip(paths, tops, seconds, strict=True):
        third = part_at(path, start + len(top) + len(second) + 2)
        inside.setdefault(top, {}).setdefault(second, set()).add(third)
    shared_names = [set.intersection(*splits.values()) for splits in inside.values()]
    if all(len(splits) > 1 for splits in inside.values()) and all(
        len(names) > 1 and "" not in names for names in shared_names
    ):
        first, *others = sorted(inside)
        folders = sorted(set.intersection(*inside[first].values()))
        raise Invalid(
            "dataset_layout",
            f"{shown(first)} and {shown(others[0])} have {listed(sorted(inside[first]))} with the same folders, such as"
            f" {listed(folders[:2])}, so they are two data sets, not two classes: send one of them. If they are"
            " classes, put their images into their splits without further folders",
        )


def refuse_incomplete(paths: Sequence[str], tops: Sequence[str], seconds: Sequence[str]) -> None:
    """Raise `Invalid` if a class has the folders of splits, but images of it or of another class are in none."""
    inside: dict[str, set[str]] = {}
    for top, second in zip(tops, seconds, strict=True):
        inside.setdefault(top, set()).add(second)
    for top, found in inside.items():
        stated = {second for second in found if role_of(second)}
        roles = roles_of(stated)
        if not roles or not is_divided(roles):
            continue
        others = (path for path, second in zip(paths, seconds, strict=True) if second not in stated)
        path = next(others)  # otherwise all folders would be splits
        raise Invalid(
            "dataset_layout",
            f"the class {shown(top)} has the splits {listed(sorted(stated))}, but {shown(path)} is in none of them: put"
            f" the images of every class into these folders, or of none. Each image would be trained on otherwise",
        )


def doubts_about_classes(tops: Sequence[str], seconds: Sequence[str]) -> tuple[str, ...]:
    """Return warnings about classes that may be splits: by their names, or by the same folders in each of them."""
    inside: dict[str, set[str]] = {}
    for top, second in zip(tops, seconds, strict=True):
        inside.setdefault(top, set()).add(second)
    doubts = [
        f"the folder {shown(top)} has the name of a split, but became a class, as the folders beside it are no splits."
        " If it is not a class, leave it out, or put its images into class folders"
        for top in sorted(inside)
        if (stated := role_of(top)) and not NUMBERS.sub("", stated[1])
    ]
    same = set.intersection(*inside.values())
    if len(inside) > 1 and len(same) > 1 and "" not in set.union(*inside.values()):
        doubts.append(
            f"the folders {listed(sorted(inside)[:2])} became classes, and each class has the folders"
            f" {listed(sorted(same)[:2])}. If these are the classes, rename the outer folders to train, validation or"
            " test, or remove them"
        )
    return tuple(doubts)


def repeats(folders: Collection[str], top: str) -> bool:
    """Return whether the only folder in the split `top` has its name: `train/train/<class>`."""
    return {folder.casefold() for folder in folders} == {top.casefold()}


def are_wrappers(inside: Mapping[str, Collection[str]]) -> bool:
    """Return whether each split has one folder, which holds its class folders: `train/images/<class>`.

    inside: the names of the folders in each split; empty for a file.
    """
    return all(len(folders) == 1 and WRAPPERS.issuperset(map(str.casefold, folders)) for folders in inside.values())


def part_at(path: str, start: int) -> str:
    """Return the folder of a path that begins at `start`; empty if there is none, only the file's name."""
    return path[start : max(path.find("/", start), start)]


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence."""
    return " and ".join(map(shown, names))
