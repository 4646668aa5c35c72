"""Numbers, times and names as text."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

PLAIN = "async (text) => (await import('/ui/parts/format.js')).plain(text)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u202egnp.exe\u0007", "⟨U+202E⟩gnp.exe⟨U+0007⟩"),
        ("ad\u200dmin\u200d", "ad⟨U+200D⟩min⟨U+200D⟩"),
        ("\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f467"),  # one emoji of two
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
    ids=["controls", "joiners_in_latin", "emoji", "persian"],
)
def test_a_name_shows_what_hides_in_it_and_keeps_the_joiners_of_its_script(blank: Page, text: str, shown: str) -> None:
    assert blank.evaluate(PLAIN, text) == shown


def test_a_name_from_right_to_left_keeps_the_order_of_the_texts_around_it(blank: Page) -> None:
    isolated = """async (text) => (await import("/ui/parts/format.js")).isolated(text)"""
    assert blank.evaluate(isolated, "مثلث") == "\u2068مثلث\u2069"
    assert blank.evaluate(isolated, "\u202e4") == "⟨U+202E⟩4"
