"""Doses of drugs as notes write them, what looks like one and is none, and the drug each belongs to."""

from __future__ import annotations

import time

import pytest
from building import facts_in
from hypothesis import given
from hypothesis import strategies as st

from features.doses import Dose, find_doses, read_dose_lexicon
from features.errors import LexiconError

DOSES: list[tuple[str, float, str | None, float | None, str | None, bool]] = [
    # text, amount, unit, times a day, route, as needed
    ("naproxen 500 mg BID", 500, "mg", 2, None, False),
    ("MTX 20 mg/wk", 20, "mg", 1 / 7, None, False),
    ("gabapentin 300 mg three times daily", 300, "mg", 3, None, False),
    ("meloxicam 15 qd", 15, None, 1, None, False),
    ("Lantus 20 units qhs", 20, "[iU]", 1, None, False),
    ("prednisone taper 40 mg x 5 d", 40, "mg", None, None, False),
    ("1 g TID", 1, "g", 3, None, False),
    ("40 mg SC q2wk", 40, "mg", 1 / 14, "subcutaneous", False),
    ("2 puffs q4h prn", 2, "{puff}", 6, None, True),
    ("Colace 100 mg b.i.d.", 100, "mg", 2, None, False),
    ("5 mg p.o. at bedtime p.r.n.", 5, "mg", 1, "oral", True),
    ("Percocet 5/325 mg q6h as needed for pain", 5, "mg", 4, None, True),
    ("1-2 tabs q4-6h prn", 1, "{tbl}", 4, None, True),
    ("500 mg 2 tabs twice a day", 1000, "mg", 2, None, False),
    ("20 mg, one tablet by mouth daily", 20, "mg", 1, "oral", False),
    ("one tablet by mouth twice daily", 1, "{tbl}", 2, "oral", False),
    ("1,000 mg PO q8h", 1000, "mg", 3, "oral", False),
    ("Zantac 50 IV qd", 50, None, 1, "intravenous", False),
    ("tramadol 25 prn", 25, None, None, None, True),
    ("40mg/kg/day", 40, "mg/kg", 1, None, False),
    ("levothyroxine 75 mcg every morning", 75, "ug", 1, None, False),
    ("0.4 mg nightly", 0.4, "mg", 1, None, False),
    (".25 mg weekly", 0.25, "mg", 1 / 7, None, False),
    ("200 mg q12 hours", 200, "mg", 2, None, False),
    ("10 mg every 6 to 8 hours", 10, "mg", 3, None, False),
    ("325 mg q.d.", 325, "mg", 1, None, False),
    ("300 mg four times a day", 300, "mg", 4, None, False),
    ("800 mg 3x/day with food", 800, "mg", 3, None, False),
    ("10 mg every other day", 10, "mg", 0.5, None, False),
    ("500 units IM once a month", 500, "[iU]", 1 / 30, "intramuscular", False),
    ("300 mg IV every 8 weeks", 300, "mg", 1 / 56, "intravenous", False),
    ("2 sprays each nostril daily", 2, "{spray}", 1, "nasal", False),
    ("80 mg intra-articular", 80, "mg", None, "intraarticular", False),
    ("SC 5000 units TID", 5000, "[iU]", 3, "subcutaneous", False),
    ("20 meq po daily", 20, "meq", 1, "oral", False),
    ("10 mL q6h", 10, "mL", 4, None, False),
    ("adalimumab 40 q2wk", 40, None, 1 / 14, None, False),
    ("600 TID with meals", 600, None, 3, None, False),
]  # fmt: skip

NO_DOSES = [
    "50 mg/mL", "110 mg/dL", "TSH 2.1 mIU/L", "creatinine 1.1 mg / dL", "8 weeks", "PT 2x weekly", "PT 2 weekly",
    "12 weekly visits", "3 times a week", "6/1/2026 daily", "L4-5", "visit 12", "#30", "refills 3", "0 mg", "5 mm",
    "120/80", "pain 7/10 daily", "20 mmHg", "10 minutes daily", "BMI 31", "8 sessions of PT", "lidocaine 5%",
    "daily since 2019", "10 gauge", "5 unicorns", "two weeks", "15 qualified", "1.5 tesla",
]  # fmt: skip


@pytest.mark.parametrize(("text", "amount", "unit", "per_day", "route", "as_needed"), DOSES)
def test_a_dose_is_read_with_how_often_and_how_it_is_taken(
    text: str, amount: float, unit: str | None, per_day: float | None, route: str | None, as_needed: bool
) -> None:
    (dose,) = find_doses(text)
    assert (dose.amount, dose.unit, dose.route, dose.as_needed) == (amount, unit, route, as_needed)
    assert dose.per_day == (None if per_day is None else pytest.approx(per_day))


@pytest.mark.parametrize("text", NO_DOSES)
def test_near_misses_are_no_doses(text: str) -> None:
    assert find_doses(text) == []


def test_a_dose_ends_with_what_says_how_often_and_keeps_the_documents_offsets() -> None:
    text = "BMI 31. Naproxen 500 mg PO BID x 6 weeks."
    (dose,) = find_doses(text, 8)
    assert text[dose.start : dose.end] == "500 mg PO BID"


def test_the_upper_end_of_a_range_is_kept_and_a_combination_is_no_range() -> None:
    assert [dose.high for dose in find_doses("25-50 mg qhs, 10-325 mg q6h, 5 mg 1-2 tabs q4h")] == [50, None, 10]


ATTACHED = [
    ("Naproxen 500 mg BID x 6 weeks, minimal benefit.", "nsaid", "500 mg BID", 500, "mg"),
    ("Naproxen (Naprosyn) 500 mg BID.", "nsaid", "500 mg BID", 500, "mg"),
    ("Diclofenac sodium 75 mg twice daily.", "nsaid", "75 mg twice daily", 75, "mg"),
    ("On MTX 20 mg/wk since spring.", "methotrexate", "20 mg/wk", 20, "mg"),
    ("Lantus 20 units qhs.", "insulin", "20 units qhs", 20, "[iU]"),
    ("Metformin: 1,000 mg by mouth twice daily", "metformin", "1,000 mg by mouth twice daily", 1000, "mg"),
    ("meloxicam 15 qd", "nsaid", "15 qd", 15, None),
]


@pytest.mark.parametrize(("text", "drug", "words", "amount", "unit"), ATTACHED)
def test_a_dose_belongs_to_the_drug_directly_before_it(
    text: str, drug: str, words: str, amount: float, unit: str | None
) -> None:
    (fact,) = [fact for fact in facts_in(text) if fact.concept == "drug_dose"]
    assert (fact.context, fact.text, fact.value, fact.unit) == (drug, words, amount, unit)
    assert fact.category == "measurement"


SEVERAL = [
    ("Naproxen 500 mg BID, then increased to 750 mg BID.", [500, 750]),
    ("Gabapentin 300 mg TID and 600 mg qhs.", [300, 600]),
    ("Prednisone 40 mg daily x 5 days, then 20 mg daily x 5 days, then 10 mg daily.", [40, 20, 10]),
    ("Metformin 500 mg daily, titrated up to 1000 mg BID.", [500, 1000]),
    ("Lantus 20 units qhs increased to 30 units qhs.", [20, 30]),
    ("Duloxetine 30 mg daily for two weeks followed by 60 mg daily.", [30, 60]),
    ("Naproxen 500 mg BID and physical therapy.", [500]),
    ("Naproxen 500 mg BID, foobarol 20 mg daily.", [500]),
    ("Naproxen 500 mg BID and 20 mg of foobarol.", [500]),
    ("Naproxen 500 mg BID. Increased to 750 mg.", [500]),
]


@pytest.mark.parametrize(("text", "amounts"), SEVERAL)
def test_doses_joined_to_the_first_are_of_the_same_drug(text: str, amounts: list[float]) -> None:
    doses: dict[str | None, list[object]] = {}
    for fact in facts_in(text):
        if fact.concept == "drug_dose":
            doses.setdefault(fact.context, []).append(fact.value)
    assert doses
    assert all(values == amounts for values in doses.values())


@pytest.mark.parametrize(
    "text",
    [
        "Physical therapy 2x/week for 6 weeks.",
        "Physical therapy, 12 weekly visits.",
        "Took naproxen. 500 mg of something else.",
        "Stopped naproxen and takes foobarol 20 mg daily.",
        "Ibuprofen since 3/2026.",
        "Naproxen for 6 weeks.",
        "Blood glucose 110 mg/dL.",
    ],
)
def test_no_dose_is_attached_where_none_stands_behind_the_drug(text: str) -> None:
    assert [fact for fact in facts_in(text) if fact.concept == "drug_dose"] == []


def test_a_dose_is_asserted_as_its_drug_is() -> None:
    flags = {
        text: next(fact.assertion for fact in facts_in(text) if fact.concept == "drug_dose")
        for text in ("Denies naproxen 500 mg BID.", "Will start naproxen 500 mg BID.", "Takes naproxen 500 mg BID.")
    }
    assert [(flag.negated, flag.hypothetical) for flag in flags.values()] == [
        (True, False), (False, True), (False, False),
    ]  # fmt: skip


PIECES = [
    "naproxen ", "5 mg ", "1-2 tabs ", "0 mg", "5/325 mg ", "2 puffs", "one tablet ", "40 ", "po ", "bid ", "q4-6h ", "prn ",
    "every other day", "x ", ", ", ". ", "\n", "(", "\u0130",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=200))
def test_any_text_is_read_and_offsets_stay_inside(text: str) -> None:
    for dose in find_doses(text):
        assert 0 <= dose.start < dose.end <= len(text)
        assert dose.amount > 0


@given(st.integers(1, 9999), st.sampled_from(["mg", "g", "mcg", "units"]), st.integers(0, 40))
def test_a_written_dose_is_read_back_wherever_it_stands(amount: int, unit: str, shift: int) -> None:
    (dose,) = find_doses(" " * shift + f"{amount} {unit} BID")
    assert (dose.start, dose.amount, dose.per_day) == (shift, amount, 2)


@pytest.mark.parametrize("piece", ["1234567890", "5 ", " ", "5 mg po bid ", "one ", "5 po ", "q4h ", "1-"])
def test_no_repeated_input_makes_reading_slow(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    find_doses("5 mg")
    started = time.process_time()
    doses = find_doses(text)
    assert time.process_time() - started < 3
    assert all(isinstance(dose, Dose) for dose in doses)


def test_a_broken_lexicon_is_named() -> None:
    with pytest.raises(LexiconError, match=r"doses\.yaml"):
        read_dose_lexicon({"units": {"mg": ["mg"]}})


def test_apap_in_grams_is_no_airway_pressure() -> None:
    concepts = {text: {fact.concept for fact in facts_in(text)} for text in ("APAP 1 g tid", "APAP 4-20 cm nightly")}
    assert "positive_airway_pressure" not in concepts["APAP 1 g tid"]
    assert "positive_airway_pressure" in concepts["APAP 4-20 cm nightly"]
