"""Measured figures and their targets: printed as a table, written as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One measured figure and its target; `reached` is None if it has no target."""

    what: str
    value: float
    unit: str
    target: str = ""
    reached: bool | None = None


def report(figures: Iterable[Figure], output: Path) -> int:
    """Print the figures, and write them with a description of the machine; return 1 if a target was missed, else 0."""
    measured = list(figures)
    for figure in measured:
        verdict = {True: "reached", False: "MISSED", None: ""}[figure.reached]
        print(f"{figure.what:<62}{figure.value:>12,.3f} {figure.unit:<8} {figure.target:<28} {verdict}".rstrip())
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"machine": machine, "figures": [asdict(one) for one in measured]}, indent=2) + "\n")
    return 1 if any(figure.reached is False for figure in measured) else 0
