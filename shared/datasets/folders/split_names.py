"""The names of splits, as data sets have them: `train`, `Testing`, `valid`, `seg_train` and `seg_test`, `val2017`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

WORD = re.compile(r"[^\W\d_]+")
IN_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
AFTER = re.compile(r"(dataset|data|sets?|images|imgs|split)$")  # in one word with the role: `trainset`, `testdata`
NUMBERS = re.compile(r"[\W\d_]+")  # with the characters around them


class Role(StrEnum):
    """What a split is for."""

    TRAIN = "train"
    TEST = "test"
    VALIDATION = "validation"


ROLES = {
    "train": Role.TRAIN,
    "training": Role.TRAIN,
    "test": Role.TEST,
    "testing": Role.TEST,
    "val": Role.VALIDATION,
    "valid": Role.VALIDATION,
    "validation": Role.VALIDATION,
    "dev": Role.VALIDATION,
    "eval": Role.VALIDATION,
    "evaluation": Role.VALIDATION,
}


def role_of(name: str) -> tuple[Role, str] | None:
    """Return the role that a name states, and the rest of the name; None if no word, or more than one, states a role.

    `Seg_Train` is `TRAIN` with the rest `seg_`, and `imagesTrain` with `images_`.
    """
    folded = IN_CAMEL_CASE.sub("_", name.strip()).casefold()
    words = [(match, AFTER.sub("", match[0])) for match in WORD.finditer(folded)]
    words = [(match, match[0] if match[0] in ROLES else stem) for match, stem in words]
    stated = [(match.start(), stem) for match, stem in words if stem in ROLES]
    if len(stated) != 1:
        return None
    ((start, word),) = stated
    return ROLES[word], folded[:start] + folded[start + len(word) :]


def roles_of(names: Iterable[str]) -> dict[str, Role] | None:
    """Return the role of each name if all state one and have the same rest, as the splits of one set do; else None.

    Numbers may differ if the splits are for different purposes: `train` and `test1`, `1_train` and `2_test`.
    """
    found = {name: role_of(name) for name in names}
    known = {name: stated for name, stated in found.items() if stated}
    roles = {name: role for name, (role, _) in known.items()}
    if len(known) != len(found):
        return None
    rests = {rest for _, rest in known.values()}
    if len(rests) == 1 or (is_divided(roles) and len({NUMBERS.sub("", rest) for rest in rests}) == 1):
        return roles
    return None


def is_divided(roles: Mapping[str, Role]) -> bool:
    """Return whether some names are for training, and others are not."""
    return Role.TRAIN in roles.values() and len(set(roles.values())) > 1
