"""What is true of a generated case, before anything is written about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Literal

Side = Literal["left", "right"]
TreatmentState = Literal["completed", "stopped", "planned", "declined", "years_ago", "none"]


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the story is about."""

    birth_date: date
    sex: Literal["female", "male"]

    def age_on(self, day: date) -> int:
        """Whole years on ``day``."""
        return day.year - self.birth_date.year - ((day.month, day.day) < (self.birth_date.month, self.birth_date.day))

    def may_be_pregnant(self, day: date) -> bool:
        """Whether a pregnancy on ``day`` would be believable: a woman of at most 45."""
        return self.sex == "female" and self.age_on(day) <= 45


@dataclass(frozen=True, slots=True)
class Treatment:
    """A course of active care: what, for which part of the body, from when to when, and what became of it.

    ``kind`` is the stem of its phrases (``pt``, ``chiro``, ``hep``); ``region`` is ``here`` when it treated what the
    request is about. ``shown`` is false where the packet lacks the document that shows it.
    """

    kind: str
    state: TreatmentState
    region: Literal["here", "elsewhere"]
    began: date
    ended: date
    visits: int
    shown: bool = True

    @property
    def weeks(self) -> int:
        """Whole weeks between its beginning and its end."""
        return (self.ended - self.began).days // 7

    def counts_for(self, visit: date, *, weeks: int = 6) -> bool:
        """Whether it was actually carried out, here, for ``weeks`` or more, ended in the 180 days before ``visit``."""
        return (
            self.state in ("completed", "stopped")
            and self.shown
            and self.region == "here"
            and self.weeks >= weeks
            and timedelta(0) <= visit - self.ended <= timedelta(days=180)
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether the story meets the policy, and how firmly two careful reviewers would agree on it.

    ``near``: a number lies close to its threshold. ``ambiguous``: documentation a reviewer has to interpret.
    """

    met: bool
    near: bool = False
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A written document before it becomes part of a request."""

    type: str
    date: date
    text: str


def completed_course(
    random: Random, visit: date, *, weeks: int, kind: str = "pt", days_ago: int | None = None
) -> Treatment:
    """A completed course of ``weeks`` weeks that ended ``days_ago`` days before ``visit`` (by default 4 to 50)."""
    ended = visit - timedelta(days=days_ago if days_ago is not None else random.randint(4, 50))
    began = ended - timedelta(days=weeks * 7 + random.randint(0, 3))
    return Treatment(
        kind, "completed", "here", began, ended, visits=weeks * random.choice((1, 2)) + random.randint(0, 2)
    )


def pick(random: Random, weights: dict[str, float]) -> str:
    """One key, drawn by its weight."""
    return random.choices(list(weights), weights=list(weights.values()))[0]
