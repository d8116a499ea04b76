"""What the pages show of a case's clock: the time left, the rule that sets it, and what happened to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from features.types import AuthorizationRequest
from models.clock_events import (
    ClockEvent,
    ExtensionGranted,
    InformationReceived,
    InformationRequested,
    UrgencyChanged,
)
from models.clocks import business_days_left, clock_state, earliest_due, listed_clock_state, time_allowed
from models.turnaround_rules import Alarms, Extension
from models.types import DueTime
from serving.case_clock import clock_events, request_of
from serving.clock_actions import GROUNDS
from serving.tables import AuthorizationRow
from serving.views import DueClock, due_clock
from serving.work import Work
from serving.worklist_filter import LIVE


@dataclass(frozen=True, slots=True)
class ClockLine:
    """Something that happened to the clock: when, as pages write moments, and what."""

    at: str
    words: str


@dataclass(frozen=True, slots=True)
class ClockView:
    """The clock of one case. ``running`` is false where the case is done; ``paused`` and ``left`` are empty where there is
    nothing to say. ``grounds`` are the reasons for which the rule allows an extension now, none where it allows none.
    """

    due: DueClock
    due_at: datetime
    running: bool
    expedited: bool
    allowed: str
    left: str
    rule: str
    source: str
    link: str
    unsure: str
    paused: str
    extension: str
    history: tuple[ClockLine, ...]
    grounds: Mapping[str, str] = field(default_factory=dict)
    most_days: int = 0


def clock_view(session: Session, row: AuthorizationRow, now: datetime) -> ClockView:
    """The clock of a case as it stands now."""
    request, events = request_of(row), clock_events(session, row.authorization_id)
    due = earliest_due(request, events, now=now)
    found = time_allowed(request, due)
    rule, extension = (found[0], found[1].extension) if found is not None else (None, None)
    since = due.paused_since if due.paused_since is not None and due.paused_since <= now else None
    may_extend = bool(due.may_extend_days) and extension is not None and now <= due.due_at
    return ClockView(
        due=_paused_clock(due.due_at, since, now) if since else _clock(due, now),
        due_at=due.due_at,
        running=Work(row.work) in LIVE,
        expedited=row.urgency == "expedited",
        allowed=due.allowed,
        left=_days_left(due, now),
        rule=f"{rule.title} ({rule.id} {rule.version})" if rule else f"{due.rule} {due.rule_version}",
        source=due.source,
        link=rule.link if rule else "",
        unsure=(rule.unsure or "") if rule else "",
        paused=f"Paused since {_moment(since)}, waiting for information" if since else "",
        extension=_extension_words(due, extension),
        history=tuple(_history(request, events, due, now)),
        grounds={ground: GROUNDS[ground] for ground in extension.reasons} if may_extend and extension else {},
        most_days=extension.up_to_days if may_extend and extension else 0,
    )


@dataclass(frozen=True, slots=True)
class ListedClock:
    """What a list keeps of a clock (serving/tables.py says what each column is)."""

    due_at: datetime
    received_at: datetime | None
    due_allowed: str | None
    extended_days: int | None
    amber_at: datetime | None
    red_at: datetime | None
    paused_at: datetime | None

    def ends_at(self, now: datetime) -> datetime:
        """When the decision is due, a pause that has not ended counted as far as ``now``."""
        if self.paused_at is None or self.red_at is None or now <= self.paused_at:
            return self.due_at
        return min(self.due_at + (now - self.paused_at), self.red_at)

    def paused_since(self, now: datetime) -> datetime | None:
        """Since when it stands still, None where it does not."""
        stands = self.paused_at is not None and self.paused_at <= now and self.ends_at(now) != self.red_at
        return self.paused_at if stands else None

    def soon_at(self, alarms: Alarms) -> datetime:
        """When it turns amber."""
        if self.amber_at is not None:
            return self.amber_at
        begun = self.received_at or self.due_at - timedelta(days=7)
        return self.due_at - alarms.before_the_end(self.due_at - begun)

    @property
    def rule_words(self) -> str:
        """How long the rule gives and what was added: "of 72 hours, extended by 14 days"; empty where not known."""
        extended = f", extended by {_days(self.extended_days)}" if self.extended_days else ""
        return f"of {self.due_allowed}{extended}" if self.due_allowed else ""


def listed_clock(clock: ListedClock, now: datetime, alarms: Alarms) -> DueClock:
    """A line's clock in words, coloured by the rule's own alarms."""
    ends, since = clock.ends_at(now), clock.paused_since(now)
    if since is not None:
        return _paused_clock(ends, since, now)
    if clock.amber_at is None and clock.received_at is not None:
        state = listed_clock_state(clock.received_at, clock.due_at, now, alarms)
        return due_clock(clock.due_at, now, soon=state.level == "soon")
    return due_clock(ends, now, soon=now >= clock.soon_at(alarms))


def _clock(due: DueTime, now: datetime) -> DueClock:
    return due_clock(due.due_at, now, soon=clock_state(due, now).level == "soon")


def _paused_clock(ends: datetime, since: datetime, now: datetime) -> DueClock:
    left = due_clock(ends, now, soon=False)
    words = f"paused, {left.words.removeprefix('due in ')} left" if left.level != "late" else left.words
    return DueClock(words, f"waiting for information since {_moment(since)}", left.level)


def _days_left(due: DueTime, now: datetime) -> str:
    left = business_days_left(due, now)
    if left is None or due.due_at < now:
        return ""
    return "ends on this business day" if left == 0 else f"{left} business day{'' if left == 1 else 's'} left"


def _extension_words(due: DueTime, extension: Extension | None) -> str:
    if due.extended_by:
        return f"Extended by {_days(due.extended_by.days + (due.extended_by.seconds > 0))}; no further extension"
    if extension is None:
        return "This rule allows no extension"
    return f"Can be extended once, by up to {_days(extension.up_to_days)} ({extension.source})"


def _history(
    request: AuthorizationRequest, events: Sequence[ClockEvent], due: DueTime, now: datetime
) -> Iterator[ClockLine]:
    yield ClockLine(_moment(request.received_at), f"received as {request.urgency}")
    for event in sorted(events, key=lambda each: each.at):
        yield ClockLine(_moment(event.at), _event_words(event, due, now))


def _event_words(event: ClockEvent, due: DueTime, now: datetime) -> str:
    match event:
        case InformationRequested():
            asked = "information asked for" if event.at <= now else "information asked for, once the letter has left"
            return asked if due.paused_since or due.paused_for else f"{asked}; this rule does not stop the clock for it"
        case InformationReceived():
            return "documents came"
        case ExtensionGranted():
            return f"extended by {_days(event.days or 0)}: {GROUNDS[event.reason]}"
        case UrgencyChanged():
            return (
                "made expedited" if event.to == "expedited" else "expedited review not granted: the standard time holds"
            )


def _days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
