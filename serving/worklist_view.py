"""What the worklist's pages show, as frozen values; templates only lay them out.

Nothing here tells a case of the blind audit from any other: routes are not shown, and reasons about the model's caution
are one neutral sentence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from models.clocks import current_alarms
from models.turnaround_rules import Alarms
from serving.claims import Standing
from serving.clock_view import listed_clock
from serving.done_view import DONE_WORDS
from serving.fact_words import spoken
from serving.last_looks import Change
from serving.paging import cursor_at
from serving.people import SignedIn
from serving.roles import Permission
from serving.saved_views import SavedView
from serving.views import NEUTRAL_SENTENCE, NOT_TRIAGED, UNTOLD_CODES, DueClock
from serving.work import DECIDING, Work, may_have
from serving.worklist import Colleague, Page, WorklistCase
from serving.worklist_counts import Facets
from serving.worklist_filter import LIVE, NEEDS_A_PERSON, URGENCIES, Filter, Holder, query_of

WORK_WORDS = {
    Work.OPEN: "open",
    Work.AWAITING_INFORMATION: "awaiting information",
    Work.REFERRED: "referred",
    Work.DECIDED: "decided",
    Work.WITHDRAWN: "withdrawn",
    Work.FAST_TRACKED: "fast track",
    Work.CANCELLED: "cancelled",
}
HOLDER_WORDS = {Holder.MINE: "mine", Holder.TEAM: "my team's", Holder.NOBODY: "unassigned"}
CHANGE_WORDS = {
    Change.MENTIONED: "you are mentioned in a note",
    Change.INFORMATION: "information came",
    Change.DOCUMENTS: "new documents",
    Change.CANCELLED: "cancelled",
    Change.UPDATED: "request updated",
    Change.ASSIGNED_TO_YOU: "assigned to you",
    Change.REASSIGNED: "reassigned",
    Change.RELEASED: "released",
    Change.NOTED: "new note",
    Change.WORKED_ON: "worked on",
}
_MOST_VALUES_SHOWN = 30


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case of the worklist. ``holder`` is "" where nobody has it; ``can_claim`` and ``can_release`` by the viewer."""

    authorization_id: str
    external_id: str
    service: str
    service_code: str
    expedited: bool
    line: str
    work: str
    holder: str
    held: str
    mine: bool
    reason: str
    second_look: bool
    changes: str
    due: DueClock
    due_at: str
    soon_at: str
    paused: bool
    of_rule: str
    turn: int
    can_claim: bool
    can_release: bool


@dataclass(frozen=True, slots=True)
class QuickView:
    """A filter in one click. ``count`` is None where it is not counted."""

    label: str
    href: str
    count: str | None
    current: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a filter, with how many cases it would show."""

    value: str
    label: str
    count: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ChoiceGroup:
    """The values of one kind, chosen together by ``name``."""

    name: str
    label: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Chip:
    """A part of the filter in words, and the way to the list without it."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class WorklistView:
    """The worklist page."""

    lines: tuple[CaseLine, ...]
    total: str
    quick: tuple[QuickView, ...]
    saved: tuple[QuickView, ...]
    default_name: str
    groups: tuple[ChoiceGroup, ...]
    chips: tuple[Chip, ...]
    code: str
    query: str
    earlier_href: str | None
    later_href: str | None
    assignees: tuple[Colleague, ...]
    can_work: bool
    keys_on: bool
    form_token: str
    now: str
    notice: str


@dataclass(frozen=True, slots=True)
class FoundView:
    """What a search found, on a page of its own without paging."""

    lines: tuple[CaseLine, ...]
    more: bool
    can_work: bool
    keys_on: bool
    form_token: str
    now: str


@dataclass(frozen=True, slots=True)
class ChangedView:
    """Why a claim, release or assignment was not done, and the ways on."""

    authorization_id: str
    external_id: str
    happened: str
    now_stands: str
    turn: int
    can_claim: bool
    takes_over: bool
    query: str
    form_token: str


@dataclass(frozen=True, slots=True)
class QuickCounts:
    """Numbers of the quick views, each without any other filter."""

    needed: int
    at_least: bool
    mine: int
    team: int
    nobody: int
    second_look: int
    changed: int


def case_line(
    case: WorklistCase,
    who: SignedIn,
    everybody: Mapping[str, Colleague],
    changes: Mapping[str, Collection[Change]],
    now: datetime,
    alarms: Alarms,
) -> CaseLine:
    """One line; a case whose main reason is withheld shows the neutral sentence."""
    mine = case.assigned_to == who.person.person_id
    works = who.person.may(Permission.WORK_ON_CASES) and case.work in LIVE
    leads = who.person.may(Permission.ASSIGN)
    colleague = everybody.get(case.assigned_to) if case.assigned_to else None
    holder = colleague.display_name if colleague else ""
    reading = case.route is None and case.work is Work.OPEN
    return CaseLine(
        authorization_id=case.authorization_id,
        external_id=case.external_id,
        service=case.service_description or "",
        service_code=f"{case.service_system} {case.service_code}",
        expedited=case.urgency == "expedited",
        line=spoken(case.line_of_business or ""),
        work=NOT_TRIAGED.lower() if reading else WORK_WORDS[case.work],
        holder="you" if mine else holder,
        held=span_words(now - case.assigned_at) if case.assigned_to and case.assigned_at else "",
        mine=mine,
        reason=NEUTRAL_SENTENCE if case.reason_code in UNTOLD_CODES else case.reason_message or "",
        second_look=case.second_look,
        changes=", ".join(CHANGE_WORDS[change] for change in changes.get(case.authorization_id, ())),
        due=listed_clock(case.clock, now, alarms),
        due_at=case.clock.ends_at(now).isoformat(),
        soon_at=case.clock.soon_at(alarms).isoformat(),
        paused=case.clock.paused_since(now) is not None,
        of_rule=case.clock.rule_words,
        turn=case.turn,
        can_claim=works and not mine and (case.assigned_to is None or leads) and may_have(who.person.role, case.work),
        can_release=works and case.assigned_to is not None and (mine or leads),
    )


def worklist_view(
    page: Page,
    chosen: Filter,
    *,
    who: SignedIn,
    everybody: Mapping[str, Colleague],
    changes: Mapping[str, Collection[Change]],
    facets: Facets,
    changed: int,
    quick: QuickCounts,
    saved: Collection[tuple[SavedView, int]],
    keys_on: bool,
    notice: str,
    now: datetime,
) -> WorklistView:
    """The worklist page; ``changed`` counts cases that changed and fit the rest of the filter."""
    query = query_of(chosen)
    cases = page.cases
    alarms = current_alarms()
    return WorklistView(
        lines=tuple(case_line(case, who, everybody, changes, now, alarms) for case in cases),
        total=_number(facets.total, facets.at_least),
        quick=tuple(_quick_views(chosen, quick, has_team=bool(who.person.team))),
        saved=tuple(
            QuickView(view.name, _href(view.chosen), _number(count), view.chosen == chosen) for view, count in saved
        ),
        default_name=next((view.name for view, _ in saved if view.is_default), ""),
        groups=_groups(chosen, facets, changed),
        chips=tuple(_chips(chosen)),
        code=chosen.code,
        query=query,
        earlier_href=f"/?{query}&before={cursor_at(cases[0].position)}" if cases and page.has_earlier else None,
        later_href=f"/?{query}&after={cursor_at(cases[-1].position)}" if cases and page.has_later else None,
        assignees=tuple(other for other in everybody.values() if other.takes_cases)
        if who.person.may(Permission.ASSIGN)
        else (),
        can_work=who.person.may(Permission.WORK_ON_CASES),
        keys_on=keys_on,
        form_token=who.form_token,
        now=now.isoformat(),
        notice=notice,
    )


def found_view(
    page: Page,
    *,
    who: SignedIn,
    everybody: Mapping[str, Colleague],
    changes: Mapping[str, Collection[Change]],
    keys_on: bool,
    now: datetime,
) -> FoundView:
    """The page of a search."""
    alarms = current_alarms()
    return FoundView(
        lines=tuple(case_line(case, who, everybody, changes, now, alarms) for case in page.cases),
        more=page.has_later,
        can_work=who.person.may(Permission.WORK_ON_CASES),
        keys_on=keys_on,
        form_token=who.form_token,
        now=now.isoformat(),
    )


def changed_view(stands: Standing, who: SignedIn, query: str, now: datetime) -> ChangedView:
    """Who was there first, in words, and what can be done now."""
    mine_or_free = stands.held_by is None
    leads = who.person.may(Permission.ASSIGN)
    return ChangedView(
        authorization_id=stands.authorization_id,
        external_id=stands.external_id,
        happened=_happened(stands, now),
        now_stands=_stands(stands, now),
        turn=stands.turn,
        can_claim=stands.work in LIVE and (mine_or_free or leads) and may_have(who.person.role, stands.work),
        takes_over=not mine_or_free,
        query=query,
        form_token=who.form_token,
    )


def span_words(span: timedelta) -> str:
    """A span of time in one unit: "40 min", "5 h", "3 d"; "a moment" below a minute."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return "a moment"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // (24 * 60)} d"


def _happened(stands: Standing, now: datetime) -> str:
    if stands.last_kind is not None and stands.last_at is not None and stands.last_at == stands.changed_at:
        did = "decided this case" if stands.last_kind in DECIDING else DONE_WORDS.get(stands.last_kind, "undid a step")
        return f"{stands.last_by} {did} {_ago(stands.last_at, now)}."
    return f"New documents came {_ago(stands.changed_at, now)}." if stands.changed_at else "The case changed."


def _stands(stands: Standing, now: datetime) -> str:
    if stands.work not in LIVE:
        return f"It is {WORK_WORDS[stands.work]} and needs nobody now."
    if stands.held_by and stands.held_since:
        return f"{stands.held_by} has had it for {span_words(now - stands.held_since)}."
    return "Nobody has it."


def _ago(moment: datetime, now: datetime) -> str:
    words = span_words(now - moment)
    return "just now" if words == "a moment" else f"{words} ago"


def _quick_views(chosen: Filter, counts: QuickCounts, *, has_team: bool) -> Iterable[QuickView]:
    offered = [
        ("Needs a person", Filter(), _number(counts.needed, counts.at_least)),
        ("Mine", Filter(works=LIVE, holders=(Holder.MINE,)), _number(counts.mine)),
        ("My team's", Filter(works=LIVE, holders=(Holder.TEAM,)), _number(counts.team)),
        ("Unassigned", Filter(holders=(Holder.NOBODY,)), _number(counts.nobody, counts.at_least)),
        ("Second look", Filter(second_look=True), _number(counts.second_look)),
        ("Changed", Filter(works=tuple(Work), changed=True), _number(counts.changed)),
    ]
    for label, wanted, count in offered:
        if has_team or wanted.holders != (Holder.TEAM,):
            yield QuickView(label, _href(wanted), count, wanted == chosen)


def _groups(chosen: Filter, facets: Facets, changed: int) -> tuple[ChoiceGroup, ...]:
    works = [Choice(w.value, WORK_WORDS[w], _number(facets.works.get(w, 0)), w in chosen.works) for w in Work]
    urgencies = [Choice(u, u, _number(facets.urgencies.get(u, 0)), u in chosen.urgencies) for u in URGENCIES]
    holders = [Choice(h.value, HOLDER_WORDS[h], _number(facets.holders.get(h, 0)), h in chosen.holders) for h in Holder]
    return (
        ChoiceGroup("status", "Status", tuple(works)),
        ChoiceGroup("service", "Service", _open_ended(chosen.families, facets.families, "no policy")),
        ChoiceGroup("urgency", "Urgency", tuple(urgencies)),
        ChoiceGroup("line", "Line of business", _open_ended(chosen.lines, facets.lines, "not given")),
        ChoiceGroup("held", "Held by", tuple(holders)),
        ChoiceGroup(
            "second_look", "Reopened", (Choice("yes", "second look", _number(facets.second_look), chosen.second_look),)
        ),
        ChoiceGroup("changed", "Since I last looked", (Choice("yes", "changed", _number(changed), chosen.changed),)),
    )


def _open_ended(chosen: Collection[str], counts: Mapping[str, int], nothing: str) -> tuple[Choice, ...]:
    """Chosen values and those of most cases, by name: a plan may name any number of lines of business."""
    common = sorted(counts, key=lambda value: (-counts[value], value))[:_MOST_VALUES_SHOWN]
    return tuple(
        Choice(value, spoken(value) if value else nothing, _number(counts.get(value, 0)), value in chosen)
        for value in sorted({*common, *chosen})
    )


def _chips(chosen: Filter) -> Iterable[Chip]:
    if chosen.works != NEEDS_A_PERSON:
        words = "any status" if len(chosen.works) == len(Work) else ", ".join(WORK_WORDS[work] for work in chosen.works)
        yield Chip(words, _href(replace(chosen, works=NEEDS_A_PERSON)))
    if chosen.families:
        words = ", ".join(spoken(family) if family else "no policy" for family in chosen.families)
        yield Chip(words, _href(replace(chosen, families=())))
    if chosen.code:
        yield Chip(f"code {chosen.code}", _href(replace(chosen, code="")))
    if chosen.urgencies:
        yield Chip(", ".join(chosen.urgencies), _href(replace(chosen, urgencies=())))
    if chosen.lines:
        words = ", ".join(spoken(line) if line else "line not given" for line in chosen.lines)
        yield Chip(words, _href(replace(chosen, lines=())))
    if chosen.holders:
        yield Chip(", ".join(HOLDER_WORDS[holder] for holder in chosen.holders), _href(replace(chosen, holders=())))
    if chosen.second_look:
        yield Chip("second look", _href(replace(chosen, second_look=False)))
    if chosen.changed:
        yield Chip("changed", _href(replace(chosen, changed=False)))


def _number(count: int, at_least: bool = False) -> str:
    return f"{count:,}+" if at_least else f"{count:,}"


def _href(chosen: Filter) -> str:
    return f"/?{query_of(chosen)}"
