"""What lies in a folder."""

from __future__ import annotations

from pathlib import Path

from shared.storage.volume import Volume


def files_below(*folders: Path) -> list[str]:
    """The files below the folders, by their paths, hidden ones included; a folder that is not there has none."""
    return sorted(
        str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*") if not path.is_dir()
    )


def left_behind(volume: Volume) -> list[str]:
    """What lies where uploads, data sets and jobs lie: nothing, after a request that was refused."""
    places = (volume.incoming, volume.datasets, volume.jobs)
    return [str(path.relative_to(volume.root)) for place in places for path in place.rglob("*")]
