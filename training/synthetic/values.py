"""Numbers, dates, lengths of time and words of a story, drawn as a service's file says."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Unit = Literal["day", "week", "month", "year"]
_DAYS: dict[Unit, float] = {"day": 1, "week": 7, "month": 30.44, "year": 365.25}
_KINDS = (
    "uniform", "integer", "choice", "days_ago", "days_ahead", "after", "before", "years_ago", "days", "weeks",
    "months", "years", "since", "course", "value",
)  # fmt: skip
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time as a note states it: so many days, weeks, months or years."""

    number: int
    unit: Unit


Drawn = str | int | float | date | Length
"""A drawn value before a document writes it in its own hand."""


class Choice(BaseModel):
    """Words of which one is drawn, each bank its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seen: tuple[str | int | float, ...] = Field(min_length=1)
    unseen: tuple[str | int | float, ...] = Field(min_length=1)


class Course(BaseModel):
    """A course of treatment: ``weeks`` long, ended ``ended_days_ago`` before the visit."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    weeks: tuple[int, int]
    ended_days_ago: tuple[int, int] = (4, 50)
    visits_per_week: tuple[int, int] = (1, 2)


class Value(BaseModel):
    """How a field is drawn: exactly one kind. Fields named in others must stand before them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    uniform: Span | None = None
    integer: tuple[int, int] | None = None
    digits: int = Field(default=1, ge=0, le=4)
    step: int = Field(default=1, ge=1)
    choice: Choice | tuple[str | int | float, ...] | None = None
    days_ago: tuple[int, int] | None = None
    days_ahead: tuple[int, int] | None = None
    after: str | None = None
    before: str | None = None
    by: tuple[int, int] = (1, 10)
    years_ago: tuple[int, int] | None = None
    days: tuple[int, int] | None = None
    weeks: tuple[int, int] | None = None
    months: tuple[int, int] | None = None
    years: tuple[int, int] | None = None
    since: str | None = None
    unit: Unit | None = None
    course: Course | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Value:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_KINDS)}")
        for span in (self.uniform, self.integer, self.weeks, self.months, self.days, self.years, self.days_ago):
            if span is not None and span[0] > span[1]:
                raise ValueError("the lower bound stands first")
        if self.value is not None:
            _parse(self.value)
        return self

    def names(self, field: str) -> tuple[str, ...]:
        """The placeholders this field fills."""
        if self.course is not None:
            return tuple(f"{field}_{part}" for part in ("began", "ended", "weeks", "visits"))
        return (field,)

    def uses(self) -> tuple[str, ...]:
        """The fields this one is drawn from."""
        if self.value is not None:
            return tuple(node.id for node in ast.walk(_parse(self.value)) if isinstance(node, ast.Name))
        return tuple(name for name in (self.after, self.before, self.since) if name is not None)

    def draw(self, field: str, random: Random, visit: date, unseen: bool, known: MutableMapping[str, Drawn]) -> None:
        """Draw it into ``known``. Every kind takes its numbers from ``random`` alone."""
        if self.uniform is not None:
            known[field] = f"{random.uniform(*self.uniform):.{self.digits}f}"
        elif self.integer is not None:
            known[field] = random.randrange(self.integer[0], self.integer[1] + 1, self.step)
        elif self.choice is not None:
            words = (
                self.choice if isinstance(self.choice, tuple) else (self.choice.unseen if unseen else self.choice.seen)
            )
            known[field] = str(random.choice(words))
        elif self.course is not None:
            _draw_course(self.course, field, random, visit, known)
        elif self.value is not None:
            number = _calculate(_parse(self.value), known)
            known[field] = f"{number:.{self.digits}f}" if self.digits else str(round(number))
        elif self.since is not None:
            known[field] = _since(known[self.since], visit, self.unit)
        else:
            known[field] = self._time(random, visit, known)

    def _time(self, random: Random, visit: date, known: Mapping[str, Drawn]) -> Drawn:
        if self.days_ago is not None:
            return visit - timedelta(days=random.randint(*self.days_ago))
        if self.days_ahead is not None:
            return visit + timedelta(days=random.randint(*self.days_ahead))
        if self.years_ago is not None:
            return str(visit.year - random.randint(*self.years_ago))
        for name, sign in ((self.after, 1), (self.before, -1)):
            if name is not None:
                anchor = known[name]
                if not isinstance(anchor, date):
                    raise ValueError(f"{name} is no date")
                return anchor + sign * timedelta(days=random.randint(*self.by))
        spans: tuple[tuple[tuple[int, int] | None, Unit], ...] = (
            (self.days, "day"), (self.weeks, "week"), (self.months, "month"), (self.years, "year"),
        )  # fmt: skip
        span, unit = next((span, unit) for span, unit in spans if span is not None)
        return Length(random.randint(*span), unit)


def _draw_course(course: Course, field: str, random: Random, visit: date, known: MutableMapping[str, Drawn]) -> None:
    weeks = random.randint(*course.weeks)
    ended = visit - timedelta(days=random.randint(*course.ended_days_ago))
    known[f"{field}_ended"] = ended
    # A few days more, never fewer: seven weeks as stated are seven weeks by the dates.
    known[f"{field}_began"] = ended - timedelta(days=weeks * 7 + random.randint(0, 3))
    known[f"{field}_weeks"] = Length(weeks, "week")
    known[f"{field}_visits"] = weeks * random.randint(*course.visits_per_week) + random.randint(0, 2)


def _since(began: Drawn, visit: date, unit: Unit | None) -> Length:
    if not isinstance(began, date):
        raise ValueError("since needs a date")
    days = (visit - began).days
    if unit is None:
        unit = "day" if days < 14 else "week" if days < 77 else "month" if days < 730 else "year"
    return Length(int(days / _DAYS[unit]), unit)


_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _parse(expression: str) -> ast.expr:
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise ValueError(f"not a calculation: {expression}") from None
    allowed = (ast.BinOp, ast.Name, ast.Constant, ast.Load, *_OPERATORS)
    if not all(isinstance(node, allowed) for node in ast.walk(tree)):
        raise ValueError(f"only + - * / of fields and numbers: {expression}")
    return tree


def _calculate(node: ast.expr, known: Mapping[str, Drawn]) -> float:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_calculate(node.left, known), _calculate(node.right, known))
    if isinstance(node, ast.Name):
        drawn = known[node.id]
        if isinstance(drawn, date):
            raise ValueError(f"{node.id} is a date")
        return float(drawn.number if isinstance(drawn, Length) else drawn)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    raise ValueError("only + - * / of fields and numbers")
