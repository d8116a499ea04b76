"""The lead's page as frozen values: sections with a chart and its table; templates only lay them out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from serving.charts import Bar, Span, bars, spans
from serving.fact_words import spoken
from serving.number_tables import NOTHING, Column, NumberTable, shown_share
from serving.numbers import AUDIT_CONFIDENCE, LeadNumbers, QueueStep, RouteAnswers
from serving.work import ActionKind

ANSWER_WORDS = {
    ActionKind.APPROVED: "Approved as requested",
    ActionKind.APPROVED_MODIFIED: "Approved modified",
    ActionKind.INFORMATION_REQUESTED: "Information requested",
    ActionKind.REFERRED: "Referred",
    ActionKind.DETERMINED_ADVERSELY: "Director's adverse determination",
}
VERDICT_WORDS = ("Confirmed", "Wrong", "Wrong assertion", "Missed")
NOT_SAID = "not said"
CHARTED = 12
"""So many rows a chart holds at most; the table holds them all."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number at the top of the page. ``state`` is "good", "watch" or "plain"; ``note`` says what it is of."""

    label: str
    value: str
    note: str
    state: str = "plain"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, one sentence, a chart where there is something to draw, and the table."""

    title: str
    note: str
    chart: Markup | None
    table: NumberTable

    @property
    def slug(self) -> str:
        """Its anchor, and the name of its CSV."""
        return self.table.slug


@dataclass(frozen=True, slots=True)
class NumbersView:
    """Everything on the page under the filter. ``alarm`` None: nothing is out of bounds."""

    as_of: str
    as_of_exact: str
    words: str
    alarm: str | None
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]


def numbers_view(numbers: LeadNumbers) -> NumbersView:
    """The page of these numbers."""
    return NumbersView(
        as_of=clock_words(numbers.as_of),
        as_of_exact=numbers.as_of.astimezone(UTC).isoformat(timespec="seconds"),
        words=numbers.period.words,
        alarm=_alarm(numbers),
        figures=_figures(numbers),
        sections=(
            _turnaround(numbers),
            _queue(
                "time-left", "Waiting cases by time left", "By the hours until a decision is due.", numbers.by_time_left
            ),
            _queue("age", "Waiting cases by age", "By the hours since the request was received.", numbers.by_age),
            _workload(numbers),
            _quick(numbers),
            _routes(numbers),
            _corrections(numbers),
            _reviews(numbers),
        ),
    )


def clock_words(moment: datetime) -> str:
    """The time of day, UTC."""
    return f"{moment.astimezone(UTC):%H:%M} UTC"


def _alarm(numbers: LeadNumbers) -> str | None:
    quick = numbers.quick
    if not quick.alarm:
        return None
    return (
        f"{quick.quick + quick.unopened} of {quick.decided} decisions ({shown_share(quick.share)}) were made less than "
        f"{quick.seconds} seconds after opening the case, or without opening it; {shown_share(quick.tolerated)} is "
        "tolerated. Look at how these cases were read before trusting them."
    )


def _figures(numbers: LeadNumbers) -> tuple[Figure, ...]:
    decided = sum(row.decided for row in numbers.turnaround)
    late = decided - sum(row.in_time for row in numbers.turnaround)
    waiting = sum(row.open for row in numbers.turnaround)
    near = sum(row.near for row in numbers.turnaround)
    overdue = sum(row.overdue for row in numbers.turnaround)
    arrived, agreement, audit = numbers.arrived, numbers.agreement, numbers.audit
    return (
        Figure(
            "Decided in time",
            shown_share((decided - late) / decided if decided else None),
            f"{decided:,} decided, {late:,} after their time",
            "watch" if late else "good" if decided else "plain",
        ),
        Figure(
            "Overdue now",
            f"{overdue:,}",
            f"{waiting:,} waiting, {near:,} more due within a day",
            "watch" if overdue else "good",
        ),
        Figure(
            "Fast-tracked",
            shown_share(arrived.fast_tracked / arrived.read if arrived.read else None),
            f"{arrived.fast_tracked:,} of {arrived.read:,} requests read",
        ),
        Figure(
            "Blind audit",
            f"{audit.errors:,} of {audit.cases:,}",
            f"not approved as requested; true rate under {shown_share(audit.bound)}"
            if audit.cases
            else "no case answered",
        ),
        Figure(
            "Agreement",
            shown_share(agreement.share),
            f"{agreement.cases:,} cases answered by two nurses",
        ),
        Figure(
            "In seconds",
            shown_share(numbers.quick.share),
            f"decided under {numbers.quick.seconds} s, or not opened",
            "watch" if numbers.quick.alarm else "plain",
        ),
    )


def _group(urgency: str, line: str | None) -> str:
    return f"{urgency.capitalize()}, {spoken(line) if line else NOT_SAID}"


def _turnaround(numbers: LeadNumbers) -> Section:
    rows = numbers.turnaround
    columns = (
        Column("Urgency", "words"),
        Column("Line of business", "words"),
        Column("Decided"),
        Column("In time"),
        Column("Share", "share"),
        Column("Median", "hours"),
        Column("90 % within", "hours"),
        Column("Target", "hours"),
        Column("Waiting"),
        Column("Due in a day"),
        Column("Overdue"),
    )
    table = NumberTable(
        "turnaround",
        "Turnaround by urgency and line of business",
        columns,
        tuple(
            (
                row.urgency.capitalize(),
                spoken(row.line_of_business) if row.line_of_business else NOT_SAID,
                row.decided,
                row.in_time,
                row.in_time / row.decided if row.decided else None,
                row.median_hours,
                row.p90_hours,
                row.target_hours,
                row.open,
                row.near,
                row.overdue,
            )
            for row in rows
        ),
    )
    drawn = [
        Span(_group(row.urgency, row.line_of_business), row.median_hours, row.p90_hours, row.target_hours)
        for row in rows
        if row.median_hours is not None and row.p90_hours is not None and row.target_hours is not None
    ]
    return Section(
        "Turnaround",
        "Hours from receipt to the deciding action of a person. The target is the shortest time any of the cases had.",
        spans("Hours to a decision against the target", _described(table), drawn[:CHARTED], "h") if drawn else None,
        table,
    )


def _queue(slug: str, title: str, note: str, steps: tuple[QueueStep, ...]) -> Section:
    table = NumberTable(
        slug,
        title,
        (
            Column(title.rsplit(" by ", 1)[1].capitalize(), "words"),
            Column("Cases"),
            Column("Expedited"),
            Column("Standard"),
        ),
        tuple((step.label, step.cases, step.expedited, step.standard) for step in steps),
    )
    drawn = [Bar(step.label, (step.expedited, step.standard), f"{step.cases:,}") for step in steps]
    chart = (
        bars(title, _described(table), drawn, ("expedited", "standard")) if any(step.cases for step in steps) else None
    )
    return Section(title, note, chart, table)


def _workload(numbers: LeadNumbers) -> Section:
    columns = (
        Column("Reviewer", "words"),
        Column("Team", "words"),
        Column("Holding"),
        Column("Due in a day"),
        Column("Today"),
        Column("This week"),
        Column("In the period"),
        Column("Referred"),
        Column("Asked"),
        Column("Median a case", "minutes"),
    )
    table = NumberTable(
        "workload",
        "Workload by reviewer",
        columns,
        tuple(
            (
                one.name,
                one.team,
                one.holding,
                one.near,
                one.decided_today,
                one.decided_week,
                one.decided,
                one.referred,
                one.asked,
                one.median_minutes,
            )
            for one in numbers.workload
        ),
    )
    busiest = sorted(numbers.workload, key=lambda one: (-one.holding - one.decided, one.name))[:CHARTED]
    drawn = [Bar(one.name, (one.holding, one.decided), f"{one.holding:,} + {one.decided:,}") for one in busiest]
    chart = bars("Cases by reviewer", _described(table), drawn, ("holding now", "decided")) if drawn else None
    return Section(
        "Workload",
        "Cases held now and decided. Weeks begin on Monday; the median is from opening a case to deciding it.",
        chart,
        table,
    )


def _quick(numbers: LeadNumbers) -> Section:
    quick = numbers.quick
    decided = [one for one in numbers.workload if one.decided]
    rows = sorted(decided, key=lambda one: (-(one.quick + one.unopened) / one.decided, one.name))
    columns = (
        Column("Reviewer", "words"),
        Column("Decided"),
        Column(f"Under {quick.seconds} s"),
        Column("Not opened"),
        Column("Share of both", "share"),
    )
    table = NumberTable(
        "quick",
        "Decisions made in seconds, by reviewer",
        columns,
        (
            ("Everybody", quick.decided, quick.quick, quick.unopened, quick.share),
            *(
                (one.name, one.decided, one.quick, one.unopened, (one.quick + one.unopened) / one.decided)
                for one in rows
            ),
        ),
    )
    drawn = [
        Bar(
            one.name, ((one.quick + one.unopened) / one.decided,), shown_share((one.quick + one.unopened) / one.decided)
        )
        for one in rows
        if one.quick + one.unopened
    ][:CHARTED]
    return Section(
        "Decided in seconds",
        f"Decisions under {quick.seconds} seconds after opening the case, or without opening it, can mean that the "
        f"screen decides. The alarm sounds when the share is above {shown_share(quick.tolerated)} beyond chance.",
        bars("Share of decisions made in seconds", _described(table), drawn) if drawn else None,
        table,
    )


def _route_words(row: RouteAnswers) -> str:
    if row.audited:
        return "Blind audit: would-be fast track"
    if row.route == "fast_track":
        return "Fast track, answered later"
    return spoken(row.reason).capitalize() if row.reason else "Not read"


def _routes(numbers: LeadNumbers) -> Section:
    columns = (
        Column("Why a person looked", "words"),
        Column("Cases"),
        *(Column(words) for words in ANSWER_WORDS.values()),
        Column("As requested, share", "share"),
    )
    rows = numbers.routes
    table = NumberTable(
        "routes",
        "First answers by why a person looked",
        columns,
        tuple(
            (
                _route_words(row),
                row.cases,
                *(row.answers.get(kind.value, 0) for kind in ANSWER_WORDS),
                row.answers.get(ActionKind.APPROVED.value, 0) / row.cases,
            )
            for row in rows
        ),
    )
    drawn = [
        Bar(_route_words(row), (approved, row.cases - approved), f"{approved:,} of {row.cases:,}")
        for row, approved in ((row, row.answers.get(ActionKind.APPROVED.value, 0)) for row in rows[:CHARTED])
    ]
    chart = (
        bars("First answers", _described(table), drawn, ("approved as requested", "other answer")) if drawn else None
    )
    return Section(
        "Route and answer",
        "A reason whose cases are nearly all approved as requested holds back more than it has to.",
        chart,
        table,
    )


def _corrections(numbers: LeadNumbers) -> Section:
    columns = (Column("Concept", "words"), Column("Said"), *(Column(words) for words in VERDICT_WORDS))
    rows = numbers.corrections
    table = NumberTable(
        "corrections",
        "What reviewers said about facts",
        columns,
        tuple((spoken(row.concept), sum(row.verdicts), *row.verdicts) for row in rows),
    )
    drawn = [
        Bar(spoken(row.concept), row.verdicts[1:], f"{sum(row.verdicts[1:]):,}")
        for row in rows
        if sum(row.verdicts[1:])
    ][:CHARTED]
    chart = (
        bars("Corrections by concept", _described(table), drawn, ("wrong", "assertion", "missed")) if drawn else None
    )
    return Section("Corrections", "What reviewers said about the facts that were read from notes.", chart, table)


def _reviews(numbers: LeadNumbers) -> Section:
    agreement, audit = numbers.agreement, numbers.audit
    low, high = agreement.interval
    modified = sum(row.answers.get(ActionKind.APPROVED_MODIFIED.value, 0) for row in numbers.routes)
    approved = modified + sum(row.answers.get(ActionKind.APPROVED.value, 0) for row in numbers.routes)
    rows: tuple[tuple[str, str, str], ...] = (
        ("Cases answered by two nurses", f"{agreement.cases:,}", "The second answer in the period"),
        (
            "Same answer",
            shown_share(agreement.share),
            f"95 % interval {shown_share(low)} to {shown_share(high)}" if agreement.cases else NOTHING,
        ),
        (
            "Cohen's kappa",
            NOTHING if agreement.kappa is None else f"{agreement.kappa:.2f}",
            "Agreement beyond chance; 1 is complete",
        ),
        (
            "Blind audit",
            f"{audit.errors:,} of {audit.cases:,}",
            f"Not approved as requested; the rate is under {shown_share(audit.bound)} with {AUDIT_CONFIDENCE:.0%} confidence",
        ),
        ("Modified approvals", f"{modified:,} of {approved:,}", "Of first answers that approve"),
    )
    table = NumberTable(
        "reviews",
        "Second reviews and the blind audit",
        (Column("Measure", "words"), Column("Value", "words"), Column("What it means", "words")),
        rows,
    )
    return Section("Second reviews", "How far reviewers agree, and what the blind audit found.", None, table)


def _described(table: NumberTable) -> str:
    """A chart's description: that the same numbers stand in the table beside it."""
    return f"The same numbers stand in the table {table.caption}."
