"""Sentences and list items as they stand in notes: offsets only, nothing rewritten.

Conventions, the ones the labelled passages of the tests follow too:

- a sentence keeps its closing punctuation, a list item its marker ("1.", "b)", "-");
- a line break inside a sentence does not end it; a blank line, a finished line and a short line do;
- a heading on a line of its own is a unit of its own. Some transcripts had their line breaks replaced by commas
  ("SUBJECTIVE:, This 23-year-old", ".,PAST MEDICAL HISTORY: , None"): such a comma counts as the line break it was and
  stays with the unit it ends. A heading with its text on the same line ("Lungs: clear.") is one unit with it;
- a semicolon does not end a sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import yaml

from features.errors import LexiconError

# One set of characters in front, so that the scan skips all others at the speed of C; possessive, so that a run of one
# character is read once.
_CANDIDATE = re.compile(r"""[.!?\n:,)](?:(?<=[.!?])[.!?]*+["')\]\u2019\u201d]*+|(?<=\n)\s*+|(?<=\))\)*+)?+""")
_NUMBERED = re.compile(r"\(?(\d{1,2})[.)](?=[ A-Z])")
_GLUED_HEADING = re.compile(r"[A-Z][A-Za-z]{1,30}[A-Za-z /&\-]{0,40}+:")
_MARKER = re.compile(r"(?:[-*\u2022\u25cf\u00b7>+\u2013]|\(?(?:\d{1,2}|[A-Za-z])[.)])(?=[ \t])|[-*\u2022\u25cf\u00b7](?=\w)")
_BARE_MARKER = re.compile(r"[\s,]*\(?(?:\d{1,2}|[A-Za-z])")
_HEADING = re.compile(r"[A-Z][A-Za-z0-9/&,()'\- ]{0,50}:")
_LAST_WORD = re.compile(r"[A-Za-z][A-Za-z.]*$")
_FIRST_LETTERS = re.compile(r"[A-Za-z]+(?![A-Za-z.])")
_FIRST_WORD = re.compile(r"[^\s]{0,40}")
_COMMA_RUN = re.compile(r"(?:[ ]{0,3},){1,4}")

# A line that ends in one of these, or is followed by one of the second kind, is not finished.
_OPEN_END = frozenset(
    "of the a an and or with without in on to for from by at as no any denies but nor is was were are has had have her his".split()
)
_OPEN_START = frozenset("and or of with without but nor to in on for from by which who that as at is was were are".split())
_STARTERS = frozenset(
    "He She It They We I The This That These There No Not In On At A An His Her Patient Pt Will Has Had Was Is".split()
)
_WRAPPED_WIDTH = 50
"""Lines shorter than this are not hard-wrapped prose."""


@dataclass(frozen=True, slots=True)
class Abbreviations:
    """Abbreviations by what their full stop may mean; see ``lexicon/abbreviations.yaml``."""

    open: frozenset[str]
    closed: frozenset[str]
    numbered: frozenset[str]


@lru_cache(maxsize=1)
def load_abbreviations() -> Abbreviations:
    """The packaged abbreviations. Raises LexiconError where the file is broken."""
    content = yaml.safe_load(files("features").joinpath("lexicon/abbreviations.yaml").read_text("utf-8"))
    kinds = {}
    for kind in ("open", "closed", "numbered"):
        words = content.get(kind) if isinstance(content, dict) else None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise LexiconError(f"abbreviations.yaml: {kind} must be a list of words")
        kinds[kind] = frozenset(word.lower() for word in words)
    return Abbreviations(**kinds)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Offsets (start, end) of the sentences and list items of ``text``, in order and without white space around them.

    They do not overlap and together cover every character that is not white space. Linear in the length of the text.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for end in [*_breaks(text), len(text)]:
        piece = text[start:end]
        stripped = piece.strip()
        if stripped:
            first = start + len(piece) - len(piece.lstrip())
            spans.append((first, first + len(stripped)))
        start = end
    return spans


def _breaks(text: str) -> list[int]:
    """Positions at which a new sentence may begin, in order."""
    abbreviations = load_abbreviations()
    breaks: list[int] = []
    begin = 0
    last_item = 0
    width = 0
    for match in _CANDIDATE.finditer(text):
        first, last = match.span()
        kind = text[first]
        position = -1
        if kind in ".)" and last - first == 1 and text[first - 1 : first].isdigit():
            item = _item(text, begin, first, last_item)
            if item:
                position, last_item = item
                breaks.append(position)
                begin = position
                continue
        if kind in ".!?":
            following = text[last : last + 1]
            if (not following or following.isspace() or following in ",*(" or following.isupper()) and _ends_sentence(
                text, begin, first, last, abbreviations
            ):
                position = _after_comma(text, last)
        elif kind == "\n":
            if not width:
                width = max(map(len, text.split("\n")))
            if _line_is_finished(text, begin, first, last, width, abbreviations):
                position = last
        elif kind == ":":
            position = _after_comma(text, last)
            position = position if position > last else -1
        elif kind == ",":
            following = text[last : last + 1]
            if (following.isdigit() and _NUMBERED.match(text, last)) or (
                following.isupper() and _GLUED_HEADING.match(text, last)
            ):
                position = last
        if position >= 0:
            breaks.append(position)
            begin = position
            numbered = _NUMBERED.match(text, position + (text[position : position + 1] == " "))
            if numbered:
                last_item = int(numbered[1])
    return breaks


def _item(text: str, begin: int, stop: int, last_item: int) -> tuple[int, int] | None:
    """Where the numbered item begins whose number ends at ``stop``, and the number, if it does not begin its line.

    It counts as an item where it continues the numbering, or opens one after a colon or a heading in capitals.
    """
    first = stop - 2 if text[stop - 2 : stop - 1].isdigit() else stop - 1
    first -= text[first - 1 : first] == "("
    if first <= begin or text[first - 1] != " " or not _NUMBERED.match(text, first):
        return None
    number = int(text[first:stop].lstrip("("))
    before = text[max(begin, first - 24) : first].rstrip()
    if not before:
        return None
    opens = before[-1] in ":,;" or before.rsplit(None, 1)[-1].isupper()
    return (first, number) if (opens if number == 1 else number == last_item + 1) else None


def _after_comma(text: str, last: int) -> int:
    """The end of the commas after ``last`` that stand for a line break; ``last`` where there are none."""
    comma = _COMMA_RUN.match(text, last)
    if comma is None or text[comma.end() : comma.end() + 2].lstrip()[:1].islower():
        return last
    return comma.end()


def _ends_sentence(text: str, begin: int, first: int, last: int, abbreviations: Abbreviations) -> bool:
    """Whether the punctuation at ``first`` to ``last`` ends the sentence that began at ``begin``."""
    following = text[last : last + 12].lstrip(" \t")
    if following[:1] == "," and _after_comma(text, last) == last:
        return False
    if first - begin <= 12 and _BARE_MARKER.fullmatch(text, begin, first):
        return False  # "1." or "b)" at the start belongs to its item
    if (first - begin < 8 and not text[begin:first].strip(" ,")) or (text[first] == "?" and text[first - 1].isspace()):
        return False  # a question mark before or between words marks doubt: "? stroke"
    if text[first] != "." or last - first > 1:
        return text[first] != "." or not following[:1].islower()
    if text[last : last + 1].isupper():
        # Glued: "tenderness.The" ends a sentence, "J.Smith", "U.S.A" and "No.A" do not.
        return first >= 3 and text[first - 3 : first].isalpha() and text[first - 3 : first].islower()
    found = _LAST_WORD.search(text, max(begin, first - 16), first)
    if found is None:
        return True
    word = found.group().lower()
    if word in abbreviations.open:
        return False
    if following[:1].isdigit() and word in abbreviations.numbered:
        return False
    if len(word) == 1 and found.group().isupper() and _is_initial(text, begin, found.start(), following):
        return False
    if word in abbreviations.closed or "." in word:
        return not following or not (following[0].islower() or following[0] in "(")
    return True


def _is_initial(text: str, begin: int, first: int, following: str) -> bool:
    """A single capital letter between a capitalised word or title and another capitalised word: "Ann B. Smith"."""
    if first > begin and not (text[first - 1].isspace() or text[first - 1] == "."):
        return False
    before = text[max(begin, first - 24) : first].split()
    next_word = _FIRST_LETTERS.match(following)
    if not following[:1].isupper() or (next_word and next_word.group() in _STARTERS):
        return False
    return not before or before[-1][:1].isupper()


def _line_is_finished(
    text: str, begin: int, first: int, last: int, width: int, abbreviations: Abbreviations
) -> bool:
    """Whether the line break at ``first`` to ``last`` ends what began at ``begin``."""
    if text.count("\n", first, last) > 1 or last >= len(text):
        return True
    line = text[max(text.rfind("\n", max(0, first - 400), first) + 1, first - 400, 0) : first].rstrip()
    if not line:
        return True
    following = _FIRST_WORD.match(text, last)
    word = following.group() if following else ""
    if _MARKER.match(text, last) or _HEADING.match(text, last):
        return True
    closing = line[-1]
    if closing in ".!?:" and closing != ".":
        return True
    if closing == ".":
        return _ends_sentence(text, begin, first - 1, first, abbreviations)
    if closing in ",/&(" or line.rsplit(None, 1)[-1].lower() in _OPEN_END or word.lower().strip(",.") in _OPEN_START:
        return False
    if width < _WRAPPED_WIDTH:
        return True
    would_fit = len(line) + 1 + len(word) < 0.85 * width
    if word[:1].islower() or word[:1] in "(":
        return would_fit and len(line) < 0.6 * width
    return would_fit
