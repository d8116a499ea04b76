"""DOCX: the words of body, headers, footers and notes in their order, without what is deleted or hidden.

WordprocessingML is walked by ourselves (ISO/IEC 29500-1, 17): libraries leave out text boxes, headers or tracked
changes without saying so, and a note that lost a line is worse than one that was not read.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from features.types import DocumentProblem
from serving.documents.errors import UnreadableDocumentError
from serving.documents.limits import Limits
from serving.documents.markup import child, local_name, parse_xml
from serving.documents.read_document import Extract, Page

READ_BY = "docx 1"
_BODY = "word/document.xml"
_HEADERS = re.compile(r"word/header\d*\.xml")
_AFTER = re.compile(r"word/(?:footnotes|endnotes|footer\d*)\.xml")
_LEFT_OUT = frozenset(
    {"delText", "delInstrText", "instrText", "pPr", "rPr", "sectPr", "tblPr", "Fallback", "del", "moveFrom"}
)
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_LARGE_PICTURE = 20 * 914_400**2
"""Square EMU (914,400 an inch): a picture of 20 square inches covers a fifth of a page and may hold writing."""
_HIDDEN = DocumentProblem("hidden_text", "holds hidden words, which were left out")
_DELETED = DocumentProblem("tracked_changes", "holds changes that nobody has accepted or rejected")
_PICTURE = DocumentProblem("unread_picture", "holds pictures that were not read")
_EMBEDDED = DocumentProblem("unread_attachment", "holds other files that were not read")


def read_docx(content: bytes, limits: Limits) -> Extract:
    """The text of a DOCX, a page for every break that Word recorded.

    Raises UnreadableDocumentError for a broken archive, one that unpacks to too much, and for broken XML.
    """
    parts = _parts(content, limits)
    words = _Words()
    headers = [words.of(parse_xml(parts[name])) for name in sorted(parts) if _HEADERS.fullmatch(name)]
    body = words.of(parse_xml(parts[_BODY]))
    after = [words.of(parse_xml(parts[name])) for name in sorted(parts) if _AFTER.fullmatch(name)]
    # A header stands on every page; once, before the first, is enough to read it.
    pages = "\n".join([*(text for text in headers if text.strip()), body]).split("\f")
    pages[-1] = "\n".join([pages[-1], *(text for text in after if text.strip())])
    return Extract(tuple(Page(page) for page in pages), READ_BY, tuple(words.problems))


def _parts(content: bytes, limits: Limits) -> dict[str, bytes]:
    """The XML parts that hold words, unpacked within the limits."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            total = sum(info.file_size for info in infos)
            if total > limits.unpacked_bytes or total > max(len(content), 10_000) * limits.unpacked_ratio:
                raise UnreadableDocumentError("unpacks to more than this service reads")
            wanted = [
                i
                for i in infos
                if i.filename == _BODY or _HEADERS.fullmatch(i.filename) or _AFTER.fullmatch(i.filename)
            ]
            if len({info.filename for info in wanted}) != len(wanted):
                raise UnreadableDocumentError("is a broken Word file")
            parts = {info.filename: _member(archive, info) for info in wanted}
            if any(info.filename.startswith("word/embeddings/") for info in infos):
                parts["word/embeddings"] = b""
    except UnreadableDocumentError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, KeyError):
        raise UnreadableDocumentError("is a broken Word file") from None
    except Exception as error:
        if type(error).__name__ not in ("error", "LZMAError"):  # zlib's and lzma's own
            raise
        raise UnreadableDocumentError("is a broken Word file") from None
    if _BODY not in parts:
        raise UnreadableDocumentError("is a broken Word file")
    return parts


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # The size in the archive's list is the sender's word: no more than that is unpacked.
    with archive.open(info) as member:
        data = member.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise UnreadableDocumentError("is a broken Word file")
    return data


class _Words:
    """Walks parts and gathers doubts on the way."""

    def __init__(self) -> None:
        self.problems: dict[DocumentProblem, None] = {}

    def of(self, root: Element) -> str:
        return "".join(self._pieces(root))

    def _pieces(self, element: Element) -> Iterator[str]:
        name = local_name(element)
        if name in _LEFT_OUT:
            if name in ("del", "moveFrom"):
                self.problems[_DELETED] = None
            return
        if name in ("ins", "moveTo"):
            self.problems[_DELETED] = None
        self._look_for_files(element, name)
        if name == "t":
            yield element.text or ""
        elif name in _CHARACTERS:
            breaks_page = name == "br" and any(k.endswith("}type") and v == "page" for k, v in element.attrib.items())
            yield "\f" if breaks_page else _CHARACTERS[name]
        elif name == "lastRenderedPageBreak":
            yield "\f"
        elif name == "r" and _is_hidden(element):
            self.problems[_HIDDEN] = None
        elif name == "tc":
            # A cell's last paragraph ends with the cell, not with a line.
            yield "".join(piece for inner in element for piece in self._pieces(inner)).rstrip("\n")
            yield "\t"
        else:
            for inner in element:
                yield from self._pieces(inner)
            if name in ("p", "tr"):
                yield "\n"

    def _look_for_files(self, element: Element, name: str) -> None:
        if name in ("extent", "ext") and "cx" in element.attrib:
            try:
                large = int(element.attrib["cx"]) * int(element.attrib.get("cy", "0")) > _LARGE_PICTURE
            except ValueError:
                large = True
            if large:
                self.problems[_PICTURE] = None
        elif name == "imagedata":
            self.problems[_PICTURE] = None
        elif name in ("OLEObject", "altChunk", "object"):
            self.problems[_EMBEDDED] = None


def _is_hidden(run: Element) -> bool:
    vanish = child(run, "rPr", "vanish")
    if vanish is None:
        return False
    return not any(key.endswith("}val") and value in ("0", "false", "off") for key, value in vanish.attrib.items())
