"""The diagnosis of a running training in its job: events `warning`, and the findings of the record."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.datasets import Arrays, Manifest
from shared.jobs.outcome import LiveFinding
from shared.network import AutoTraining, Training
from shared.network.assessment.diagnosis import Finding
from shared.network.assessment.live import RULES, LiveDiagnosis, Setting
from worker.running.lease import Lease


class JobDiagnosis:
    """Every finding that the job has had, and whether it holds now; each is logged when it first holds.

    known: those of earlier attempts, which are not logged again.
    """

    def __init__(self, manifest: Manifest, arrays: Arrays, known: Sequence[LiveFinding]) -> None:
        self._classes = manifest.classes
        self._counts = np.bincount(arrays.y_train, minlength=len(manifest.classes)).tolist()
        self._validation = len(arrays.validation[1]) if arrays.validation else 0
        self._findings: dict[str, LiveFinding] = {finding["code"]: finding for finding in known}
        self._live: LiveDiagnosis | None = None

    def update(self, training: Training | AutoTraining, lease: Lease) -> tuple[LiveFinding, ...]:
        """Take the epochs that have ended since the last call, at least one; return the findings."""
        if self._live is None:  # the preset `auto` has chosen the configuration by the end of the first epoch
            configuration = training.network.configuration
            self._live = LiveDiagnosis(Setting(configuration, self._classes, self._counts, self._validation))
        found: dict[str, Finding] = {}
        for report in training.history[len(self._live.history) :]:
            found = self._live.add(report)
        epoch = training.history[-1].epoch
        for code in self._findings.keys() - found.keys():
            self._findings[code]["holds"] = False
        for code, each in found.items():
            held = self._findings.get(code)
            if held is None or not held["holds"]:
                self._findings[code] = {
                    "code": code,
                    "message": each.message,
                    "epoch": epoch,
                    "holds": True,
                }
            if held is None:
                lease.flush()  # the event follows those of the epochs before
                lease.log("warning", {"code": code, "message": each.message, "epoch": epoch})
        known = [code for code in RULES if code in self._findings]  # an attempt of another release may have had others
        return tuple(self._findings[code].copy() for code in known)
