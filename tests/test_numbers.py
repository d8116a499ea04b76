"""The lead's numbers, each worked out by hand from rows in a real database: SQLite, and PostgreSQL where it is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from case_work import NOW, CaseWork
from databases import database_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from models.intervals import wilson_interval
from serving.agreement import agreement_of
from serving.errors import InvalidParameterError
from serving.number_tables import Column, NumberTable, shown_share
from serving.numbers import LeadNumbers, QuickDecisions, lead_numbers
from serving.numbers_view import numbers_view
from serving.percentiles import percentile
from serving.periods import period_of
from serving.store import Store

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def store(any_store: Store) -> Store:
    return any_store


@pytest.fixture
def work(store: Store) -> CaseWork:
    return CaseWork(store)


def count(store: Store, name: str = "7d", now: datetime = NOW) -> LeadNumbers:
    return lead_numbers(store, period_of(name, "", "", now), now, quick_seconds=30, tolerated=0.05)


def decided(work: CaseWork, person: str, took: float, *, at: datetime = NOW - HOUR, **case: object) -> str:
    """A case decided so many hours after it was received."""
    key = work.case(received=at - took * HOUR, work="decided", **case)  # type: ignore[arg-type]  # passed on
    work.act(key, "approved", person, at)
    return key


def test_turnaround_is_counted_by_urgency_and_line_of_business(store: Store, work: CaseWork) -> None:
    ann = work.person("ann")
    for hours in (10, 20, 30, 40, 200):
        decided(work, ann, hours)
    decided(work, ann, 80, urgency="expedited", hours=72, line="medicaid")
    work.case(received=NOW - 167 * HOUR)  # due in an hour
    work.case(received=NOW - 100 * HOUR, work="referred")  # due in 68 hours
    work.case(received=NOW - 169 * HOUR, work="awaiting_information")  # overdue
    work.case(received=NOW - 169 * HOUR, work="withdrawn")

    expedited, standard = count(store).turnaround

    assert (expedited.urgency, expedited.line_of_business) == ("expedited", "medicaid")
    assert (expedited.decided, expedited.in_time, expedited.target_hours) == (1, 0, 72)
    assert (standard.decided, standard.in_time) == (5, 4)
    # Of five, the third is the first that half do not exceed, the fifth the first that nine tenths do not.
    assert (standard.median_hours, standard.p90_hours, standard.target_hours) == (30, 200, 168)
    assert (standard.open, standard.near, standard.overdue) == (3, 1, 1)
    assert (expedited.open, expedited.near, expedited.overdue) == (0, 0, 0)


def test_hours_are_counted_in_whole_tenths(store: Store, work: CaseWork) -> None:
    ann = work.person("ann")
    decided(work, ann, 1.99)
    assert count(store).turnaround[0].median_hours == 1.9


def test_a_case_counts_once_when_it_was_decided_first(store: Store, work: CaseWork) -> None:
    ann = work.person("ann")
    case = decided(work, ann, 10, at=NOW - 8 * 24 * HOUR)
    work.act(case, "reopened", ann, NOW - 3 * HOUR)
    work.act(case, "approved_modified", ann, NOW - 2 * HOUR)
    assert count(store, "7d").turnaround == ()
    assert count(store, "30d").turnaround[0].decided == 1
    assert count(store, "30d").turnaround[0].median_hours == 10


def test_what_was_undone_is_not_counted(store: Store, work: CaseWork) -> None:
    ann = work.person("ann")
    case = work.case(received=NOW - 10 * HOUR)
    undone = work.act(case, "approved", ann, NOW - 3 * HOUR)
    work.act(case, "undone", ann, NOW - 3 * HOUR + MINUTE, undoes=undone)
    corrected = work.act(case, "fact_corrected", ann, NOW - 3 * HOUR, verdict="wrong", concept="fever")
    work.act(case, "undone", ann, NOW - 3 * HOUR + MINUTE, undoes=corrected)
    numbers = count(store)
    assert numbers.turnaround[0].decided == 0
    assert numbers.corrections == ()
    assert numbers.quick.decided == 0

    work.act(case, "approved", ann, NOW - HOUR)
    assert count(store).turnaround[0].median_hours == 9


def test_the_queue_is_counted_by_time_left_and_by_age(store: Store, work: CaseWork) -> None:
    work.case(received=NOW - HOUR, hours=72, urgency="expedited")  # 71 h left
    work.case(received=NOW - 70 * HOUR, hours=72, urgency="expedited")  # 2 h left
    work.case(received=NOW - 193 * HOUR)  # overdue by 25 h
    work.case(received=NOW - 168 * HOUR)  # due this moment
    work.case(received=NOW - HOUR, work="decided")
    work.case(received=NOW - HOUR, work="fast_tracked", route="fast_track")
    numbers = count(store)
    left = {step.label: (step.expedited, step.standard) for step in numbers.by_time_left if step.cases}
    assert left == {"2–3 d": (1, 0), "under 4 h": (1, 1), "overdue over 1 d": (0, 1)}
    age = {step.label: (step.expedited, step.standard) for step in numbers.by_age if step.cases}
    assert age == {"under 4 h": (1, 0), "2–3 d": (1, 0), "over 7 d": (0, 2)}


def test_workload_tells_what_each_reviewer_holds_and_did(store: Store, work: CaseWork) -> None:
    ann, bob = work.person("ann", team="Spine"), work.person("bob")
    work.person("gone", active=False)
    work.person("dana", "data_scientist")
    work.case(received=NOW - 160 * HOUR, assigned_to=ann)  # due in 8 hours
    work.case(received=NOW - HOUR, assigned_to=ann)
    work.case(received=NOW - HOUR, assigned_to=ann, work="decided")
    for at, minutes in ((NOW - HOUR, 4), (NOW - 49 * HOUR, 10), (NOW - 50 * HOUR, 30), (NOW - 6 * 24 * HOUR, 30)):
        case = decided(work, ann, 10, at=at)
        work.opened(case, ann, at - minutes * MINUTE)
    asked = work.case(received=NOW - 9 * HOUR)
    work.act(asked, "information_requested", bob, NOW - HOUR)

    lines = {line.person_id: line for line in count(store).workload}

    assert list(lines) == ["ann", "bob"]
    line = lines["ann"]
    assert (line.name, line.team, line.holding, line.near) == ("Ann", "Spine", 2, 1)
    # Monday is 16 November; the earliest of the four is of Saturday.
    assert (line.decided_today, line.decided_week, line.decided) == (1, 3, 4)
    assert line.median_minutes == 10
    assert (lines["bob"].decided, lines["bob"].asked, lines["bob"].median_minutes) == (0, 1, None)


def test_decisions_made_in_seconds_raise_the_alarm(store: Store, work: CaseWork) -> None:
    ann, bob = work.person("ann"), work.person("bob")
    at = NOW - HOUR
    for seconds in (29.9, 30, 300):
        work.opened(decided(work, ann, 10, at=at), ann, at - seconds * SECOND)
    work.opened(decided(work, bob, 10, at=at), ann, at - MINUTE)  # somebody else opened it
    work.opened(decided(work, bob, 10, at=at), bob, at - 9 * HOUR)  # on another shift
    work.opened(decided(work, bob, 10, at=at), bob, at + SECOND)  # only afterwards
    work.opened(decided(work, bob, 10, at=at), bob, at - MINUTE, action="case_left")

    quick = count(store).quick

    assert (quick.decided, quick.quick, quick.unopened) == (7, 1, 4)
    assert quick.share == 5 / 7
    assert quick.alarm
    lines = {line.person_id: (line.quick, line.unopened) for line in count(store).workload}
    assert lines == {"ann": (1, 0), "bob": (0, 4)}
    assert "5 of 7 decisions (71 %)" in (numbers_view(count(store)).alarm or "")


def test_one_quick_decision_of_twenty_raises_no_alarm() -> None:
    assert QuickDecisions(1, 1, 0, 30, 0.05).alarm
    assert not QuickDecisions(20, 1, 0, 30, 0.05).alarm
    assert not QuickDecisions(0, 0, 0, 30, 0.0).alarm


def test_reading_counts_from_the_first_opening_of_the_shift(store: Store, work: CaseWork) -> None:
    ann = work.person("ann")
    at = NOW - HOUR
    case = decided(work, ann, 10, at=at)
    work.opened(case, ann, at - 12 * MINUTE)
    work.opened(case, ann, at - 5 * SECOND)  # the page again, after a correction
    numbers = count(store)
    assert numbers.quick.quick == 0
    assert numbers.workload[0].median_minutes == 12
    assert not numbers.quick.alarm
    assert numbers_view(numbers).alarm is None


def test_agreement_is_of_cases_answered_by_two_nurses(store: Store, work: CaseWork) -> None:
    ann, bob = work.person("ann"), work.person("bob")
    dan = work.person("dan", "medical_director")
    at = NOW - 5 * HOUR

    def answered(first: str, second: str, *, by: str = bob, between: str | None = None, role: str = "nurse") -> None:
        case = work.case(received=NOW - 20 * HOUR)
        work.act(case, first, ann, at - 30 * 24 * HOUR)
        if between:
            work.act(case, between, dan, at, role="medical_director")
        work.act(case, second, by, at + HOUR, role=role)

    for _ in range(6):
        answered("approved", "approved")
    answered("approved", "referred")
    answered("approved_modified", "approved")
    answered("referred", "referred")
    answered("approved_modified", "approved_modified")
    answered("approved", "approved", by=ann)
    answered("referred", "approved", between="returned")
    answered("referred", "determined_adversely", by=dan, role="medical_director")

    agreement = count(store).agreement

    assert (agreement.cases, agreement.same) == (10, 8)
    # First answers 7, 2, 1 of approved, modified, referred; second 7, 1, 2: by chance (49 + 2 + 2) / 100.
    assert agreement.kappa == pytest.approx((0.8 - 0.53) / (1 - 0.53))
    assert agreement.interval == pytest.approx((0.4901625, 0.9433178), abs=1e-6)


def test_kappa_says_nothing_where_one_answer_is_always_given() -> None:
    assert agreement_of({}).kappa is None
    assert agreement_of({}).share is None
    assert agreement_of({("approved", "approved"): 5}).kappa is None
    assert agreement_of({("a", "b"): 1, ("b", "a"): 1}).kappa == -1


def test_corrections_are_counted_by_concept_and_verdict(store: Store, work: CaseWork) -> None:
    ann = work.person("ann")
    case = work.case(received=NOW - 20 * HOUR)
    for concept, verdict in (
        ("bmi", "wrong"),
        ("bmi", "confirmed"),
        ("fever", "missed"),
        ("fever", "wrong_assertion"),
        ("ahi", "confirmed"),
    ):
        work.act(case, "fact_corrected", ann, NOW - HOUR, fact_id="f1", concept=concept, verdict=verdict)
    work.act(case, "fact_corrected", ann, NOW - 8 * 24 * HOUR, concept="bmi", verdict="wrong")
    found = [(one.concept, one.verdicts) for one in count(store).corrections]
    assert found == [("fever", (0, 0, 1, 1)), ("bmi", (1, 1, 0, 0)), ("ahi", (1, 0, 0, 0))]


def test_the_blind_audit_counts_first_answers_that_are_not_as_requested(store: Store, work: CaseWork) -> None:
    ann = work.person("ann")
    for first in ("approved", "approved", "information_requested"):
        case = work.case(received=NOW - 20 * HOUR, held=True)
        work.act(case, first, ann, NOW - 2 * HOUR)
        work.act(case, "approved", ann, NOW - HOUR)
    work.act(work.case(received=NOW - 20 * HOUR), "referred", ann, NOW - HOUR)
    numbers = count(store)
    assert (numbers.audit.cases, numbers.audit.errors) == (3, 1)
    # Clopper-Pearson, 1 of 3, one-sided 95 %: (1 - p)^3 + 3 p (1 - p)^2 = 0.05.
    p = numbers.audit.bound
    assert (1 - p) ** 3 + 3 * p * (1 - p) ** 2 == pytest.approx(0.05)
    audited, other = numbers.routes
    assert (audited.audited, audited.reason, audited.answers) == (
        True,
        None,
        {"approved": 2, "information_requested": 1},
    )
    assert (other.audited, other.reason, other.answers) == (False, "criteria_not_documented", {"referred": 1})


def test_the_share_of_fast_tracks_is_of_requests_that_were_read(store: Store, work: CaseWork) -> None:
    work.case(received=NOW - HOUR, route="fast_track", work="fast_tracked")
    work.case(received=NOW - HOUR)
    work.case(received=NOW - HOUR, route=None)
    work.case(received=NOW - 8 * 24 * HOUR, route="fast_track", work="fast_tracked")
    arrived = count(store).arrived
    assert (arrived.read, arrived.fast_tracked) == (2, 1)


def test_another_tenant_s_cases_are_not_counted(store: Store, work: CaseWork) -> None:
    ann = work.person("ann")
    decided(work, ann, 10)
    work.act(work.case(received=NOW - HOUR), "fact_corrected", ann, NOW, verdict="wrong", concept="bmi")
    with store.writing() as session:
        for table in ("authorizations", "case_actions", "people"):
            session.execute(text(f"UPDATE {table} SET tenant = 'other'"))  # noqa: S608  (our own names)
    numbers = count(store)
    assert numbers.turnaround == numbers.corrections == numbers.workload == numbers.routes == ()
    assert sum(step.cases for step in numbers.by_age) == numbers.arrived.read == 0


def test_an_empty_database_has_numbers_and_a_page(store: Store) -> None:
    view = numbers_view(count(store))
    assert view.alarm is None
    assert [section.slug for section in view.sections if section.chart] == []


case_of_any_kind = st.fixed_dictionaries(
    {
        "urgency": st.sampled_from(["standard", "expedited"]),
        "line": st.sampled_from(["commercial", "medicaid", None]),
        "age": st.integers(0, 400),
        "held": st.booleans(),
        "answers": st.lists(
            st.tuples(
                st.sampled_from(["approved", "approved_modified", "referred", "information_requested"]),
                st.sampled_from(["ann", "bob"]),
                st.integers(0, 20),
                st.booleans(),
            ),
            max_size=3,
        ),
    }
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=st.lists(case_of_any_kind, max_size=12))
def test_totals_equal_the_sum_of_their_parts(
    tmp_path_factory: pytest.TempPathFactory, cases: list[dict[str, object]]
) -> None:
    store = Store.open(database_in(tmp_path_factory.mktemp("numbers")))
    work = CaseWork(store)
    work.person("ann"), work.person("bob")
    waiting, answered, decisions = 0, 0, 0
    for given_case in cases:
        age = int(str(given_case["age"]))
        answers: list[tuple[str, str, int, bool]] = given_case["answers"]  # type: ignore[assignment]  # from the strategy
        standing = [answer for answer in answers if not answer[3]]
        is_decided = any(kind in ("approved", "approved_modified") for kind, *_ in standing)
        key = work.case(
            received=NOW - age * HOUR,
            urgency=str(given_case["urgency"]),
            line=given_case["line"],  # type: ignore[arg-type]  # from the strategy
            held=bool(given_case["held"]),
            work="decided" if is_decided else "open",
        )
        for kind, person, hours, undone in answers:
            action = work.act(key, kind, person, NOW - hours * HOUR)
            if undone:
                work.act(key, "undone", person, NOW, undoes=action)
        waiting += not is_decided
        answered += bool(standing)
        decisions += sum(kind in ("approved", "approved_modified") for kind, *_ in standing)

    numbers = count(store)

    assert sum(row.open for row in numbers.turnaround) == waiting
    assert sum(step.cases for step in numbers.by_time_left) == sum(step.cases for step in numbers.by_age) == waiting
    assert sum(row.decided for row in numbers.turnaround) == len(cases) - waiting
    assert sum(row.cases for row in numbers.routes) == answered
    assert sum(line.decided for line in numbers.workload) == numbers.quick.decided == decisions
    assert numbers.quick.quick + numbers.quick.unopened <= numbers.quick.decided
    assert all(row.in_time <= row.decided for row in numbers.turnaround)
    store.close()


@given(st.dictionaries(st.integers(0, 50), st.integers(1, 5), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(counts: dict[int, int], percent: int) -> None:
    values = sorted(value for value, times in counts.items() for _ in range(times))
    found = percentile(counts, percent)
    assert found is not None
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_ends_of_wilson_s_interval_are_as_unlikely_as_it_says(successes: int, n: int) -> None:
    seen = min(successes, n)
    share, z = seen / n, 1.959964
    for end in wilson_interval(seen, n):
        assert 0 <= end <= 1
        # The defining equation; at the ends of the scale both sides can also be nought.
        assert n * (share - end) ** 2 == pytest.approx(z * z * end * (1 - end), abs=1e-5)


def test_periods_are_whole_days_of_utc() -> None:
    now = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    today = period_of("today", "", "", now)
    assert (today.start, today.end) == (datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
    assert period_of("7d", "", "", now).words == "2026-11-14 to 2026-11-20"
    custom = period_of("custom", "2026-10-31", "2026-11-01", now)
    assert (custom.end - custom.start, custom.words) == (timedelta(days=2), "2026-10-31 to 2026-11-01")


@pytest.mark.parametrize(
    ("name", "first", "last", "field"),
    [
        ("year", "", "", "period"),
        ("custom", "", "2026-11-01", "from"),
        ("custom", "2026-11-01", "soon", "to"),
        ("custom", "2026-11-02", "2026-11-01", "to"),
        ("custom", "2024-11-02", "2026-11-01", "from"),
        ("custom", "9999-12-31", "9999-12-31", "from"),
    ],
)
def test_a_period_that_cannot_be_used_names_its_field(name: str, first: str, last: str, field: str) -> None:
    with pytest.raises(InvalidParameterError) as refused:
        period_of(name, first, last, NOW)
    assert refused.value.problems[0][0] == field


def test_a_table_is_written_plainly_and_no_name_runs_in_a_spreadsheet() -> None:
    columns = (Column("Reviewer", "words"), Column("Cases"), Column("Median", "hours"), Column("Share", "share"))
    table = NumberTable("t", "T", columns, (("=1+1", 1234, None, 0.12345), ("Ann, RN", 0, 1.0, 1.0)))
    assert (
        table.csv() == 'Reviewer,Cases,Median (hours),Share (share)\r\n\'=1+1,1234,,0.1235\r\n"Ann, RN",0,1.0,1.0\r\n'
    )
    assert table.shown() == [["=1+1", "1,234", "–", "12 %"], ["Ann, RN", "0", "1.0", "100 %"]]


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (None, "–"),
        (0.0, "0 %"),
        (0.0004, "< 0.1 %"),
        (0.034, "3.4 %"),
        (0.5, "50 %"),
        (0.9996, "99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float | None, words: str) -> None:
    assert shown_share(share) == words
