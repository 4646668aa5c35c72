"""The names of a data set's arrays: `x_train` and `y_train`, `train_images` and `train_labels`, `X` and `target`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.datasets.folders.split_names import ROLES, Role
from shared.errors import Invalid

IMAGES = frozenset({"x", "image", "images", "img", "imgs", "data", "pixels"})
LABELS = frozenset({"y", "label", "labels", "target", "targets"})
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
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
    for name in sorted(names, key=_plainness):
        kind = _kind_of(name)
        if kind is not None:
            is_images, role = kind
            (images if is_images else labels).setdefault(role, name)
    roles = {role for role in (*images, *labels) if role is not None}
    if not roles:
        _refuse_missing(where, names, images, labels, (None,), "x", "y")
        return ArrayNames((images[None], labels[None]))
    needed = [role for role in Role if role in roles | {Role.TRAIN}]
    _refuse_missing(where, names, images, labels, needed, "x_", "y_")
    pairs = {role: (images[role], labels[role]) for role in needed}
    return ArrayNames(pairs[Role.TRAIN], pairs.get(Role.TEST), pairs.get(Role.VALIDATION))


def _kind_of(name: str) -> tuple[bool, Role | None] | None:
    """Return whether an array holds images, not labels, and its split; None if its name says neither."""
    words = [word.lower() for word in WORD.findall(name)]
    kinds = [word in IMAGES for word in words if word in IMAGES | LABELS]
    roles = [ROLES[word] for word in words if word in ROLES]
    if len(kinds) == 2 and "data" in words and False in kinds:  # such as `data_labels`
        kinds = [False]
    if len(kinds) != 1 or len(roles) > 1 or len(words) != len(kinds) + len(roles):
        return None
    return kinds[0], roles[0] if roles else None


def _plainness(name: str) -> tuple[bool, str]:
    """Sort `x…` and `y…` before other names for the same array."""
    return name[:1] not in {"x", "y"}, name


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
