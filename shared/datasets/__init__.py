"""Data sets: checked when they are uploaded, kept under the SHA-256 of their content, prepared when built in.

`uploads.py` checks and reads what a user sends (`npz.py` arrays, `folders.py` images in folders), `store.py` keeps it,
`builtin.py` knows the sets that come with Glassbox.
"""

from shared.datasets.manifest import Manifest
from shared.datasets.store import Arrays, DatasetStore

__all__ = ["Arrays", "DatasetStore", "Manifest"]
