"""Archives of images: everything between an uploaded file and the bytes of its entry `i`.

`validate` decides whether a file is taken and gives its `ArchiveIndex`; any worker loads the plan and reads its share
through `Contents`. Nothing is ever extracted to a path that an archive names.
"""

from shared.archives.index import ArchiveIndex
from shared.archives.reader import Contents
from shared.archives.validate import validate

__all__ = ["ArchiveIndex", "Contents", "validate"]
