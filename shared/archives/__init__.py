"""Archives of images: everything between an uploaded file and the bytes of its entry `i`.

`judge` decides whether a file is taken and gives its `Plan`; any worker loads the plan and reads its share through
`Contents`. Nothing is ever extracted to a path that an archive names.
"""

from shared.archives.index import Plan
from shared.archives.reader import Contents
from shared.archives.validate import judge

__all__ = ["Contents", "Plan", "judge"]
