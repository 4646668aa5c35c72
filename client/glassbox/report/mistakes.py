"""The mistakes of which a version was surest, as pictures."""

from __future__ import annotations

from glassbox.records.evaluations import Evaluation, Mistake
from glassbox.report.markup import Html, element

PICTURE = "data:image/png;base64,"  # nothing else is shown, so that the page asks nobody for anything


def surest_mistakes(evaluation: Evaluation) -> Html | None:
    """The section of the report; None where no mistake is known."""
    if not evaluation.mistakes:
        return None
    return element(
        "section",
        element("h2", "The mistakes of which it is surest", id="mistakes"),
        element("p", "What it has learnt wrongly, what nobody could tell, and what is labelled wrongly."),
        element("div", [_figure(mistake) for mistake in evaluation.mistakes], class_="pictures mistakes"),
        aria_labelledby="mistakes",
    )


def _figure(mistake: Mistake) -> Html:
    described = f"test image {mistake.index}: a {mistake.label} that was taken for a {mistake.predicted}"
    shown = element("img", src=mistake.image, alt=described) if mistake.image.startswith(PICTURE) else ""
    return element(
        "figure",
        shown,
        element(
            "figcaption",
            element("span", f"is {mistake.label}", class_="is"),
            element("span", f"taken for {mistake.predicted}", class_="taken"),
            element("small", f"{mistake.confidence:.1%} sure"),
            element("small", f"image {mistake.index}"),
        ),
    )
