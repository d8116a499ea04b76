"""When a decision is due, by which rule, and how near that is.

:func:`due_time` computes the due time of one rule; :func:`earliest_due` finds the rules of a request and takes the earliest
due time of any; :func:`due_at` is that moment alone. All are pure but for reading rules and plan settings from their files.
Where something is in doubt the shorter time is taken: late is a harm, early is not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from features.errors import FeaturesError
from features.lines_of_business import line_of_business
from features.plan_settings import PlanPlace, load_plan_places, plan_settings_path
from features.types import AuthorizationRequest, Urgency
from models.clock_events import (
    ClockEvent,
    ExtensionGranted,
    InformationReceived,
    InformationRequested,
    UrgencyChanged,
)
from models.errors import ModelError, TurnaroundError
from models.turnaround_rules import (
    DEFAULT_RULE,
    Alarms,
    TimeAllowed,
    TurnaroundRule,
    TurnaroundRules,
    load_turnaround_rules,
    own_rules_path,
)
from models.types import DueTime
from models.working_days import after_calendar_days, business_days_between, zone_of

EXPEDITED = timedelta(hours=72)
"""42 CFR 438.210(d)(2) and 422.572(a): expedited decisions within 72 hours of receipt. Used where no rule can be read."""
STANDARD = timedelta(days=7)
"""42 CFR 438.210(d)(1) and 422.568(b) as amended by CMS-0057-F, from 2026-01-01: seven calendar days. Used as above."""

Level = Literal["calm", "soon", "late"]

_log = logging.getLogger("greenlane.models")


@dataclass(frozen=True, slots=True)
class ClockState:
    """How a clock stands: its level, the hours left (negative: overdue) and whether it stands still."""

    level: Level
    hours_left: float
    paused: bool = False


def due_at(request: AuthorizationRequest, events: Iterable[ClockEvent] = ()) -> datetime:
    """When the decision on a request is due, UTC. Raises OverflowError past the year 9999 and nothing else."""
    return earliest_due(request, events).due_at


def time_allowed(
    request: AuthorizationRequest, due: DueTime, rules: TurnaroundRules | None = None
) -> tuple[TurnaroundRule, TimeAllowed] | None:
    """The rule that set a due time and what it allows such a request; None where it can no longer be read.

    ``rules`` are those of this deployment by default.
    """
    try:
        rules = rules or load_turnaround_rules(own_rules_path())
    except TurnaroundError as error:
        _log.error("clocks: %s", error)
        return None
    rule = rules.get(due.rule)
    allowed = rules.time_for(rule, request, due.urgency) if rule is not None else None
    return (rule, allowed) if rule is not None and allowed is not None else None


def business_days_left(due: DueTime, now: datetime, rules: TurnaroundRules | None = None) -> int | None:
    """How many business days of the rule's calendar and time zone are left, the day of ``now`` not counted; 0 when late.

    None where the rule does not count in business days, or can no longer be read.
    """
    if "business day" not in due.allowed:
        return None
    try:
        rules = rules or load_turnaround_rules(own_rules_path())
    except TurnaroundError:
        return None
    rule = rules.get(due.rule)
    if rule is None:
        return None
    zone = zone_of(due.time_zone)
    # What ends at midnight ends with the day before.
    first, last = now.astimezone(zone).date(), (due.due_at - timedelta(microseconds=1)).astimezone(zone).date()
    return business_days_between(first, last, rules.holidays[rule.holidays])


def clock_state(due: DueTime, now: datetime) -> ClockState:
    """How a clock stands at ``now``. While it stands still it raises no alarm, unless it was overdue before."""
    left = due.due_at - now
    paused = due.paused_since is not None
    level: Level = "late" if left < timedelta(0) else "soon" if now >= due.soon_at and not paused else "calm"
    return ClockState(level, left / timedelta(hours=1), paused)


def listed_clock_state(received_at: datetime, due_at: datetime, now: datetime, alarms: Alarms) -> ClockState:
    """:func:`clock_state` for a list that keeps only when a request came and when it is due.

    ``alarms`` are those of :func:`current_alarms`, asked for once a page.
    """
    left = due_at - now
    warning = alarms.before_the_end(due_at - received_at)
    level: Level = "late" if left < timedelta(0) else "soon" if left <= warning else "calm"
    return ClockState(level, left / timedelta(hours=1))


def current_alarms() -> Alarms:
    """When clocks turn amber in this deployment; as packaged where its own rules cannot be read."""
    try:
        return load_turnaround_rules(own_rules_path()).alarms
    except TurnaroundError as error:
        _log.error("clocks: %s", error)
        return load_turnaround_rules().alarms


def earliest_due(
    request: AuthorizationRequest,
    events: Iterable[ClockEvent] = (),
    *,
    place: PlanPlace | None = None,
    rules: TurnaroundRules | None = None,
    now: datetime | None = None,
) -> DueTime:
    """The earliest due time that any rule of the request sets, after ``events``.

    ``place`` is the plan's by default, ``rules`` those of this deployment; ``now`` as for :func:`due_time`. Where rules or
    plan settings cannot be read, the constants of this module hold and nothing extends or pauses the clock: a request is
    never lost over its clock. Raises OverflowError past the year 9999.
    """
    happened = tuple(events)
    try:
        place = place or load_plan_places(plan_settings_path()).of(request.coverage.plan_id)
        rules = rules or load_turnaround_rules(own_rules_path())
        times = [
            due
            for rule in rules_of(request, place, rules)
            if (due := _due(request, rule, happened, rules, place.time_zone, now)) is not None
        ]
    except (FeaturesError, ModelError) as error:
        _log.error("clocks: %s", error)
        return _without_rules(request)
    return min(times, key=lambda due: due.due_at)


def rules_of(request: AuthorizationRequest, place: PlanPlace, rules: TurnaroundRules) -> tuple[TurnaroundRule, ...]:
    """The rules that hold for a request, at least one.

    What the plan's settings say of its line of business is believed. What only the request says may make the time shorter
    than the default rule's, not longer. Where the two differ, both lines count. The rules of the plan's state stand beside.
    """
    day = request.received_at.astimezone(zone_of(place.time_zone)).date()
    default = rules.get(DEFAULT_RULE)
    if default is None:
        raise TurnaroundError("turnaround rules: there is no rule default")
    stated = line_of_business(request.coverage.line_of_business)
    settled = rules.of_line(place.line_of_business, day) if place.line_of_business else ()
    of_request = rules.of_line(stated, day) if stated else ()
    if not settled and not _no_longer(request, of_request, default, rules, place):
        of_request = (default, *of_request)
    lines = frozenset(line for line in (place.line_of_business, stated) if line)
    of_state = rules.of_state(place.state, lines, day) if place.state else ()
    return tuple(dict.fromkeys((*settled, *of_request, *of_state)))


def _no_longer(
    request: AuthorizationRequest,
    found: Sequence[TurnaroundRule],
    default: TurnaroundRule,
    rules: TurnaroundRules,
    place: PlanPlace,
) -> bool:
    """Whether rules give at most the time that the default rule gives."""
    limit = due_time(request, default, rules=rules, time_zone=place.time_zone).due_at
    return any(due_time(request, rule, rules=rules, time_zone=place.time_zone).due_at <= limit for rule in found)


def due_time(
    request: AuthorizationRequest,
    rule: TurnaroundRule,
    events: Iterable[ClockEvent] = (),
    *,
    rules: TurnaroundRules | None = None,
    time_zone: str = "UTC",
    now: datetime | None = None,
) -> DueTime:
    """When a decision is due by one rule, after ``events`` in any order, each counted once.

    An extension counts where the rule allows it for that reason, once, and when it was granted before the time was up; so
    does a pause. Events before receipt count as at receipt. A pause that has not ended counts as far as ``now``; without
    ``now`` not at all, so that what is stored is never too late. Raises TurnaroundError where the rule sets no time for such
    a request, OverflowError past the year 9999.
    """
    rules = rules or load_turnaround_rules()
    found = _due(request, rule, tuple(events), rules, time_zone, now)
    if found is None:
        raise TurnaroundError(f"{rule.id}: sets no time for a {request.review_type} request of this urgency")
    return found


def _due(
    request: AuthorizationRequest,
    rule: TurnaroundRule,
    events: Sequence[ClockEvent],
    rules: TurnaroundRules,
    time_zone: str,
    now: datetime | None,
) -> DueTime | None:
    clock = _Clock(request, rule, rules, time_zone)
    taken: tuple[ClockEvent, ...] = ()
    for event in _in_order(events, request.received_at):
        if _gives_time(event):
            so_far = clock.after(taken, event.at)
            if so_far is not None and event.at > so_far.due_at:
                continue
        taken = (*taken, event)
    return clock.after(taken, now)


def _in_order(events: Sequence[ClockEvent], received_at: datetime) -> list[ClockEvent]:
    """Each event once, by time; at the same time an extension before the pause it allows, and a request before its answer."""
    order = (UrgencyChanged, ExtensionGranted, InformationRequested, InformationReceived)
    clamped = {event if event.at >= received_at else replace(event, at=received_at) for event in events}
    return sorted(clamped, key=lambda event: (event.at, order.index(type(event)), repr(event)))


def _gives_time(event: ClockEvent) -> bool:
    """Whether the event can move a due time to later: then it must have come before the time was up."""
    if isinstance(event, UrgencyChanged):
        return event.to == "standard"
    return isinstance(event, ExtensionGranted | InformationRequested)


@dataclass(frozen=True, slots=True)
class _Clock:
    """One request's clock by one rule."""

    request: AuthorizationRequest
    rule: TurnaroundRule
    rules: TurnaroundRules
    time_zone: str

    def after(self, events: Sequence[ClockEvent], now: datetime | None) -> DueTime | None:
        """The due time after these events, in order; None where the rule says nothing of the urgency it came to."""
        urgency, since = self._urgency(events)
        found = self._of(urgency, since, [event for event in events if event.at >= since], now)
        if urgency == "standard" or since == self.request.received_at:
            return found
        # Made expedited on the way: the standard clock, which began at receipt, may still end first.
        before = self._of("standard", self.request.received_at, events, now)
        return min((due for due in (found, before) if due is not None), key=lambda due: due.due_at, default=None)

    def _urgency(self, events: Sequence[ClockEvent]) -> tuple[Urgency, datetime]:
        """The urgency after these events, and when its clock began: at receipt, an expedited one when it became that.

        A standard clock always begins at receipt (42 CFR 422.570(d)(1): also where expedited review was not granted).
        """
        urgency, since = self.request.urgency, self.request.received_at
        for event in events:
            if isinstance(event, UrgencyChanged) and event.to != urgency:
                urgency, since = event.to, event.at if event.to == "expedited" else self.request.received_at
        return urgency, since

    def _of(
        self, urgency: Urgency, start: datetime, events: Sequence[ClockEvent], now: datetime | None
    ) -> DueTime | None:
        allowed = self.rules.time_for(self.rule, self.request, urgency)
        if allowed is None:
            return None
        zone = zone_of(self.time_zone)
        start = start.astimezone(UTC)
        first = allowed.within.after(start, zone, self.rules.holidays[self.rule.holidays])
        extension = _extension(allowed, events)
        extended = after_calendar_days(first, _days(allowed, extension), zone) if extension else first
        paused, since = _pauses(allowed, events, extension, now)
        due = extended + paused
        can_extend = allowed.extension is not None and extension is None
        return DueTime(
            due_at=due,
            started_at=start,
            soon_at=due - self.rules.alarms.before_the_end(first - start),
            urgency=urgency,
            rule=self.rule.id,
            rule_version=self.rule.version,
            source=allowed.source,
            allowed=str(allowed.within),
            rules_hash=self.rules.hash,
            time_zone=self.time_zone,
            extended_by=extended - first,
            paused_for=paused,
            paused_since=since,
            may_extend_days=allowed.extension.up_to_days if can_extend and allowed.extension else 0,
            may_pause=allowed.pause is not None and (not allowed.pause.only_once_extended or _awaits(extension)),
        )


def _extension(allowed: TimeAllowed, events: Sequence[ClockEvent]) -> ExtensionGranted | None:
    """The extension that counts: the first one for a reason the rule knows."""
    if allowed.extension is None:
        return None
    reasons = allowed.extension.reasons
    return next((event for event in events if isinstance(event, ExtensionGranted) and event.reason in reasons), None)


def _days(allowed: TimeAllowed, granted: ExtensionGranted) -> int:
    most = allowed.extension.up_to_days if allowed.extension else 0
    return most if granted.days is None else max(0, min(granted.days, most))


def _awaits(extension: ExtensionGranted | None) -> bool:
    return extension is not None and extension.reason == "information_needed"


def _pauses(
    allowed: TimeAllowed, events: Sequence[ClockEvent], extension: ExtensionGranted | None, now: datetime | None
) -> tuple[timedelta, datetime | None]:
    """How long the clock stood still, and since when it stands still now."""
    if allowed.pause is None or (allowed.pause.only_once_extended and not _awaits(extension)):
        return timedelta(0), None
    begins = extension.at if allowed.pause.only_once_extended and extension else None
    most = timedelta(days=allowed.pause.at_most_days)
    paused, since = timedelta(0), None
    for event in events:
        if isinstance(event, InformationRequested) and since is None:
            since = event.at if begins is None else max(event.at, begins)
        elif isinstance(event, InformationReceived) and since is not None:
            paused, since = paused + max(event.at - since, timedelta(0)), None
    if since is not None and now is not None:
        paused += max(now - since, timedelta(0))
        since = since if paused < most else None
    return min(paused, most), since


def _without_rules(request: AuthorizationRequest) -> DueTime:
    """The due time where no rule can be read."""
    allowed = EXPEDITED if request.urgency == "expedited" else STANDARD
    due = request.received_at + allowed
    return DueTime(
        due_at=due,
        started_at=request.received_at,
        soon_at=due - allowed / 3,
        urgency=request.urgency,
        rule="fallback",
        rule_version="1",
        source="42 CFR 438.210(d), 422.568(b), 422.572(a)",
        allowed="72 hours" if request.urgency == "expedited" else "7 calendar days",
        rules_hash="none",
        time_zone="UTC",
    )
