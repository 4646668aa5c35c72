"""The environment that a training's bits depend on, besides its settings: library versions, processor, threads."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController

CPU_INFO = Path("/proc/cpuinfo")


def environment() -> dict[str, str]:
    """Return Python, NumPy, its BLAS with the selected kernels, and the processor, each as text to compare."""
    return {"python": platform.python_version(), "numpy": np.__version__, "blas": _blas(), "cpu": _processor()}


def blas_threads() -> int:
    """Return the number of threads that the BLAS uses in this process now."""
    return max((int(library["num_threads"]) for library in _libraries()), default=1)


def _libraries() -> list[dict[str, str]]:
    libraries: list[dict[str, str]] = ThreadpoolController().select(user_api="blas").info()
    return libraries


def _blas() -> str:
    facts = ("internal_api", "version", "architecture")
    libraries = (" ".join(str(library[fact]) for fact in facts if library.get(fact)) for library in _libraries())
    return ", ".join(sorted(libraries)) or "unknown"


def _processor() -> str:
    """Return the processor's name, or its architecture if the system does not report the name."""
    if sys.platform == "linux" and CPU_INFO.exists():
        for line in CPU_INFO.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
