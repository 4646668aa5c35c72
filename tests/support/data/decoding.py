"""`python -m tests.support.data.decoding BYTES HxW[x3] FILE …`: decodes under a memory limit, prints each result."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from shared.runtime.settings import limit_blas_threads

limit_blas_threads(1)  # as workers do, before anything imports NumPy

import numpy as np  # noqa: E402

from shared.errors import Malformed  # noqa: E402
from shared.images.decoding import decode_into  # noqa: E402

MAX_PIXELS = 16_000_000


def main(more: str, shape: str, *paths: str) -> None:
    """Limit the process to its present data plus `more` bytes, and decode into rows of `shape`."""
    contents = [Path(path).read_bytes() for path in paths]
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData:"))
    limit = kilobytes * 1024 + int(more)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    row = np.zeros(tuple(map(int, shape.split("x"))), np.uint8)
    for content in contents:
        try:
            decode_into(row, content, MAX_PIXELS)
        except Malformed as error:
            print(error.code, error.detail)
        except MemoryError:
            print("MemoryError")
        else:
            print("decoded", row.max())


if __name__ == "__main__":
    main(*sys.argv[1:])
