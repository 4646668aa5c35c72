"""The report's section on what the preset `auto` tried."""

from __future__ import annotations

from glassbox.records.selections import COLUMNS, Selection
from glassbox.report.markup import Html, element


def selection(made: Selection) -> Html:
    """Return the section with a row for each candidate."""
    head = element("tr", [element("th", column, scope="col") for column in COLUMNS])
    rows = [
        element("tr", element("th", mark, scope="row"), [element("td", cell) for cell in cells])
        for mark, *cells in made.rows()
    ]
    return element(
        "section",
        element("h2", "Selection", id="selection"),
        element("p", made.summary),
        element("div", element("table", element("thead", head), element("tbody", rows)), class_="wide"),
        aria_labelledby="selection",
    )
