"""Archives of images: everything between an uploaded file and the bytes of its entry `i`.

`judge` decides whether a file is taken and gives its `Plan`; any worker loads the plan and reads its share through
`Contents`. Nothing is ever extracted to a path that an archive names.
"""

from shared.archives.contents import Contents
from shared.archives.judging import judge
from shared.archives.plan import Plan

__all__ = ["Contents", "Plan", "judge"]
