"""The data scientist's numbers: counted by hand, nobody named, and no small cell to be found."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from case_work import NOW, CaseWork
from databases import database_in
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.aggregates import Aggregates, aggregates
from serving.aggregates_view import aggregate_sections
from serving.periods import period_of
from serving.store import Store
from serving.suppression import SMALLEST_SHOWN, ShownCounts, shown_counts

HOUR = timedelta(hours=1)


@pytest.fixture
def store(any_store: Store) -> Store:
    return any_store


@pytest.fixture
def work(store: Store) -> CaseWork:
    return CaseWork(store)


def count(store: Store, name: str = "30d") -> Aggregates:
    return aggregates(store, period_of(name, "", "", NOW), NOW)


def test_a_small_cell_is_withheld_with_another_of_its_row() -> None:
    shown = shown_counts([[100, 40, 5, 0], [100, 50, 60, 0]])
    assert shown.rows == ((100, None, None, 0), (100, None, None, 0))
    assert shown.totals == (145, 210)
    assert shown.withheld == 4


def test_two_small_cells_that_could_only_be_small_take_a_third_with_them() -> None:
    # 2 and 1 withheld alone would say: both are at most 2.
    shown = shown_counts([[100, 40, 2, 1], [90, 80, 70, 60]])
    assert shown.rows[0] == (100, None, None, None)


def test_a_small_total_is_withheld_with_its_whole_row() -> None:
    shown = shown_counts([[3, 0], [80, 70], [60, 50]])
    assert shown.totals[0] is None
    assert shown.rows[0] == (None, 0)


def test_nothing_is_withheld_from_a_table_of_large_cells_and_zeros() -> None:
    shown = shown_counts([[11, 0, 300], [0, 12, 40]])
    assert shown == ShownCounts(((11, 0, 300), (0, 12, 40)), (311, 52))
    assert shown_counts([]) == ShownCounts((), ())


def test_a_table_of_small_cells_only_shows_none_of_them() -> None:
    assert shown_counts([[3, 4]]) == ShownCounts(((None, None),), (None,))
    assert shown_counts([[5], [90]]) == ShownCounts(((None,), (None,)), (None, None))


tables = st.integers(1, 5).flatmap(
    lambda columns: st.lists(
        st.lists(
            st.one_of(st.integers(0, 25), st.sampled_from([0, 1, 10, 11, 500])), min_size=columns, max_size=columns
        ),
        min_size=1,
        max_size=6,
    )
)


@settings(max_examples=400, deadline=None)
@given(tables)
def test_no_withheld_cell_can_be_found_from_totals(rows: list[list[int]]) -> None:
    shown = shown_counts(rows)
    full = [[*row, sum(row)] for row in rows]
    cells = [[*row, total] for row, total in zip(shown.rows, shown.totals, strict=True)]
    hidden = [(r, c) for r, row in enumerate(cells) for c, cell in enumerate(row) if cell is None]

    for r, row in enumerate(cells):
        for c, cell in enumerate(row):
            assert cell is None or cell == full[r][c]
            assert cell is None or cell == 0 or cell >= SMALLEST_SHOWN

    if all(cell is None or cell == 0 for row in cells for cell in row):
        return  # Nothing is told at all.

    # Everything somebody knows: each row adds up to its total, each column to a total from elsewhere.
    number = {cell: index for index, cell in enumerate(hidden)}
    equations = np.zeros((len(rows) + len(full[0]), len(hidden)))
    last = len(full[0]) - 1
    for (r, c), index in number.items():
        equations[r, index] = -1 if c == last else 1
        equations[len(rows) + c, index] = 1
    if hidden:
        _, sizes, directions = np.linalg.svd(equations)
        free = directions[int((sizes > 1e-9).sum()) :]
        assert (np.abs(free).max(axis=0, initial=0) > 1e-9).all()

    # From one line alone, every withheld cell could be eleven or more.
    for r, row in enumerate(cells):
        withheld = [full[r][c] for c in range(last) if row[c] is None]
        if withheld and row[last] is not None:
            assert len(withheld) > 1
            assert sum(withheld) - len(withheld) + 1 >= SMALLEST_SHOWN
    for c in range(last + 1):
        withheld = [full[r][c] for r in range(len(rows)) if cells[r][c] is None]
        if withheld:
            assert len(withheld) > 1
            assert sum(withheld) - len(withheld) + 1 >= SMALLEST_SHOWN


def test_a_large_table_is_withheld_in_time() -> None:
    rows = [[(row * 7 + column * 3) % 30 for column in range(4)] for row in range(400)]
    assert shown_counts(rows).withheld > 400


def answered(work: CaseWork, times: int, kind: str, *, score: float = 0.5, family: str | None = "spine") -> None:
    for _ in range(times):
        case = work.case(received=NOW - 50 * HOUR, score=score, family=family)
        work.act(case, kind, "ann", NOW - HOUR)


def test_answers_are_counted_by_service_family(store: Store, work: CaseWork) -> None:
    work.person("ann")
    answered(work, 14, "approved")
    answered(work, 12, "referred")
    answered(work, 13, "approved", family=None)
    numbers = count(store)
    assert numbers.answers.labels == ("no policy", "spine")
    assert numbers.answers.columns[0] == "approved"
    assert numbers.answers.counts.rows == ((13, 0, 0, 0, 0), (14, 0, 0, 12, 0))
    assert numbers.answers.counts.totals == (13, 26)
    assert numbers.routes.counts.rows == ((0, 13, 0), (0, 26, 0))
    assert numbers.withheld == 0


def test_deciles_compare_the_score_with_the_first_answer(store: Store, work: CaseWork) -> None:
    work.person("ann")
    answered(work, 15, "approved", score=0.3)  # a tenth begins with its lower end
    answered(work, 11, "information_requested", score=0.38)
    answered(work, 20, "approved", score=1.0)
    deciles = count(store).deciles
    assert [decile.cases for decile in deciles] == [0, 0, 0, 26, 0, 0, 0, 0, 0, 20]
    assert deciles[3].approved == 15
    assert deciles[3].mean_score == pytest.approx((15 * 0.3 + 11 * 0.38) / 26)
    assert (deciles[9].approved, deciles[9].mean_score) == (20, 1.0)


def test_weeks_end_with_the_period_and_tell_share_and_mean_score(store: Store, work: CaseWork) -> None:
    for number in range(24):
        fast = number < 12
        work.case(received=NOW - HOUR, route="fast_track" if fast else "nurse_review", score=0.9 if fast else 0.5)
    weeks = count(store).weeks
    assert [str(week.first) for week in weeks] == ["2026-10-22", "2026-10-24", "2026-10-31", "2026-11-07", "2026-11-14"]
    assert (weeks[-1].cases, weeks[-1].fast_tracked) == (24, 12)
    assert weeks[-1].mean_score == pytest.approx(0.7)
    assert (weeks[0].cases, weeks[0].mean_score) == (0, None)


def test_a_withheld_cell_gives_nothing_else_away(store: Store, work: CaseWork) -> None:
    work.person("ann")
    answered(work, 4, "approved", score=0.15)
    answered(work, 30, "approved", score=0.95)
    answered(work, 20, "referred", score=0.95)
    first, *_, last = count(store).deciles[1:]
    assert (first.cases, first.approved, first.mean_score) == (None, None, None)
    assert (last.cases, last.approved) == (None, None)
    score = next(section for section in aggregate_sections(count(store)) if section.slug == "score")
    assert score.chart is None
    assert "0.1 to 0.2,*,*,*,*" in score.table.csv()


def test_nobody_is_named(tmp_path: Path) -> None:
    store = Store.open(database_in(tmp_path))
    work = CaseWork(store)
    work.person("annabel")
    for _ in range(15):
        case = work.case(received=NOW - 50 * HOUR)
        work.act(case, "approved", "annabel", NOW - HOUR)
        work.act(case, "fact_corrected", "annabel", NOW - HOUR, concept="bmi", verdict="wrong", note="Doe")
    said = "".join(f"{section.table.csv()}{section.chart}" for section in aggregate_sections(count(store)))
    assert "bmi" in said
    for name in ("annabel", "Annabel", "Doe", "C000"):
        assert name not in said
    store.close()
