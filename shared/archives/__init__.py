"""Archives of images: validation of an uploaded file, its index, and reads of single entries.

`validate` accepts or rejects a file and returns its `ArchiveIndex`. A worker loads the index with `load` and reads the
entries of its shards through `Contents`. No entry is ever extracted to a path that an archive names.
"""

from shared.archives.index import ArchiveIndex
from shared.archives.indexing.several import SeveralArchives, load
from shared.archives.reader import Contents
from shared.archives.validate import validate

__all__ = ["ArchiveIndex", "Contents", "SeveralArchives", "load", "validate"]
