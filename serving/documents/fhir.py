"""FHIR JSON: the attachments inside a DocumentReference, a Binary, or a Bundle of them. Nothing is fetched."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from features.types import DocumentProblem
from serving.documents.errors import UnreadableDocumentError
from serving.documents.read_document import Extract, Page

READ_BY = "fhir 1"
_ELSEWHERE = DocumentProblem("unread_attachment", "names a file elsewhere, which is not fetched")
_OTHER = DocumentProblem("unread_attachment", "holds FHIR resources that were not read")

ReadInside = Callable[[bytes, str], Extract]


def read_fhir(content: bytes, read_inside: ReadInside) -> Extract:
    """The attachments of a FHIR resource, one after the other; each is read by ``read_inside``.

    Raises UnreadableDocumentError where no attachment is inside or one of them cannot be read: half a record is a doubt
    that no page could show.
    """
    try:
        resource = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise UnreadableDocumentError("is broken FHIR JSON") from None
    problems: dict[DocumentProblem, None] = {}
    pages: list[Page] = []
    readers: dict[str, None] = {READ_BY: None}
    for attachment in _attachments(resource, problems):
        inner = read_inside(_data(attachment), _text(attachment.get("contentType")))
        pages += inner.pages
        readers[inner.read_by] = None
        problems.update(dict.fromkeys(inner.problems))
    if not pages:
        first = next(iter(problems), DocumentProblem("", "is a FHIR resource without an attachment"))
        raise UnreadableDocumentError(first.message)
    return Extract(tuple(pages), ", ".join(readers), tuple(problems))


def _attachments(resource: Any, problems: dict[DocumentProblem, None]) -> Iterator[Mapping[str, Any]]:
    for inner in _resources(resource):
        kind = inner.get("resourceType")
        if kind == "DocumentReference":
            for content in _list(inner.get("content")):
                attachment = content.get("attachment")
                if not isinstance(attachment, Mapping) or not attachment.get("data"):
                    problems[_ELSEWHERE] = None
                else:
                    yield attachment
        elif kind == "Binary" and inner.get("data"):
            yield inner
        elif kind != "Bundle":
            problems[_OTHER] = None


def _resources(resource: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(resource, Mapping):
        return
    yield resource
    if resource.get("resourceType") == "Bundle":
        for entry in _list(resource.get("entry")):
            inner = entry.get("resource")
            if isinstance(inner, Mapping):
                yield inner


def _data(attachment: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode("".join(_text(attachment.get("data")).split()), validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableDocumentError("holds a file that is not base64") from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else iter(())
