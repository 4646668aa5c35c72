"""The files in a folder."""

from __future__ import annotations

from pathlib import Path

from shared.storage.volume import Volume


def files_below(*folders: Path) -> list[str]:
    """Return the relative paths of the files below the folders, hidden ones included; a missing folder has none."""
    return sorted(
        str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*") if not path.is_dir()
    )


def left_behind(volume: Volume) -> list[str]:
    """Return the files in the folders of uploads, data sets and jobs: none, after a refused request."""
    places = (volume.incoming, volume.datasets, volume.jobs)
    return [str(path.relative_to(volume.root)) for place in places for path in place.rglob("*")]
