"""Hospital stays, starts of care and how often a nurse or therapist comes, as notes write them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_time import own_seconds

from features.care_calendar import find_care_calendar
from features.dates import find_dates
from features.extract import extract
from features.types import Document

DAY = date(2026, 11, 18)


def values(text: str, concept: str) -> list[float]:
    found = find_care_calendar(text, find_dates(text, DAY), DAY)
    return [one.value for one in found if one.concept == concept]


@pytest.mark.parametrize(
    ("text", "midnights"),
    [
        ("discharged after six inpatient midnights", 6),
        ("inpatient 11/8, 7 midnights", 7),
        ("a 3-midnight inpatient stay", 3),
        ("IP 11/08 0915 - 11/13 (5 MN)", 5),
        ("four inpatient midnights", 4),
        ("inpatient midnights: 2.", 2),
        ("inpatient order 11/05/26 0420 from the ED. Discharged 11/11/2026.", 6),
        ("acute inpatient 11/08/2026 (order 1810) to 11/16/2026", 8),
        ("admitted inpatient 3/1, d/c 3/5", 4),
        ("Hospital IP order 11/09/2026 0735 -> DC 11/11/2026 1500", 2),
        ("an inpatient order was written on November 12 at 08:30; discharged November 16", 4),
        ("She was an inpatient from October 25 (order 19:40) to October 30", 5),
        # A stay told in days may count the day of discharge.
        ("LOS 5 days inpatient", 4),
        ("inpatient x 6 days", 5),
        ("inpatient HD4", 3),
    ],
)
def test_midnights_after_the_inpatient_order(text: str, midnights: float) -> None:
    assert set(values(text, "inpatient_midnights")) == {midnights}


@pytest.mark.parametrize(
    "text",
    [
        "2 midnights in observation", "hospital day 4", "LOS 5 days", "expect 3 inpatient midnights",
        "in the ED for 2 nights", "inpatient for 3 days", "3 midnights required, none inpatient yet",
        "admitted 11/9, discharged 11/12",
        "observation 11/9 to 11/12", "not inpatient 11/9, home 11/12", "two midnights, 1 of them obs",
    ],
)  # fmt: skip
def test_nights_that_do_not_count_as_an_inpatients(text: str) -> None:
    assert values(text, "inpatient_midnights") == []


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Discharged home 10/16. Admit to SNF 11/19/2026.", 34),
        ("discharged 11/5, SNF 11/18", 13),
        ("inpatient 10/25 to 10/30. Admission to the skilled nursing facility on November 12.", 13),
        ("discharged today to SNF", 0),
        ("IP order 11/11/2026, planned DC 11/19 to SNF", 0),
    ],
)
def test_days_from_the_hospital_to_the_facility(text: str, days: float) -> None:
    assert values(text, "days_from_discharge_to_facility") == [days]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("SOC 11/09/2026. F2F encounter date: 07/28/2026.", 104),
        ("F2F 11/06/2026 w/ surgeon. Start of care 11/10/2026", 4),
        ("SOC 11/01/2026; face-to-face 12/05/2026", -34),
    ],
)
def test_days_from_the_encounter_to_the_start_of_care(text: str, days: float) -> None:
    assert values(text, "days_from_encounter_to_start") == [days]


@pytest.mark.parametrize(
    ("text", "concept", "rates"),
    [
        ("SN 3w6 (18 visits)", "nursing_visits_per_week", [3]),
        ("SN 3w5, 2w2 + PRN x3", "nursing_visits_per_week", [3, 2]),
        ("SN eval and treat 3x/wk x 2 wks", "nursing_visits_per_week", [3]),
        ("Nursing: twice weekly for 3 weeks, then weekly for 3 weeks", "nursing_visits_per_week", [2, 1]),
        ("SN 1 visit q 28 days", "nursing_visits_per_week", [0.25]),
        ("RN dressing MWF", "nursing_visits_per_week", [3]),
        ("skilled nursing 7 d/wk", "nursing_visits_per_week", [7]),
        ("daily IV line assessment by nursing, 7 days/wk", "nursing_visits_per_week", [7, 7]),
        ("PT/OT 5-6 days/week", "therapy_sessions_per_week", [5]),
        ("PT and OT 6x/wk, SLP 5x/wk", "therapy_sessions_per_week", [6, 5]),
        ("PT 3 times a week, OT 2 times a week", "therapy_sessions_per_week", [3, 2]),
        ("daily physical and occupational therapy", "therapy_sessions_per_week", [7]),
        ("PT/OT 5x wk", "therapy_sessions_per_week", [5]),
        ("home PT twice weekly", "therapy_sessions_per_week", [2]),
        ("nursing visits 1 time per week", "nursing_visits_per_week", [1]),
        ("SN prn", "nursing_visits_per_week", []),
        ("SN 2w4. Labs weekly.", "nursing_visits_per_week", [2]),
        ("methotrexate 15 mg weekly", "therapy_sessions_per_week", []),
        ("weekly weights, daily walks", "nursing_visits_per_week", []),
    ],
)
def test_how_often_a_nurse_or_therapist_comes(text: str, concept: str, rates: list[float]) -> None:
    assert values(text, concept) == rates


def test_visits_that_are_ordered_are_neither_planned_nor_doubted() -> None:
    facts = extract([Document("d", "Orders: SN eval and treat 3x/wk x 4 wks.", "form", DAY)])
    (visits,) = [fact for fact in facts if fact.concept == "nursing_visits_per_week"]
    assert not visits.assertion.hypothetical
    assert not visits.assertion.uncertain


PIECES = [
    "inpatient ", "IP order ", "11/8 ", "11/12/2026 ", "0915 ", "- ", "discharged ", "5 MN ", "six midnights ", "LOS 5 days ",
    "admit to SNF ", "SOC ", "F2F ", "SN 3x/wk x 4 wks ", "3w9 ", "observation ", ", ", ". ", "\n", "x ", "\u0130",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=120))
def test_any_text_is_read_and_offsets_lie_inside_it(text: str) -> None:
    for one in find_care_calendar(text, find_dates(text, DAY), DAY):
        assert 0 <= one.start < one.end <= len(text)


@pytest.mark.parametrize("text", ["sn " * 60_000, "7w9 " * 40_000, "inpatient " * 20_000, "5 midnights " * 15_000])
def test_long_repetitions_cost_no_more_than_their_length(text: str) -> None:
    assert own_seconds(lambda: find_care_calendar(text, (), DAY)) < 5
