"""The report's section on the most confident errors: misclassified test images."""

from __future__ import annotations

from glassbox.records.evaluations import Evaluation, Mistake
from glassbox.report.markup import Html, element

PNG = "data:image/png;base64,"  # no other source is allowed, so that the page loads nothing


def most_confident_errors(evaluation: Evaluation) -> Html | None:
    """Return the section, or None without errors."""
    if not evaluation.mistakes:
        return None
    return element(
        "section",
        element("h2", "Most confident errors", id="mistakes"),
        element("p", "Misclassified test images, highest confidence first. Some may be ambiguous or mislabelled."),
        element("div", [_figure(mistake) for mistake in evaluation.mistakes], class_="images errors"),
        aria_labelledby="mistakes",
    )


def _figure(mistake: Mistake) -> Html:
    described = f"test image {mistake.index}: true class {mistake.label}, predicted as {mistake.predicted}"
    shown = element("img", src=mistake.image, alt=described) if mistake.image.startswith(PNG) else ""
    return element(
        "figure",
        shown,
        element(
            "figcaption",
            element("span", f"true {mistake.label}", class_="true"),
            element("span", f"predicted {mistake.predicted}", class_="predicted"),
            element("small", f"{mistake.confidence:.1%} confidence"),
            element("small", f"image {mistake.index}"),
        ),
    )
