"""The trail only grows, and whatever is done to it behind our back is found and named."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import database_in, sqlite_only
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from trail_attacks import Row, chained, hash_of, replace_trail, trail_rows

from serving.errors import AnchorError
from serving.people import Person, SignedIn
from serving.roles import Role
from serving.store import Store
from serving.tables import TrailRow
from serving.trail import record
from serving.trail_chain import START, Anchor, ChainState, head_of, parse_anchor, verify

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WHO = SignedIn(Person("01JD3K8Q5T6V7W8X9Y0Z1A2B3C", "ann", "Ann Lee", Role.NURSE), "S1", "token", NOW)
CASE = "01JD3K8Q5T6V7W8X9Y0Z1A2B3D"
LENGTH = 12


def grow(store: Store, entries: int = LENGTH) -> None:
    for number in range(entries):
        with store.writing() as session:
            record(
                session,
                store.tenant,
                "case_opened" if number % 2 else "signed_in",
                at=NOW + timedelta(seconds=number),
                who=WHO if number % 3 else None,
                authorization_id=CASE if number % 2 else None,
                details={"revision": number},
            )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(database_in(tmp_path))
    yield store
    store.close()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, str, list[Row]]]:
    """A store, its database, and the trail as it was before anybody touched it."""
    url = database_in(tmp_path_factory.mktemp("trail"))
    store = Store.open(url)
    grow(store)
    yield store, url, trail_rows(url)
    store.close()


def after(attacked: tuple[Store, str, list[Row]], rows: list[Row]) -> tuple[ChainState, ChainState]:
    """What verification says of the changed trail: without an anchor, and with one of the trail as it was."""
    store, url, before = attacked
    replace_trail(url, rows)
    head = Anchor(before[-1]["number"], before[-1]["hash"])
    return verify(store), verify(store, anchor=head)


def test_a_trail_that_nobody_touched_holds(store: Store) -> None:
    assert verify(store) == ChainState(START, 0, START, True, 0, None)
    grow(store)
    state = verify(store, anchor=head_of(store))
    assert state.valid
    assert (state.checked, state.head, state.complete) == (LENGTH, head_of(store), True)


_TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), st.just("{}")
)
_INDEXES = st.integers(0, LENGTH - 1)
_NULLABLE = ("person_id", "role", "sign_in_id", "authorization_id")


@st.composite
def _changes(draw: st.DrawFn) -> tuple[int, str, object]:
    column = draw(st.sampled_from([*_NULLABLE, "tenant", "action", "details", "previous_hash", "hash", "at"]))
    moments = st.datetimes(timezones=st.just(UTC)).map(str)
    values: st.SearchStrategy[object] = moments | st.just("yesterday") if column == "at" else _TEXTS
    return draw(_INDEXES), column, draw(st.none() | values if column in _NULLABLE else values)


@settings(max_examples=200, deadline=None)
@given(_changes())
def test_any_altered_field_of_any_entry_is_found_and_the_entry_named(
    attacked: tuple[Store, str, list[Row]], change: tuple[int, str, object]
) -> None:
    index, column, value = change
    rows = [dict(row) for row in attacked[2]]
    assume(rows[index][column] != value)
    rows[index][column] = value

    state, anchored = after(attacked, rows)
    assert state.first is not None
    assert state.first.number == rows[index]["number"]
    assert state.first.fault in ("content", "order")
    assert anchored.first == state.first


@settings(max_examples=60, deadline=None)
@given(_INDEXES, _TEXTS.filter(lambda words: words != "case_opened"))
def test_an_altered_entry_with_a_hash_that_fits_is_found_by_the_one_that_follows_or_by_an_anchor(
    attacked: tuple[Store, str, list[Row]], index: int, action: str
) -> None:
    rows = [dict(row) for row in attacked[2]]
    assume(rows[index]["action"] != action)
    rows[index]["action"] = action
    rows[index]["hash"] = hash_of(rows[index])

    state, anchored = after(attacked, rows)
    if index < LENGTH - 1:
        assert state.first is not None
        assert (state.first.number, state.first.fault) == (index + 2, "order")
        assert f"entry {index + 1}" in state.first.problem
    assert anchored.first is not None
    assert anchored.first.fault == ("order" if index < LENGTH - 1 else "anchor")


@settings(max_examples=60, deadline=None)
@given(_INDEXES, st.integers(1, LENGTH))
def test_removed_entries_are_found_and_the_newest_by_an_anchor(
    attacked: tuple[Store, str, list[Row]], index: int, count: int
) -> None:
    rows = [row for row in attacked[2] if not index < row["number"] <= index + count]

    state, anchored = after(attacked, rows)
    if index + count < LENGTH:
        assert state.first is not None
        assert (state.first.number, state.first.fault) == (index + 1, "missing")
        assert anchored.first == state.first
    else:
        assert state.valid
        assert anchored.first is not None
        assert (anchored.first.number, anchored.first.fault) == (LENGTH, "anchor")


@settings(max_examples=60, deadline=None)
@given(_INDEXES, _INDEXES)
def test_swapped_entries_are_found(attacked: tuple[Store, str, list[Row]], first: int, second: int) -> None:
    assume(first < second)
    rows = [dict(row) for row in attacked[2]]
    rows[first], rows[second] = (
        {**rows[second], "number": rows[first]["number"]},
        {**rows[first], "number": rows[second]["number"]},
    )

    state, _ = after(attacked, rows)
    assert state.first is not None
    assert state.first.number == first + 1
    assert state.broken >= 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, LENGTH), st.booleans())
def test_an_inserted_entry_is_found_where_it_stands(
    attacked: tuple[Store, str, list[Row]], index: int, fits: bool
) -> None:
    rows = [dict(row) for row in attacked[2]]
    forged = {**rows[0], "number": index + 1, "action": "approved", "previous_hash": "f" * 64}
    rows = [*rows[:index], forged, *({**row, "number": row["number"] + 1} for row in rows[index:])]
    if fits:
        rows = [*chained(rows[: index + 1], index), *rows[index + 1 :]]

    state, _ = after(attacked, rows)
    if fits and index == LENGTH:
        assert state.valid, "who may add entries can add one: the chain says it is the newest, not that it is true"
    else:
        assert state.first is not None
        assert state.first.number == (index + 2 if fits else index + 1)


def test_an_entry_before_the_first_is_found(attacked: tuple[Store, str, list[Row]]) -> None:
    state, _ = after(attacked, [{**attacked[2][0], "number": -3}, *attacked[2]])
    assert state.first is not None
    assert state.first.number == -3


@settings(max_examples=40, deadline=None)
@given(_INDEXES)
def test_a_trail_written_anew_holds_by_itself_and_not_against_an_anchor(
    attacked: tuple[Store, str, list[Row]], index: int
) -> None:
    rows = [dict(row) for row in attacked[2]]
    rows[index]["action"] = "something_else"

    state, anchored = after(attacked, chained(rows, index))
    assert state.valid
    assert anchored.first is not None
    assert (anchored.first.number, anchored.first.fault) == (LENGTH, "anchor")


def test_everything_that_does_not_hold_is_counted_and_the_rest_still_read(
    attacked: tuple[Store, str, list[Row]],
) -> None:
    rows = [dict(row) for row in attacked[2]]
    for index in (2, 5, 8):
        rows[index]["details"] = '{"revision":99}'
    state, _ = after(attacked, rows)
    assert (state.broken, state.checked) == (3, LENGTH)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trail SET action = 'x' WHERE number = 1",
        "DELETE FROM trail WHERE number = 1",
        # test_trail_postgresql.py has PostgreSQL's way of saying it.
        pytest.param("INSERT OR REPLACE INTO trail SELECT * FROM trail WHERE number = 1", marks=sqlite_only),
    ],
)
def test_the_database_refuses_to_change_or_delete_an_entry(store: Store, statement: str) -> None:
    grow(store, 2)
    with pytest.raises(DBAPIError, match="append-only"), store.writing() as session:
        session.execute(text(statement))
    assert verify(store, anchor=head_of(store)).checked == 2


def test_entries_of_eight_threads_make_one_chain(store: Store) -> None:
    threads = [threading.Thread(target=grow, args=(store, 25)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = verify(store)
    assert state.valid
    assert state.checked == 200


def test_an_entry_goes_with_what_it_tells_of(store: Store) -> None:
    def act_and_fail() -> None:
        with store.writing() as session:
            record(session, store.tenant, "approved", at=NOW, who=WHO)
            raise RuntimeError("the action failed")

    with pytest.raises(RuntimeError, match="failed"):
        act_and_fail()
    with store.reading() as session:
        assert session.scalars(select(TrailRow)).all() == []


def test_a_long_trail_is_verified_in_pieces(store: Store) -> None:
    grow(store)
    first = verify(store, limit=5)
    assert (first.checked, first.head.number, first.complete) == (5, 5, False)
    rest = verify(store, start=first.head)
    assert (rest.checked, rest.head, rest.complete, rest.valid) == (LENGTH - 5, head_of(store), True, True)


def test_going_on_from_an_entry_that_was_changed_since_is_found(store: Store) -> None:
    grow(store)
    state = verify(store, start=Anchor(5, "0" * 64))
    assert state.first is not None
    assert state.first.number == 5


def test_an_anchor_reads_as_it_prints(store: Store) -> None:
    grow(store, 3)
    assert parse_anchor(f" {head_of(store)}\n") == head_of(store)
    for wrong in ("", "3", "3:abc", f"-1:{'0' * 64}", f"3:{'G' * 64}"):
        with pytest.raises(AnchorError, match="NUMBER:HASH"):
            parse_anchor(wrong)
