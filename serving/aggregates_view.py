"""The data scientist's page as frozen values."""

from __future__ import annotations

from models.intervals import wilson_interval
from serving.aggregates import Aggregates, CountTable, ScoreDecile
from serving.charts import Bar, Point, bars, calibration
from serving.fact_words import spoken
from serving.number_tables import Column, NumberTable, shown_share
from serving.numbers_view import ANSWER_WORDS, CHARTED, VERDICT_WORDS, Section
from serving.work import ActionKind

ROUTE_COLUMNS = {"fast_track": "Fast track", "nurse_review": "Nurse review", "being_read": "Being read"}


def aggregate_sections(numbers: Aggregates) -> tuple[Section, ...]:
    """The sections of the page."""
    return (
        _crossed(
            "families",
            "Routes by service family",
            "Requests that came in the period.",
            "Service family",
            numbers.routes,
            [ROUTE_COLUMNS[name] for name in numbers.routes.columns],
        ),
        _crossed(
            "answers",
            "First answers by service family",
            "The first answer of a person on each case, where that was in the period.",
            "Service family",
            numbers.answers,
            [ANSWER_WORDS[ActionKind(name)] for name in numbers.answers.columns],
        ),
        _deciles(numbers.deciles),
        _crossed(
            "corrected-concepts",
            "Corrections by concept",
            "What reviewers said about the facts that were read from notes.",
            "Concept",
            numbers.corrections,
            list(VERDICT_WORDS),
        ),
        _weeks(numbers),
    )


def _crossed(slug: str, title: str, note: str, row_name: str, found: CountTable, names: list[str]) -> Section:
    table = NumberTable(
        slug,
        title,
        (Column(row_name, "words"), Column("All"), *(Column(name) for name in names)),
        tuple(
            (spoken(label), total, *cells)
            for label, total, cells in zip(found.labels, found.counts.totals, found.counts.rows, strict=True)
        ),
        withheld=True,
    )
    drawn = sorted(
        (
            Bar(spoken(label), (total,), f"{total:,}")
            for label, total in zip(found.labels, found.counts.totals, strict=True)
            if total
        ),
        key=lambda bar: -bar.parts[0],
    )
    chart = bars(title, f"The same numbers stand in the table {title}.", drawn[:CHARTED]) if drawn else None
    return Section(title, note, chart, table)


def _deciles(deciles: tuple[ScoreDecile, ...]) -> Section:
    title = "Score and answer"
    table = NumberTable(
        "score",
        title,
        (
            Column("Score", "words"),
            Column("Answered"),
            Column("Mean score", "score"),
            Column("Approved as requested"),
            Column("Share", "share"),
        ),
        tuple(
            (
                f"{decile.low:.1f} to {decile.low + 0.1:.1f}",
                decile.cases,
                decile.mean_score if decile.cases != 0 else "",
                decile.approved,
                _share(decile) if decile.cases != 0 else "",
            )
            for decile in deciles
        ),
        withheld=True,
    )
    points = [
        Point(decile.mean_score, share, *wilson_interval(decile.approved, decile.cases))
        for decile in deciles
        if decile.cases
        and decile.approved is not None
        and decile.mean_score is not None
        and (share := _share(decile)) is not None
    ]
    return Section(
        title,
        "Share approved as requested at the first answer, over the score the case had then, with 95 % intervals. Only "
        "cases that a person answered: fast tracks outside the blind audit are missing, so high scores are the hard ones.",
        calibration("Share approved over score", f"The same numbers stand in the table {title}.", points)
        if points
        else None,
        table,
    )


def _share(decile: ScoreDecile) -> float | None:
    return decile.approved / decile.cases if decile.cases and decile.approved is not None else None


def _weeks(numbers: Aggregates) -> Section:
    title = "Week by week"
    shares = [
        week.fast_tracked / week.cases if week.cases and week.fast_tracked is not None else None
        for week in numbers.weeks
    ]
    table = NumberTable(
        "weeks",
        title,
        (
            Column("Week from", "words"),
            Column("Read"),
            Column("Fast-tracked"),
            Column("Fast-tracked, share", "share"),
            Column("Mean score", "score"),
        ),
        tuple(
            (
                week.first.isoformat(),
                week.cases,
                week.fast_tracked,
                share if week.cases != 0 else "",
                week.mean_score if week.cases != 0 else "",
            )
            for week, share in zip(numbers.weeks, shares, strict=True)
        ),
        withheld=True,
    )
    drawn = [
        Bar(week.first.isoformat(), (share,), shown_share(share))
        for week, share in zip(numbers.weeks, shares, strict=True)
        if share is not None
    ]
    return Section(
        title,
        "A share or a mean score that moves is a pointer to drift; python -m training drift tells whether it is one, and "
        "in which features.",
        bars("Share fast-tracked by week", f"The same numbers stand in the table {title}.", drawn) if drawn else None,
        table,
    )
