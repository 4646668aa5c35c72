"""The names of a data set's arrays: `x_train` and `y_train`, `train_images` and `train_labels`, `X` and `target`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.archives.entries import shown
from shared.datasets.folders.split_names import ROLES, Role
from shared.errors import Invalid

IMAGES = frozenset({"x", "image", "images", "img", "imgs", "data", "pixels", "input", "inputs"})
LABELS = frozenset({"y", "label", "labels", "lbl", "lbls", "target", "targets"})
ARRAY_ROLES = ROLES | {"tr": Role.TRAIN, "te": Role.TEST}
NEUTRAL = frozenset({"set", "orig"})
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
IN_ONE_WORD = re.compile(rf"(?P<kind>[xy])(?P<role>{'|'.join(filter(str.isascii, ARRAY_ROLES))})", re.IGNORECASE)
NUMBER = re.compile(r"[0-9]+")
EXPECTED = "it must hold x_train, y_train, x_test, y_test, or x and y"

Pair = tuple[str, str]  # the names of an array of images and of one of labels


@dataclass(frozen=True)
class ArrayNames:
    """The arrays of the splits, in pairs. Without `test` the server splits the images for training."""

    train: Pair
    test: Pair | None = None
    validation: Pair | None = None

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs."""
        return tuple(filter(None, (self.train, self.validation, self.test)))


def find_arrays(names: Iterable[str], where: str = "the .npz") -> ArrayNames:
    """Return the arrays of a data set among these names; arrays of other names are ignored. Raises `Invalid`."""
    names = sorted(names)
    images: dict[Role | None, str] = {}
    labels: dict[Role | None, str] = {}
    parts: dict[str, str] = {}  # of arrays that were saved in several ones, such as x_1 and x_2
    for name in sorted(names, key=_plainness):
        kind = _kind_of(name)
        if kind is not None:
            is_images, role = kind
            first = (images if is_images else labels).setdefault(role, name)
            if first != name and NUMBER.sub("", first) == NUMBER.sub("", name):
                parts[first] = name
    roles = {role for role in (*images, *labels) if role is not None}
    if not roles:
        _refuse_missing(where, names, images, labels, (None,), "x", "y")
        _refuse_parts(where, parts, (images[None], labels[None]))
        return ArrayNames((images[None], labels[None]))
    needed = [role for role in Role if role in roles | {Role.TRAIN}]
    _refuse_missing(where, names, images, labels, needed, "x_", "y_")
    pairs = {role: (images[role], labels[role]) for role in needed}
    _refuse_parts(where, parts, *pairs.values())
    return ArrayNames(pairs[Role.TRAIN], pairs.get(Role.TEST), pairs.get(Role.VALIDATION))


def _kind_of(name: str) -> tuple[bool, Role | None] | None:
    """Return whether an array holds images, not labels, and its split; None if its name says neither."""
    together = IN_ONE_WORD.fullmatch(name)
    words = list(together.groups()) if together else WORD.findall(name)
    words = [word.lower() for word in words if word.lower() not in NEUTRAL]
    if "data" in words and not (LABELS | IMAGES - {"data"}).isdisjoint(words):  # such as `data_labels`, `x_data`
        words.remove("data")
    kinds = [word in IMAGES for word in words if word in IMAGES | LABELS]
    roles = [ARRAY_ROLES[word] for word in words if word in ARRAY_ROLES]
    if len(kinds) != 1 or len(roles) > 1 or len(words) != len(kinds) + len(roles):
        return None
    return kinds[0], roles[0] if roles else None


def _plainness(name: str) -> tuple[bool, bool, str]:
    """Sort `x…` and `y…` before other names for the same array, and `data`, which is often flat, after `images`."""
    return name[:1] not in {"x", "y"}, "data" in name.lower(), name


def _refuse_parts(where: str, parts: Mapping[str, str], *pairs: Pair) -> None:
    """Raise `Invalid` if an array of these pairs is one of several whose names differ in numbers alone."""
    for name in (name for pair in pairs for name in pair if name in parts):
        raise Invalid(
            "npz_duplicate",
            f"{where} holds {shown(name)} and {shown(parts[name])}, and one of them would be ignored: join them by"
            " numpy.concatenate, or leave out all but one",
        )


def _refuse_missing(
    where: str,
    names: list[str],
    images: dict[Role | None, str],
    labels: dict[Role | None, str],
    roles: Iterable[Role | None],
    x: str,
    y: str,
) -> None:
    missing = [
        f"{prefix}{role or ''}" for role in roles for prefix, found in ((x, images), (y, labels)) if role not in found
    ]
    if missing:
        holds = ", ".join(name[:50] for name in names[:10]) + (
            f" and {len(names) - 10} more" if len(names) > 10 else ""
        )
        raise Invalid(
            "npz_array_missing", f"{where} lacks {', '.join(missing)}: {EXPECTED}; it holds {holds or 'nothing'}"
        )
