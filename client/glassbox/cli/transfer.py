"""Progress of an upload or a download: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glassbox.cli.output import printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from glassbox.http.bodies import OnBytes


@contextmanager
def transfer(what: str, *, quiet: bool = False) -> Iterator[OnBytes | None]:
    """Return a context whose value is a callback for the progress, or None if no bar is drawn.

    The context removes the bar at its end.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    shown: list[Progress] = []

    def on_bytes(done: int, total: int) -> None:
        if not shown:  # draw no bar before the first block
            shown.append(_bar(what))
        shown[0].update(shown[0].task_ids[0], completed=done, total=total or None)

    try:
        yield on_bytes
    finally:
        for progress in shown:
            progress.stop()


def _bar(what: str) -> Progress:
    from rich.console import Console  # noqa: PLC0415 - see the package's docstring
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.add_task(printable(what), total=None)
    progress.start()
    return progress
