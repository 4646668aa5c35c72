"""What the tests of event streams share."""

from __future__ import annotations

import pytest

from api.resources.events import streams


@pytest.fixture(autouse=True)
def frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check each stream ten times per second."""
    monkeypatch.setattr(streams, "POLL_SECONDS", 0.1)
