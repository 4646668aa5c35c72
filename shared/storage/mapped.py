"""Arrays of an uncompressed `.npz`, mapped into memory."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


def map_array(path: Path, name: str) -> NDArray[Any]:
    """Map one array of an uncompressed `.npz` into memory, so that only the used pages are read."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member, path.open("rb") as file:
        version = npy.read_magic(member)
        assert version == (1, 0)
        shape, _, dtype = npy.read_array_header_1_0(member)
        info = archive.getinfo(f"{name}.npy")
        file.seek(info.header_offset + 26)  # the local header (APPNOTE 4.3.7): the lengths of name and extra field
        name_length, extra_length = np.frombuffer(file.read(4), "<u2").tolist()
        offset = info.header_offset + 30 + name_length + extra_length + member.tell()
        return np.memmap(path, dtype, "r", offset, shape)
