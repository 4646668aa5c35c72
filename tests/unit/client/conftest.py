"""Fixtures for the client on scripted servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from glassbox import Retries

QUICK = Retries(attempts=4, first_pause=0.001, longest_pause=0.01, within=0.5)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings in the environment or in a configuration file."""
    for name in ("GLASSBOX_URL", "GLASSBOX_API_KEY", "GLASSBOX_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GLASSBOX_CONFIG", str(tmp_path / "config.toml"))


@pytest.fixture
def quick() -> Retries:
    """Retries with short pauses."""
    return QUICK
