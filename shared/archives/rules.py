"""The rules on single entries: applied to a run of them at once, told of the first entry that breaks one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.archives.names import Broken, shown
from shared.errors import GlassboxError


class Rule(NamedTuple):
    """A mask (n,) of the entries that break the rule, and the error that tells of one: its kind, code and wording."""

    broken: NDArray[np.bool_]
    error: type[GlassboxError]
    code: str
    what: str


def enforce(rules: Iterable[Rule], names: Sequence[str], bad_name: Broken | None) -> None:
    """Raise the error of the first entry that breaks a rule; of several on one entry, that of its name or the first."""
    found = [] if bad_name is None else [bad_name]
    for rule in rules:
        if rule.broken.any():
            index = int(rule.broken.argmax())
            found.append((index, rule.error(rule.code, f"{shown(names[index])} {rule.what}")))
    if found:
        raise min(found, key=lambda broken: broken[0])[1]
