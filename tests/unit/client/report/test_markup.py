"""HTML elements whose texts stay texts."""

from __future__ import annotations

from html.parser import HTMLParser

from glassbox.report.markup import element, join
from hypothesis import given
from hypothesis import strategies as st


class Reader(HTMLParser):
    """Elements, attributes and texts, as a browser parses them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_elements_are_nested() -> None:
    assert element("p", "a ", element("b", "c"), ["d", element("i", "e")]) == "<p>a <b>c</b>d<i>e</i></p>"


def test_a_void_element_is_closed() -> None:
    assert element("line", x1=1, y2=2.50001) == '<line x1="1" y2="2.50001"/>'


def test_attributes_have_the_names_of_html_and_are_omitted_if_none() -> None:
    assert element("p", class_="a", aria_label="b", id=None) == '<p class="a" aria-label="b"></p>'


def test_text_is_escaped_only_once() -> None:
    once = element("p", "<&>")

    assert element("div", once) == "<div><p>&lt;&amp;&gt;</p></div>"
    assert join([once, "<"]) == once + "&lt;"


@given(st.text(), st.text())
def test_any_text_stays_a_text(text: str, attribute: str) -> None:
    seen = Reader(element("p", text, title=attribute))

    assert [name for name, _ in seen.elements] == ["p"]
    assert seen.elements[0][1].keys() == {"title"}
    assert "<" not in element("p", text).removeprefix("<p>").removesuffix("</p>")
