"""Data sets: validation of uploads, storage by the SHA-256 of the content, and the built-in sets.

`uploads.py` validates and reads an upload (`arrays/`, or images in class `folders/`), `store.py` stores it, and
`builtin/` prepares the data sets that come with Glassbox.
"""

from shared.datasets.manifest import Manifest
from shared.datasets.store import Arrays, DatasetStore

__all__ = ["Arrays", "DatasetStore", "Manifest"]
