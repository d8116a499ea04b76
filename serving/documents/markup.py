"""XML from outside: entities, external references and documents of a huge depth are refused before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from serving.documents.errors import UnreadableDocumentError

MOST_LEVELS = 500
"""Deeper than any document people write; Word's own limit for nested tables lies far below."""


def parse_xml(content: bytes) -> Element:
    """The root element. Raises UnreadableDocumentError for broken XML and for XML that declares a document type."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise UnreadableDocumentError("declares entities, which are not followed") from None
    except (ParseError, ValueError, LookupError):
        raise UnreadableDocumentError("is broken XML") from None
    _check_depth(root)
    return root


def local_name(element: Element) -> str:
    """The tag without its namespace; empty for comments and processing instructions."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def child(element: Element, *names: str) -> Element | None:
    """The first descendant along these local names, None where there is none."""
    for name in names:
        found = next((inner for inner in element if local_name(inner) == name), None)
        if found is None:
            return None
        element = found
    return element


def children(element: Element, name: str) -> Iterator[Element]:
    """The direct children of this local name."""
    return (inner for inner in element if local_name(inner) == name)


def _check_depth(root: Element) -> None:
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MOST_LEVELS:
            raise UnreadableDocumentError("is nested too deep")
        level = [inner for element in level for inner in element]
