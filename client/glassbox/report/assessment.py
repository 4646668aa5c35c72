"""The report's part on how far the accuracy can be trusted: its interval, the baselines and the diagnosis."""

from __future__ import annotations

from glassbox.records.versions import Version
from glassbox.report.markup import Html, element


def baselines(version: Version) -> list[tuple[str, str | None]]:
    """Return the tiles with the interval of the accuracy and the baselines, if the version was assessed."""
    found: list[tuple[str, str | None]] = []
    if version.accuracy_interval:
        low, high = version.accuracy_interval
        found.append(("95% interval", f"{100 * low:.1f}–{high:.1%}"))
    if version.baselines:
        found += [
            ("linear model", f"{version.baselines.linear:.1%}"),
            ("most frequent class", f"{version.baselines.majority_class:.1%}"),
        ]
    return found


def diagnosis(version: Version) -> Html | None:
    """Return the section with the findings, or None if the version was not assessed."""
    if version.diagnosis is None:
        return None
    findings = [element("li", element("code", finding.code), " ", finding.message) for finding in version.diagnosis]
    return element(
        "section",
        element("h2", "Diagnosis", id="diagnosis"),
        element("ul", findings, class_="findings") if findings else element("p", "No problem was found."),
        aria_labelledby="diagnosis",
    )
