"""A fact in a nurse's words: "physical therapy: completed, 8 wk; negated by 'denies'"."""

from __future__ import annotations

from features.types import Assertion, Fact

BODY_PART = "body_part"
CATEGORIES = ("treatment", "problem", "finding", "exam_sign", "test", "measurement", "device", BODY_PART)
"""Categories with a colour of their own; every other one shares the neutral colour."""

_FLAG_WORDS = {
    "negated": "negated",
    "uncertain": "uncertain",
    "historical": "in the past",
    "hypothetical": "planned or conditional",
    "family": "about a relative",
}
FLAGS = tuple(_FLAG_WORDS)
_TAGS = {"negated": "no", "uncertain": "?", "historical": "past", "hypothetical": "plan", "family": "relative"}
_UNITS = {"wk": "wk", "d": "d", "mo": "mo", "a": "y", "{events}/h": "/h", "kg/m2": "kg/m²", "mm[Hg]": "mmHg"}


def category_class(category: str) -> str:
    """The CSS class of a category."""
    return f"category-{category.replace('_', '-')}" if category in CATEGORIES else "category-other"


def category_words(category: str) -> str:
    """A category as the page names it: those without a colour of their own are "other"."""
    return spoken(category) if category in CATEGORIES else "other"


def spoken(name: str) -> str:
    """A machine name in words: ``physical_therapy`` is "physical therapy"."""
    return name.replace("_", " ").replace("-", " ")


def assertion_words(assertion: Assertion) -> str:
    """What the assertion says and which words say it; empty where the finding is simply stated."""
    words: list[str] = []
    for flag, meaning in _FLAG_WORDS.items():
        if getattr(assertion, flag):
            rules = dict.fromkeys(cue.rule for cue in assertion.cues if cue.flag == flag)
            words.append(f"{meaning} by {' and '.join(f'“{rule}”' for rule in rules)}" if rules else meaning)
    return ", ".join(words)


def assertion_tag(assertion: Assertion) -> str:
    """The assertion in the fewest letters, to stand beside the words: "no, relative"; empty where simply stated."""
    return ", ".join(tag for flag, tag in _TAGS.items() if getattr(assertion, flag))


def fact_words(fact: Fact) -> str:
    """What the fact is, its side, course, value and dates, and how it is asserted."""
    course = spoken(fact.course) if fact.course else ""
    stated = ", ".join(part for part in (fact.laterality, course, _value(fact), _period(fact)) if part)
    asserted = assertion_words(fact.assertion)
    said = "; ".join(part for part in (stated, asserted) if part)
    return f"{spoken(fact.concept)}: {said}" if said else spoken(fact.concept)


def _value(fact: Fact) -> str:
    if fact.value is None:
        return ""
    number = f"{fact.value:g}" if isinstance(fact.value, (int, float)) else fact.value
    unit = fact.unit or ""
    return f"{number} {_UNITS.get(unit, unit)}".strip()


def _period(fact: Fact) -> str:
    if fact.began and fact.ended:
        return f"{fact.began} to {fact.ended}"
    if fact.began or fact.ended:
        return f"since {fact.began}" if fact.began else f"until {fact.ended}"
    return fact.date.isoformat() if fact.date else ""
