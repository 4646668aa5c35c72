"""Judging an uploaded file: what it is by its bytes, whether it is taken, and the plan by which it is read."""

from __future__ import annotations

from pathlib import Path

from shared.archives.plan import Plan
from shared.archives.zip_directory import find_directory
from shared.archives.zip_planning import plan_zip
from shared.errors import UnsupportedType
from shared.settings import Settings


def judge(path: Path, limits: Settings) -> Plan:
    """Judge an uploaded file and give its plan.

    Raises `UnsupportedType` for what is no archive that is taken here, and `TooLarge` or `Invalid` with the name of the
    first entry that breaks a rule.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        directory = find_directory(file.fileno(), size)
        if directory:
            return plan_zip(file.fileno(), size, directory, limits)
    raise UnsupportedType("archive_expected", "the body is not an archive that is taken here; send a zip of images")
