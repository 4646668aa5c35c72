from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from shared.datasets import Arrays, Manifest
from shared.jobs import JobStore
from shared.jobs.outcome import LiveFinding
from shared.jobs.view import job_document
from shared.network import EpochReport, Network, Training, preset
from tests.support.objects.jobs import running
from worker.running.lease import Lease
from worker.training.live_diagnosis import JobDiagnosis

LABELS = np.arange(100) % 4


class Log:
    """A lease that keeps the events of the log."""

    def __init__(self) -> None:
        self.warnings: list[dict[str, Any]] = []

    def flush(self) -> None:
        """Do nothing: there are no reports."""

    def log(self, event: str, data: dict[str, Any]) -> None:
        assert event == "warning"
        self.warnings.append(data)


class Diagnosed:
    """A training whose epochs have the given losses."""

    def __init__(self, known: tuple[LiveFinding, ...] = ()) -> None:
        images = np.zeros((100, 4), np.uint8)
        configuration = preset("fast", epochs=8, batch_size=10)
        self.training = Training(Network((4,), 4, configuration), images, LABELS)
        self.log = Log()
        manifest = type("Classes", (), {"classes": tuple("abcd")})()
        arrays = Arrays(images, LABELS, images, LABELS)
        self._diagnosis = JobDiagnosis(cast("Manifest", manifest), arrays, known)

    def after(self, *losses: float) -> dict[str, LiveFinding]:
        """Add an epoch for each loss; return the findings after the last."""
        found: tuple[LiveFinding, ...] = ()
        for loss in losses:
            self.training.history.append(EpochReport(len(self.training.history) + 1, loss, 0.5, 0.1))
            found = self._diagnosis.update(self.training, cast("Lease", self.log))
        return {finding["code"]: finding for finding in found}


def test_a_finding_is_logged_once_and_kept_when_it_no_longer_holds() -> None:
    job = Diagnosed()
    first = job.after(1.0, 0.5, 1.2, 1.2, 1.2)["diverged"]
    assert (first["epoch"], first["holds"]) == (5, True)
    assert job.after(0.4)["diverged"]["holds"] is False
    assert first["holds"] is True  # what was reported does not change
    again = job.after(1.2, 1.3, 1.4)["diverged"]
    assert (again["epoch"], again["holds"]) == (9, True)
    assert again["message"] != first["message"]
    assert job.log.warnings == [{"code": "diverged", "message": first["message"], "epoch": 5}]


def test_a_later_attempt_does_not_log_a_finding_again() -> None:
    first = Diagnosed()
    known = tuple(first.after(1.0, 0.5, 1.2, 1.2, 1.2).values())
    resumed = Diagnosed(known)
    resumed.training.history.extend(first.training.history)
    assert resumed.after(1.2)["diverged"]["epoch"] == 5
    assert resumed.log.warnings == []


@pytest.mark.parametrize("holds", [True, False])
def test_a_running_job_shows_the_findings_that_hold(jobs: JobStore, holds: bool) -> None:
    claim = running(jobs)
    finding = LiveFinding(code="diverged", message="The loss rises.", epoch=3, holds=holds)
    jobs.renew(claim, diagnosis=[finding])
    document = job_document(jobs.get(claim.job.id))
    shown = {"code": "diverged", "message": "The loss rises.", "epoch": 3}
    assert document.get("diagnosis") == ([shown] if holds else [])
    assert document.get("warnings") == (["The loss rises."] if holds else None)
