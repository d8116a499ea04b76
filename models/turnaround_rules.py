"""Turnaround rules as data: how long a decision may take, by line of business, state, urgency and type of review.

The packaged rules lie in ``models/turnaround/*.yaml``; a folder of a plan's own may be added (``GREENLANE_TURNAROUND``).
How to write one stands in docs/clocks.md.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

import yaml
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from features.lines_of_business import LineOfBusiness
from features.types import AuthorizationRequest, ReviewType, Service, Urgency
from models.errors import TurnaroundError
from models.working_days import HolidayCalendar, after_business_days, after_calendar_days

ExtensionReason = Literal["member_asks", "provider_asks", "information_needed", "beyond_control"]
"""Why more time is taken: the member or the provider asks, information is needed, or matters beyond the plan's control."""

DEFAULT_RULE = "default"

_STRICT: dict[str, Any] = {"extra": "forbid"}
LimitUnit = Literal["hour", "calendar day", "business day"]
_UNITS: dict[str, LimitUnit] = {unit: unit for unit in get_args(LimitUnit)}
_LIMIT = re.compile(rf"([1-9]\d{{0,3}}) ({'|'.join(_UNITS)})s?")


@dataclass(frozen=True, slots=True)
class Limit:
    """A length of time as laws write it: ``72 hours``, ``7 calendar days``, ``3 business days``."""

    count: int
    unit: LimitUnit

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"

    def after(self, moment: datetime, zone: tzinfo, holidays: HolidayCalendar) -> datetime:
        """When it ends, as UTC, begun at ``moment``. Raises OverflowError past the year 9999."""
        if self.unit == "hour":
            return moment + timedelta(hours=self.count)
        if self.unit == "calendar day":
            return after_calendar_days(moment, self.count, zone)
        return after_business_days(moment, self.count, zone, holidays)


def _limit(written: object) -> Limit:
    found = _LIMIT.fullmatch(str(written))
    if found is None:
        raise ValueError("must be a number of hours, calendar days or business days, such as 72 hours")
    return Limit(int(found[1]), _UNITS[found[2]])


@dataclass(frozen=True, slots=True)
class Extension:
    """More time, once: ``up_to_days`` calendar days after the due time, for one of ``reasons``."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    up_to_days: Annotated[int, Field(ge=1, le=90)]
    reasons: Annotated[tuple[ExtensionReason, ...], Field(min_length=1)]
    source: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The clock stands still while information is awaited, for at most ``at_most_days`` times 24 hours in all.

    ``only_once_extended``: not before the time was extended for want of that information.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    at_most_days: Annotated[int, Field(ge=1, le=180)]
    source: str
    only_once_extended: bool = False


@dataclass(frozen=True, slots=True)
class TimeAllowed:
    """How long one kind of request may take, and where it says so. ``urgency`` or ``drugs`` None: either."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    within: Annotated[Limit, BeforeValidator(_limit)]
    source: Annotated[str, Field(min_length=3)]
    urgency: Urgency | None = None
    review_types: Annotated[tuple[ReviewType, ...], Field(min_length=1)] = get_args(ReviewType)
    drugs: bool | None = None
    extension: Extension | None = None
    pause: Pause | None = None

    def fits(self, urgency: Urgency, review_type: ReviewType, *, drug: bool) -> bool:
        """Whether it is about such a request."""
        return self.urgency in (None, urgency) and review_type in self.review_types and self.drugs in (None, drug)


@dataclass(frozen=True, slots=True)
class TurnaroundRule:
    """What one law says of turnaround. ``unsure`` says where it is read for the shorter; None where nothing is in doubt.

    ``holidays`` names the calendar its business days leave out. ``state`` None: a federal rule.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, Field(min_length=1)]
    title: Annotated[str, Field(min_length=1)]
    lines_of_business: tuple[LineOfBusiness, ...]
    times: Annotated[tuple[TimeAllowed, ...], Field(min_length=1)]
    link: str = ""
    state: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    in_force_from: date | None = None
    in_force_until: date | None = None
    holidays: str = "common"
    unsure: str | None = None

    def time_for(self, urgency: Urgency, review_type: ReviewType, *, drug: bool) -> TimeAllowed | None:
        """The first entry about such a request; None where the rule says nothing of it."""
        return next((each for each in self.times if each.fits(urgency, review_type, drug=drug)), None)

    def in_force(self, day: date) -> bool:
        """Whether it holds for what was received on that day."""
        return (self.in_force_from is None or self.in_force_from <= day) and (
            self.in_force_until is None or day <= self.in_force_until
        )


@dataclass(frozen=True, slots=True)
class Alarms:
    """A clock turns amber with ``share_left`` of its time left, but not earlier than ``at_most_hours`` before the end."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    share_left: Annotated[float, Field(gt=0, le=1)]
    at_most_hours: Annotated[float, Field(gt=0)]

    def before_the_end(self, allowed: timedelta) -> timedelta:
        """How long before its end a clock of that length turns amber."""
        return min(allowed * self.share_left, timedelta(hours=self.at_most_hours))


@dataclass(frozen=True, slots=True)
class TurnaroundRules:
    """All rules in force or not, their calendars and alarms. ``hash`` changes when any of the files does."""

    rules: tuple[TurnaroundRule, ...]
    holidays: Mapping[str, HolidayCalendar]
    alarms: Alarms
    drugs: Mapping[str, tuple[str, ...]]
    hash: str

    def get(self, rule_id: str) -> TurnaroundRule | None:
        """The rule of that id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def of_line(self, line: LineOfBusiness | None, day: date) -> tuple[TurnaroundRule, ...]:
        """The federal rules of a line of business for what was received on that day."""
        return tuple(
            rule for rule in self.rules if rule.state is None and line in rule.lines_of_business and rule.in_force(day)
        )

    def of_state(self, state: str, lines: frozenset[LineOfBusiness], day: date) -> tuple[TurnaroundRule, ...]:
        """A state's rules of any of these lines (of all its lines where none is known) for that day."""
        return tuple(
            rule
            for rule in self.rules
            if rule.state == state and rule.in_force(day) and (not lines or lines & frozenset(rule.lines_of_business))
        )

    def is_drug(self, service: Service) -> bool:
        """Whether a request's code asks for a drug."""
        return service.code.upper().startswith(self.drugs.get(service.system, ()))

    def time_for(self, rule: TurnaroundRule, request: AuthorizationRequest, urgency: Urgency) -> TimeAllowed | None:
        """What a rule allows a request of that urgency; None where it says nothing of it."""
        return rule.time_for(urgency, request.review_type, drug=self.is_drug(request.service))


@dataclass(frozen=True, slots=True)
class _File:
    """One YAML file of a folder of rules."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    rules: tuple[TurnaroundRule, ...] = ()
    holidays: Mapping[str, HolidayCalendar] | None = None
    alarms: Alarms | None = None
    drugs: Mapping[str, tuple[str, ...]] | None = None


def own_rules_path() -> Path | None:
    """The folder GREENLANE_TURNAROUND names; None where it names none."""
    named = os.environ.get("GREENLANE_TURNAROUND")
    return Path(named) if named else None


def load_turnaround_rules(own: Path | None = None) -> TurnaroundRules:
    """The packaged rules, and those of the folder ``own``, which may also replace alarms, drugs or a calendar by name.

    Read once and again after a file has changed. Raises TurnaroundError in one line naming the file and the place.
    """
    if own is None:
        return _packaged()
    return _with_own(own, _stamp(own))


def problems_of(own: Path | None = None) -> list[str]:
    """Everything that keeps the rules from being used, one line each; none where all can be used."""
    contents = _contents(own)
    files, problems = [], []
    for name, content in contents:
        try:
            files.append((name, _parse(content, name)))
        except TurnaroundError as error:
            problems.append(str(error))
    return problems or list(_inconsistencies(files))


@cache
def _packaged() -> TurnaroundRules:
    return _read(None)


@lru_cache(maxsize=4)
def _with_own(own: Path, stamp: tuple[tuple[str, int], ...]) -> TurnaroundRules:
    return _read(own)


def _stamp(own: Path) -> tuple[tuple[str, int], ...]:
    try:
        return tuple((path.name, path.stat().st_mtime_ns) for path in sorted(own.glob("*.yaml")))
    except OSError:
        raise TurnaroundError(f"{own.name}: the turnaround rules cannot be read") from None


def _read(own: Path | None) -> TurnaroundRules:
    contents = _contents(own)
    files = [(name, _parse(content, name)) for name, content in contents]
    for problem in _inconsistencies(files):
        raise TurnaroundError(problem)
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + content for name, content in contents))
    parts = [file for _, file in files]
    alarms = [file.alarms for file in parts if file.alarms is not None]
    return TurnaroundRules(
        tuple(rule for file in parts for rule in file.rules),
        {name: calendar for file in parts for name, calendar in (file.holidays or {}).items()},
        alarms[-1],
        [file.drugs for file in parts if file.drugs is not None][-1],
        digest.hexdigest()[:16],
    )


def _contents(own: Path | None) -> list[tuple[str, bytes]]:
    """Name and content of each file, the packaged ones first."""
    folders: list[Traversable | Path] = [resources.files("models") / "turnaround"]
    if own is not None:
        if not own.is_dir():
            raise TurnaroundError(f"{own.name}: there is no such folder of turnaround rules")
        folders.append(own)
    try:
        return [
            (entry.name, entry.read_bytes())
            for folder in folders
            for entry in sorted(folder.iterdir(), key=lambda item: item.name)
            if entry.name.endswith(".yaml")
        ]
    except OSError as error:
        raise TurnaroundError(f"{Path(error.filename or '').name}: the turnaround rules cannot be read") from None


def _parse(content: bytes, file: str) -> _File:
    try:
        data: Any = yaml.load(content, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise TurnaroundError(f"{file}: not valid YAML near line {mark.line + 1 if mark else '?'}") from None
    if not isinstance(data, Mapping):
        raise TurnaroundError(f"{file}: must be a mapping with rules")
    try:
        return _adapter().validate_python(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        raise TurnaroundError(f"{file}: {_place(first['loc'], data)}: {message[0].lower()}{message[1:]}") from None


@cache
def _adapter() -> TypeAdapter[_File]:
    return TypeAdapter(_File)


def _place(location: tuple[int | str, ...], data: Mapping[str, Any]) -> str:
    """Where in the file, the rule by its id where it has one: ``new-york: times.1.within`` (the first entry is 1)."""
    where = [str(part + 1) if isinstance(part, int) else part for part in location]
    if len(location) > 2 and location[0] == "rules" and isinstance(location[1], int):
        rule = data["rules"][location[1]]
        named = rule.get("id") if isinstance(rule, Mapping) else None
        return f"{named or f'rules.{where[1]}'}: {'.'.join(where[2:])}"
    return ".".join(where) or "file"


def _inconsistencies(files: list[tuple[str, _File]]) -> Iterator[str]:
    calendars = {name for _, file in files for name in file.holidays or {}}
    named = Counter(rule.id for _, file in files for rule in file.rules)
    for file, parsed in files:
        for rule in parsed.rules:
            where = f"{file}: {rule.id}"
            if named[rule.id] > 1:
                yield f"{where}: there is another rule of this id"
            if rule.holidays not in calendars:
                yield f"{where}: holidays: there is no calendar {rule.holidays}"
            if rule.id != DEFAULT_RULE and not rule.lines_of_business:
                yield f"{where}: lines_of_business: names none"
            if rule.in_force_from and rule.in_force_until and rule.in_force_until < rule.in_force_from:
                yield f"{where}: in_force_until: ends before it begins"
            yield from (f"{where}: {problem}" for problem in _times_amiss(rule))
        yield from (
            f"{file}: holidays: {name}: {day.name}: needs a month with a day every year, or with a weekday and its week"
            for name, calendar in (parsed.holidays or {}).items()
            for day in calendar.days
            if not day.comes_every_year
        )


def _times_amiss(rule: TurnaroundRule) -> Iterator[str]:
    """Entries no request can reach, and, in a federal rule, requests for which no entry stands."""
    kinds = [(u, r, d) for u in get_args(Urgency) for r in get_args(ReviewType) for d in (False, True)]
    reached = {
        next((number for number, each in enumerate(rule.times, 1) if each.fits(urgency, review_type, drug=drug)), 0)
        for urgency, review_type, drug in kinds
    }
    yield from (
        f"times.{number}: no request can reach it; an entry before it takes them all"
        for number in range(1, len(rule.times) + 1)
        if number not in reached
    )
    if rule.state is None and 0 in reached:
        urgency, review_type, _ = next(kind for kind in kinds if rule.time_for(kind[0], kind[1], drug=kind[2]) is None)
        yield f"times: a federal rule needs a time for every request; none fits {urgency} {review_type}"
