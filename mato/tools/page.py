"""Turns a web page into text, in a process of its own: ``python -m mato.tools.page``.

HTML on stdin, Markdown on stdout. What strangers wrote is parsed here, where nothing is to be
found, and not in the daemon.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

_LEFT_OUT = ("script", "style", "template", "noscript", "svg", "iframe", "head", "title")


def text(content: bytes) -> str:
    """The page's title and body as Markdown; links keep their addresses."""
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    try:
        soup: Any = BeautifulSoup(content.decode(), "html.parser")
    except UnicodeDecodeError:
        soup = BeautifulSoup(content, "html.parser")  # it may say itself what it is written in
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    for tag in soup.find_all(_LEFT_OUT):
        tag.decompose()
    for hidden in soup.find_all(hidden=True):
        hidden.decompose()
    converter: Any = MarkdownConverter(heading_style="ATX", bullets="-")
    body = re.sub(r"\n{3,}", "\n\n", converter.convert_soup(soup)).strip()
    return f"{title}\n\n{body}" if title else body


def main() -> int:
    """Read, convert, write; 1 where the page is beyond reading."""
    sys.setrecursionlimit(3000)
    try:
        said = text(sys.stdin.buffer.read())
    except RecursionError:
        sys.stderr.write("the page is nested too deep\n")
        return 1
    sys.stdout.buffer.write(said.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()
    os._exit(0)  # a tree of a million nodes need not be taken down


if __name__ == "__main__":
    sys.exit(main())
