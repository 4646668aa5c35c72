"""Data sets as Python's pickles, such as CIFAR's: never loaded, and refused with how to convert them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.errors import Invalid

CIFAR = re.compile(r"(?:.*/)?(?:data_batch_\d|batches\.meta)", re.DOTALL)
CIFAR_100 = frozenset({"train", "test", "meta"})
PROTOCOLS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def is_pickle(content: bytes) -> bool:
    """Return whether a file is a pickle, by its first bytes."""
    return content.startswith(PROTOCOLS)


def is_cifar(names: Sequence[str]) -> bool:
    """Return whether an archive's names are those of CIFAR-10 or CIFAR-100 for Python."""
    last = {name.rpartition("/")[2] for name in names} if len(names) < 20 else set()
    return any(CIFAR.fullmatch(name) for name in names[:20]) or last >= CIFAR_100


def pickled(what: str) -> Invalid:
    """Return the error for a pickle; `what` is the subject of its sentence."""
    return Invalid(
        "dataset_pickled",
        f"{what} a Python pickle, which is never loaded, as it can run any code. Convert it on your computer and send"
        " the .npz; for a file of CIFAR-10: import pickle, numpy; b = pickle.load(open('data_batch_1', 'rb'),"
        " encoding='latin1'); numpy.savez('cifar.npz', x=b['data'].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1),"
        " y=b['labels']) (of CIFAR-100: y=b['fine_labels'])",
    )
