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
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files

import yaml

from features.errors import LexiconError

# One set of characters in front, so that the scan skips all others at the speed of C; possessive, so that a run of one
# character is read once. A comma before a blank, which most are, never ends anything.
_CANDIDATE = re.compile(
    r"""[.!?\n:,)](?!(?<=,)[ ])(?:(?<=[.!?])[.!?]*+["')\]\u2019\u201d]*+|(?<=\n)\s*+|(?<=\))\)*+)?+"""
)
_NUMBERED = re.compile(r"\(?(\d{1,2})[.)](?=[ A-Z])")
_ITEM_BEGINS = frozenset(" ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_GLUED_HEADING = re.compile(r"[A-Z][A-Za-z]{1,30}[A-Za-z /&\-]{0,40}+:")
_MARKER = re.compile(
    r"(?:[-*\u2022\u25cf\u00b7>+\u2013]|\(?(?:\d{1,2}|[A-Za-z])[.)])(?=[ \t])|[-*\u2022\u25cf\u00b7](?=\w)"
)
_BARE_MARKER = re.compile(r"[\s,]*\(?(?:\d{1,2}|[A-Za-z])")
_HEADING = re.compile(r"[A-Z][A-Za-z0-9/&,()'\- ]{0,50}:")
_LAST_WORD = re.compile(r"[A-Za-z][A-Za-z.]*$")
_FIRST_LETTERS = re.compile(r"[A-Za-z]+(?![A-Za-z.])")
_FIRST_WORD = re.compile(r"[^\s]{0,40}")
_COMMA_RUN = re.compile(r"(?:[ ]{0,3},){1,4}")

# "no    Pacemaker?": the answer to the question of the line above, then the next question of the form.
_FORM_ANSWER = re.compile(r"[ \t]*(?:yes|no|none|never|n/a|[yn])(?=[ \t]{2,4}[A-Z])", re.IGNORECASE)
_FIELD_ANSWERED = re.compile(
    r"[:?][ \t]{0,3}(?:no|none|yes|denies|denied|n/a|unknown|negative|positive)[ \t]{2,}(?=[A-Z][^\n:?]{0,60}[:?])",
    re.IGNORECASE,
)
"""A field of a form with its answer, and the next field behind a wide gap: "Infection: No    Pregnant: No"."""
_WRAPPED_WIDTH = 50
"""Lines shorter than this are not hard-wrapped prose."""


@dataclass(frozen=True, slots=True)
class SentenceWords:
    """What tells where a sentence ends: the lists of ``lexicon/sentences.yaml``, explained there."""

    open: frozenset[str]
    closed: frozenset[str]
    numbered: frozenset[str]
    starters: frozenset[str]
    before_names: frozenset[str]
    unfinished_ends: frozenset[str]
    unfinished_starts: frozenset[str]
    answers: frozenset[str]


@lru_cache(maxsize=1)
def load_sentence_words() -> SentenceWords:
    """The packaged word lists. Raises LexiconError naming the list that is missing or is none."""
    content = yaml.safe_load(files("features").joinpath("lexicon/sentences.yaml").read_text("utf-8"))
    lists: dict[str, frozenset[str]] = {}
    for field in fields(SentenceWords):
        words = content.get(field.name) if isinstance(content, dict) else None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise LexiconError(f"sentences.yaml: {field.name} must be a list of words")
        lists[field.name] = frozenset(words)
    return SentenceWords(**lists)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Offsets (start, end) of the sentences and list items of ``text``, in order and without white space around them.

    They do not overlap and together cover every character that is not white space. Linear in the length of the text.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    answered = [match.end() for match in _FIELD_ANSWERED.finditer(text)]
    ends = sorted({*_breaks(text), *answered}) if answered else _breaks(text)
    for end in [*ends, len(text)]:
        piece = text[start:end]
        stripped = piece.strip()
        if stripped:
            first = start + len(piece) - len(piece.lstrip())
            spans.append((first, first + len(stripped)))
        start = end
    return spans


def starts_item(text: str, position: int) -> bool:
    """Whether a list marker ("-", "1.", "b)") stands at ``position``."""
    return _MARKER.match(text, position) is not None


def _breaks(text: str) -> list[int]:
    """Positions at which a new sentence may begin, in order."""
    words = load_sentence_words()
    width = max(map(len, text.split("\n"))) if "\n" in text else 0
    breaks: list[int] = []
    begin = last_item = 0
    for match in _CANDIDATE.finditer(text):
        first, last = match.span()
        kind = text[first]
        if kind in ".)" and last - first == 1 and text[first - 1 : first].isdigit():
            item = _item(text, begin, first, last_item)
            if item is not None:
                begin, last_item = item
                breaks.append(begin)
                continue
        if kind == ")":
            continue
        if kind == "\n":
            position = last if _line_is_finished(text, begin, first, last, width, words) else None
        elif kind == ":":
            position = _after_comma(text, last)
            position = position if position > last else None
        elif kind == ",":
            position = last if _comma_was_line_break(text, last) else None
        else:
            position = _after_comma(text, last) if _ends_sentence(text, begin, first, last, words) else None
        if position is None:
            continue
        breaks.append(position)
        answer = _FORM_ANSWER.match(text, position) if kind in "?\n" else None
        if answer is not None:
            position = answer.end()
            breaks.append(position)
        begin = position
        numbered = _NUMBERED.match(text, position + (text[position : position + 1] == " "))
        last_item = int(numbered[1]) if numbered is not None else last_item
    return breaks


def _comma_was_line_break(text: str, last: int) -> bool:
    """Whether a list item or a heading stands glued to the comma that ends at ``last``."""
    following = text[last : last + 1]
    if following.isdigit():
        return _NUMBERED.match(text, last) is not None
    return following.isupper() and _GLUED_HEADING.match(text, last) is not None


def _item(text: str, begin: int, stop: int, last_item: int) -> tuple[int, int] | None:
    """Where the numbered item begins whose number ends at ``stop``, and the number, if it does not begin its line.

    It counts as an item where it continues the numbering, or opens one after a colon or a heading in capitals.
    """
    first = stop - 2 if text[stop - 2 : stop - 1].isdigit() else stop - 1
    first -= text[first - 1 : first] == "("
    if first <= begin or text[first - 1] != " " or text[stop + 1 : stop + 2] not in _ITEM_BEGINS:
        return None
    number = int(text[first:stop].lstrip("("))
    if number not in (1, last_item + 1):
        return None
    before = text[max(begin, first - 24) : first].rstrip()
    if not before:
        return None
    opens = before[-1] in ":,;" or before.rsplit(None, 1)[-1].isupper()
    return (first, number) if (opens if number == 1 else number == last_item + 1) else None


def _after_comma(text: str, last: int) -> int:
    """The end of the commas after ``last`` that stand for a line break; ``last`` where there are none."""
    if "," not in text[last : last + 4]:
        return last
    comma = _COMMA_RUN.match(text, last)
    if comma is None or text[comma.end() : comma.end() + 2].lstrip()[:1].islower():
        return last
    return comma.end()


def _ends_sentence(text: str, begin: int, first: int, last: int, words: SentenceWords) -> bool:
    """Whether the punctuation at ``first`` to ``last`` ends the sentence that began at ``begin``."""
    after = text[last : last + 1]
    if not (after.isspace() or not after or after in ",*(" or after.isupper()):
        return False
    if first - begin <= 12 and _BARE_MARKER.fullmatch(text, begin, first):
        return False  # "1." or "b)" at the start belongs to its item
    following = text[last : last + 12].lstrip(" \t")
    if following[:1] == "," and _after_comma(text, last) == last:
        return False
    if (first - begin < 8 and not text[begin:first].strip(" ,")) or (text[first] == "?" and text[first - 1].isspace()):
        return False  # a question mark before or between words marks doubt: "? stroke"
    if text[first] != "." or last - first > 1:
        return text[first] != "." or not following[:1].islower()
    if text[last : last + 1].isupper():
        # Glued: "tenderness.The" ends a sentence, "J.Smith", "U.S.A" and "No.A" do not.
        return first >= 3 and text[first - 3 : first].isalpha() and text[first - 3 : first].islower()
    if not (text[first - 1].isalpha() or text[first - 1] == "."):
        return True
    found = _LAST_WORD.search(text, max(begin, first - 16), first)
    if found is None:
        return True
    word = found.group().lower()
    if word in words.open:
        return False
    if following[:1].isdigit() and word in words.numbered:
        return False
    if len(word) == 1 and found.group().isupper() and _is_initial(text, begin, found.start(), following, words):
        return False
    if word in words.closed or "." in word:
        return not following or not (following[0].islower() or following[0] in "(")
    return True


def _is_initial(text: str, begin: int, first: int, following: str, words: SentenceWords) -> bool:
    """A single capital letter between a capitalised word or title and another capitalised word: "Ann B. Smith"."""
    if first > begin and not (text[first - 1].isspace() or text[first - 1] == "."):
        return False
    before = text[max(begin, first - 24) : first].split()
    next_word = _FIRST_LETTERS.match(following)
    if not following[:1].isupper() or (next_word and next_word.group() in words.starters):
        return False
    return not before or before[-1][:1].isupper() or before[-1] in words.before_names


def _line_is_finished(text: str, begin: int, first: int, last: int, width: int, words: SentenceWords) -> bool:
    """Whether the line break at ``first`` to ``last`` ends what began at ``begin``."""
    if text.count("\n", first, last) > 1 or last >= len(text) or _MARKER.match(text, last):
        return True
    low = max(0, first - 400)
    line = text[max(text.rfind("\n", low, first) + 1, low) : first].rstrip()
    if not line:
        return True
    if first - begin < 12 and text[begin:first].strip().lower() in words.answers:
        # "Red flags: none. No" at the end of a wrapped line is no answer: the denial goes on in the next line.
        wrapped = text[begin - 1 : begin] == "." and (len(line) >= _WRAPPED_WIDTH or text[last : last + 1].islower())
        if not wrapped:
            return True
    if _HEADING.match(text, last):
        return True
    closing = line[-1]
    if closing in ".!?:" and closing != ".":
        return True
    if closing == ".":
        return _ends_sentence(text, begin, first - 1, first, words)
    following = _FIRST_WORD.match(text, last)
    word = following.group() if following else ""
    if (
        closing in ",/&("
        or line.rsplit(None, 1)[-1].lower() in words.unfinished_ends
        or word.lower().strip(",.") in words.unfinished_starts
    ):
        return False
    if width < _WRAPPED_WIDTH:
        return True
    would_fit = len(line) + 1 + len(word) < 0.85 * width
    if word[:1].islower() or word[:1] in "(":
        return would_fit and len(line) < 0.6 * width
    return would_fit
