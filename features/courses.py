"""How a treatment went: completed, ongoing, failed, not tolerated, declined, or only planned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from features.concepts import follow
from features.errors import LexiconError
from features.lexicon import Segment, parse_term
from features.phrases import PhraseTrie
from features.tokens import Tokens
from features.types import Course

_COMMA = 4
"""A phrase beyond a comma counts as this many words further away."""
_FARTHEST = 14


@dataclass(frozen=True, slots=True)
class CourseMention:
    """Words that say how a treatment went, at tokens ``first`` to ``last``."""

    course: Course
    rank: int
    first: int
    last: int


class CourseReader:
    """Finds such words and picks those that belong to a treatment."""

    def __init__(self, phrases: Sequence[tuple[Course, Sequence[str]]]) -> None:
        self._trie: PhraseTrie[tuple[Course, int, tuple[Segment, ...]]] = PhraseTrie()
        for rank, (course, terms) in enumerate(phrases):
            for term in terms:
                first, *rest = parse_term(term, f"courses.yaml: {course}")
                for words in first.variants:
                    self._trie.add(" ".join(words), (course, rank, tuple(rest)))

    def mentions(self, tokens: Tokens, first: int, last: int) -> list[CourseMention]:
        """All such words in tokens ``first`` to ``last`` (one sentence)."""
        found = []
        for begin, end, (course, rank, rest) in self._trie.hits(tokens, first, last):
            runs = follow(tokens.words, begin, end, last, rest)
            if runs is not None:
                found.append(CourseMention(course, rank, begin, runs[-1][1]))
        return found

    def nearest(self, tokens: Tokens, mentions: Sequence[CourseMention], first: int, last: int) -> Course | None:
        """The course of the treatment at tokens ``first`` to ``last``: that of the nearest words; None: none are near."""
        near = []
        for mention in _outermost(mentions):
            if mention.last + _FARTHEST < first or mention.first > last + _FARTHEST:
                continue
            distance = _distance(tokens.words, mention, first, last)
            if distance <= _FARTHEST:
                # What was advised or authorized may have been done as well: any word on that counts for more.
                near.append((mention.course is Course.PLANNED, distance, mention.rank, mention.course))
        return min(near)[-1] if near else None


def _outermost(mentions: Sequence[CourseMention]) -> Iterator[CourseMention]:
    """Those that are no part of a longer phrase: not "completed" in "to be completed"."""
    reach, begin = -1, -1
    for mention in sorted(mentions, key=lambda one: (one.first, -one.last)):
        if mention.last > reach or (mention.last == reach and mention.first == begin):
            if mention.last > reach:
                reach, begin = mention.last, mention.first
            yield mention


def _distance(words: Sequence[str], mention: CourseMention, first: int, last: int) -> int:
    if mention.last <= first:
        between = words[mention.last : first]
    elif mention.first >= last:
        between = words[last : mention.first]
    else:
        return 0
    return len(between) + _COMMA * sum(word in (",", ";") for word in between)


@cache
def packaged_courses() -> CourseReader:
    """The reader with the packaged phrases. Raises LexiconError where ``courses.yaml`` is broken."""
    data = yaml.safe_load((resources.files("features") / "lexicon" / "courses.yaml").read_bytes())
    try:
        return CourseReader([(Course(kind), terms) for kind, terms in data["courses"].items()])
    except (KeyError, TypeError, ValueError) as error:
        raise LexiconError("courses.yaml: courses maps how a treatment went to lists of terms") from error
