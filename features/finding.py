"""What one fact says about a criterion, with the sentence that says why."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from operator import attrgetter
from typing import NamedTuple

from features.evaluation_context import Context, FactsByConcept
from features.types import Fact


class Says(IntEnum):
    """What one fact says about a leaf, the later ones weaker: only the strongest of a group is reported."""

    SUPPORTS = 0
    DENIES = 1
    AGAINST = 2
    INCOMPLETE = 3


SUPPORTS, DENIES, AGAINST, INCOMPLETE = Says
"""By themselves: to look a member up in its class takes ten times as long, and this is done hundreds of times a request."""


class Objection(NamedTuple):
    """Why a fact does not show a criterion."""

    says: Says
    why: str


class Finding(NamedTuple):
    """What a fact says about a leaf. ``why`` is empty where it simply supports it: most such sentences are never shown."""

    fact: Fact
    says: Says
    why: str = ""


Check = Callable[[Fact, Context, FactsByConcept], Objection | None]
"""One thing a criterion asks of a fact: None where the fact has it."""

content = attrgetter(
    *("concept", "category", "document_id", "section", "value", "unit", "date", "laterality"),
    *("region", "course", "context", "began", "ended", "assertion.negated", "assertion.uncertain"),
    *("assertion.historical", "assertion.hypothetical", "assertion.family"),
)
"""What a fact says, without where it stands and in which words: equal for facts that say the same."""


def incomplete(fact: Fact, context: Context, predicate: str) -> Objection:
    """The fact is there, but something it would need is not."""
    return Objection(INCOMPLETE, f"{context.subject(fact.concept)} {predicate}")


def against(fact: Fact, context: Context, predicate: str) -> Objection:
    """The fact speaks against the criterion."""
    return Objection(AGAINST, f"{context.subject(fact.concept)} {predicate}")
