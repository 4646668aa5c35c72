"""The index of a model's versions: the parts of their manifests that lists need, in one file.

The index is a cache of files that do not change. A version that it lacks, or whose manifest has another size, is read
from its manifest, so an index that is missing, old or damaged makes a list slower and not wrong. Publishing a version
writes the index anew. If two processes do so at once, the index may lack one of the versions until the next one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from pydantic import ValidationError

from shared.errors import StorageFull
from shared.registry.manifest import FORMAT, VersionHead
from shared.storage import durable
from shared.storage.volume import Volume

log = logging.getLogger(__name__)


Signature = tuple[int, int, int] | None
"""The inode, the size and the modification time of an index; None without one."""


class VersionIndex:
    """The reader and writer of the models' indices."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def signature(self, name: str) -> Signature:
        """Return what changes if the model's index is written."""
        try:
            stat = self._volume.version_index(name).stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def read(self, name: str) -> dict[int, VersionHead]:
        """Return the heads in the model's index that this version of the code can use, by number; {} without one."""
        try:
            content = json.loads(self._volume.version_index(name).read_bytes())
            heads = [VersionHead.model_validate(each) for each in content["versions"] if each["format"] <= FORMAT]
        except FileNotFoundError:
            return {}
        except (ValueError, LookupError, TypeError, ValidationError) as error:
            log.warning("the index of the model %s is skipped, because it cannot be read: %s", name, error)
            return {}
        return {head.version: head for head in heads if head.model == name}

    def write(self, name: str, heads: Iterable[VersionHead]) -> None:
        """Write the model's index; without space for it, the model keeps the old one."""
        lines = ",\n".join(head.model_dump_json() for head in heads)
        try:
            durable.write_bytes(self._volume.version_index(name), f'{{"versions": [\n{lines}\n]}}\n'.encode())
        except (OSError, StorageFull) as error:
            log.warning("the index of the model %s was not written: %s", name, error)
