"""`make mathematics`: writes `ui/mathematics.html`, docs/mathematics.md as a page that needs no script.

The API's image has no docs. A test compares the file with the output of this module.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docs" / "mathematics.md"
FILE = ROOT / "ui" / "mathematics.html"

TEMPLATE = """\
<!doctype html>
<!-- Written from docs/mathematics.md by `make mathematics`. -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>The mathematics · Glassbox</title>
<link rel="icon" href="$assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="$assets/style.css">
</head>
<body>
<header id="header">
<a class="home" href="/ui/">Glassbox</a>
<a href="/ui/article">One training step in numbers and pictures (needs JavaScript)</a>
</header>
<main class="text">
{content}</main>
</body>
</html>
"""


def text() -> str:
    """Return the page, with a list of its chapters after the title."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(SOURCE.read_text())
    chapters: list[str] = []
    for heading, title in pairwise(tokens):
        if heading.type == "heading_open" and heading.tag == "h2":
            name = f"chapter-{len(chapters) + 1}"
            heading.attrSet("id", name)
            chapters.append(f'<li><a href="#{name}">{markdown.renderInline(title.content)}</a></li>')
    for token in tokens:
        token.children = [_as_text(child) for child in token.children or []]
    content = markdown.renderer.render(tokens, markdown.options, {})
    contents = f'<nav aria-label="Chapters"><ol>{"".join(chapters)}</ol></nav>\n'
    return TEMPLATE.format(content=content.replace("</h1>\n", f"</h1>\n{contents}", 1))


def _as_text(token: Token) -> Token:
    """Return a link's text instead of the link, whose target is a file of the sources, and a picture's description."""
    if token.type == "image":
        return Token("text", "", 0, content=f"[Picture: {token.content}]")
    if token.type == "link_open":
        target = str(token.attrGet("href")).removeprefix("../")
        return Token("link_open", "span", 1, attrs={"title": target})
    return Token("link_close", "span", -1) if token.type == "link_close" else token


if __name__ == "__main__":
    FILE.write_text(text())
