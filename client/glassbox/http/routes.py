"""Paths of the API; each part is percent-encoded."""

from __future__ import annotations

from urllib.parse import quote


def path_to(*parts: str | int) -> str:
    """Return a path: `path_to("jobs", "01k8…", "events")` is `/v1/jobs/01k8…/events`."""
    return "/v1/" + "/".join(quote(str(part), safe=":@") for part in parts)
