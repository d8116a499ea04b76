"""From documents to facts: what is mentioned, how it is asserted, how long, when, which side, with what value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from features.types import Document, Fact

if TYPE_CHECKING:
    from features.facts import FactReader


def extract(documents: Sequence[Document | Mapping[str, object]]) -> list[Fact]:
    """The facts of ``documents`` in the order they stand, with ids ``f1``, ``f2`` ... unique over all of them.

    Documents may also be given as parsed JSON in the interface's shape; then RequestRefusedError names a wrong field. A
    document without text has no facts. For every fact ``document.text[fact.start:fact.end] == fact.text``.
    """
    read: list[Document] = []
    for document in documents:
        if isinstance(document, Document):
            read.append(document)
        else:
            from features.request import parse_documents

            read.extend(parse_documents([document]))
    return _reader().facts(read)


@cache
def _reader() -> FactReader:
    from features.facts import FactReader

    return FactReader()
