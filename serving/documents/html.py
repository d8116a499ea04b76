"""HTML by the standard library's parser: the words a browser would show. Nothing is fetched and no script runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from features.types import DocumentProblem
from serving.documents.errors import UnreadableDocumentError
from serving.documents.plain import decoded
from serving.documents.read_document import Extract, Page

READ_BY = "html 1"
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "param"}
)
_SILENT = frozenset({"script", "style", "head", "template", "noscript", "svg", "math", "title"})
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_CLOSED_BY_THE_NEXT = frozenset({"p", "li", "tr", "td", "th", "dt", "dd", "option"})
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])", re.IGNORECASE
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f]+")
_SMALL = 250
"""Pictures of at most so many pixels a side are logos, not scans."""
_PICTURE = DocumentProblem("unread_picture", "holds pictures that were not read")
_EMBEDDED = DocumentProblem("unread_attachment", "holds other files that were not read")
_HIDDEN = DocumentProblem("hidden_text", "holds hidden words, which were left out")


def read_html(content: bytes, content_type: str) -> Extract:
    """The words of a page in their order. Raises UnreadableDocumentError where the encoding is not known."""
    declared = _CHARSET.search(content[:4096])
    charset = f"text/html; charset={declared[1].decode()}" if declared else content_type
    text = decoded(content, charset)
    if text is None:
        raise UnreadableDocumentError("is text in an unknown encoding")
    shown = _Shown()
    shown.feed(text)
    shown.close()
    return Extract((Page(shown.text()),), READ_BY, tuple(shown.problems))


class _Shown(HTMLParser):
    """Gathers what is shown; an element inside a hidden one is hidden too."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: dict[DocumentProblem, None] = {}
        self._pieces: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._hidden = 0
        self._at_break = True
        self._preformatted = 0

    def text(self) -> str:
        return "".join(self._pieces)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _CLOSED_BY_THE_NEXT and self._open and self._open[-1][0] == tag:
            self.handle_endtag(tag)
        given = {name: value or "" for name, value in attrs}
        self._look_for_files(tag, given)
        if tag in _BLOCKS or tag == "br":
            self._break()
        if tag in _VOID:
            return
        hidden = tag in _SILENT or "hidden" in given or bool(_HIDING.search(given.get("style", "")))
        if hidden and tag not in _SILENT:
            self.problems[_HIDDEN] = None
        self._open.append((tag, hidden))
        self._hidden += hidden
        self._preformatted += tag == "pre"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and not self._hidden:
            self._pieces.append("\t")
        if tag in _BLOCKS:
            self._break()
        if not any(name == tag for name, _ in self._open[-50:]):
            return
        while self._open:
            name, hidden = self._open.pop()
            self._hidden -= hidden
            self._preformatted -= name == "pre"
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "style" and _HIDING.search(data):
            self.problems[_HIDDEN] = None
        if self._hidden:
            return
        words = data if self._preformatted else _SPACE.sub(" ", data)
        if self._at_break and not self._preformatted:
            words = words.lstrip(" ")
        if words:
            self._pieces.append(words)
            self._at_break = words.endswith("\n")

    def _break(self) -> None:
        if not self._at_break and not self._hidden:
            self._pieces.append("\n")
            self._at_break = True

    def _look_for_files(self, tag: str, given: dict[str, str]) -> None:
        if tag == "img":
            sides = [given.get("width", ""), given.get("height", "")]
            if not all(side.isdecimal() and int(side[:6]) <= _SMALL for side in sides):
                self.problems[_PICTURE] = None
        elif tag in ("canvas", "svg", "video"):
            self.problems[_PICTURE] = None
        elif tag in ("iframe", "object", "embed", "frame"):
            self.problems[_EMBEDDED] = None
