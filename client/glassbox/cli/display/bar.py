"""Progress bar of a job on a terminal, with metrics, redrawn in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from glassbox.cli.display.accuracy import running_warning
from glassbox.cli.display.rates import NAMES, Rate, counted, figures, remaining
from glassbox.cli.display.selecting import selection_note
from glassbox.cli.output import printable
from glassbox.http.events import Event
from glassbox.jobs import SUCCESS, Job


class Bar:
    """A progress bar with metrics, redrawn in place."""

    def __init__(self, job: Job) -> None:
        self._rate = Rate()
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[figures]}", style="cyan"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[eta]}", style="dim"),
            console=Console(stderr=True, highlight=False),
        )
        self._total = job.progress.total
        self._unit = job.progress.unit
        self._task = self.progress.add_task(job.state, total=self._total or None, count="", figures="", eta="")

    def event(self, event: Event) -> None:
        """Redraw the bar after an event."""
        if event.type == "state":
            state = str(event.data["state"])
            self.progress.update(self._task, description=NAMES.get(state, state), eta="")
            if state in SUCCESS:
                self.progress.update(self._task, completed=self._total)
        if text := selection_note(event):
            self.note(text)
        if text := running_warning(event):
            self._print(f"warning: {text}")
        if "progress" in event.data:
            done, total = event.data["progress"]["done"], event.data["progress"]["total"]
            self._total = total
            self.progress.update(
                self._task,
                completed=done,
                total=total,
                count=counted(done, total, self._unit),
                figures="  ".join(figures(event.data.get("metrics") or {}, self._rate.of(done), self._unit)),
                eta=remaining(event.data["progress"]["eta_seconds"]),
            )

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._print(f"note: {text}")

    def _print(self, line: str) -> None:
        self.progress.console.print(printable(line), markup=False)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Return a context in which the bar is not drawn, for a question on the terminal."""
        self.progress.stop()
        try:
            yield
        finally:
            self.progress.start()
