"""Who documented it: the roles of the people who signed a document, read from its signature lines.

Only a line that signs counts ("Electronically signed by ..., DO", "-- R. Ames, PT, DPT" at the end): a name in the
middle of a note is somebody who is spoken of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, cast

import yaml

from features.policy import Role
from features.types import Document

_CLOSING_LINES = 3
_MOST_PROSE = 1
"""A last line with more words in lower case than this is prose, not a signature."""


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    signing: re.Pattern[str]
    roles: tuple[tuple[Role, re.Pattern[str]], ...]
    types: tuple[tuple[str, Role], ...]


@cache
def _vocabulary() -> _Vocabulary:
    data: dict[str, Any] = yaml.safe_load((resources.files("features") / "lexicon" / "authors.yaml").read_bytes())
    opening = "|".join(re.escape(words) for words in sorted(data["signing"], key=len, reverse=True))
    roles: list[tuple[Role, re.Pattern[str]]] = []
    types: list[tuple[str, Role]] = []
    for name, entry in data["roles"].items():
        role = cast("Role", name)
        letters = "|".join(re.escape(word) for word in sorted(entry["credentials"], key=len, reverse=True))
        titles = "|".join(re.escape(word) for word in sorted(entry["titles"], key=len, reverse=True))
        # Letters count behind a name or other letters: "OD" alone is an eye, "PT" alone a treatment.
        behind = r"(?:[A-Z][a-z'’-]+|[A-Z]\.?|[A-Z][A-Za-z/-]+)[, ]\s*"
        roles.append((role, re.compile(rf"{behind}(?:{letters})(?![A-Za-z/-])|(?i:\b(?:{titles})\b)")))
        types += [(kind, role) for kind in entry.get("types", ())]
    return _Vocabulary(re.compile(rf"^\W*(?:{opening})\b", re.IGNORECASE), tuple(roles), tuple(types))


def authors_of(document: Document) -> frozenset[Role]:
    """The roles named in the document's signature lines; by its kind where nothing is signed (a therapy note)."""
    words = _vocabulary()
    lines = [line.strip() for line in document.text.splitlines() if line.strip()]
    signed = [line for line in lines if words.signing.match(line)]
    signed += [part for line in lines for part in re.split(r"(?<=[.;])\s+", line)[1:] if words.signing.match(part)]
    signed += [line for line in lines[-_CLOSING_LINES:] if len(re.findall(r"\b[a-z]\w+", line)) <= _MOST_PROSE]
    plain = [re.sub(r"(?<=\b[A-Za-z])\.(?=[A-Za-z]\b)|(?<=\b[A-Z])\.(?=\s|$|,)", "", line) for line in signed]
    found = {role for line in plain for role, pattern in words.roles if pattern.search(line)}
    return frozenset(found or {role for kind, role in words.types if kind == document.type})
