"""When a decision is due: which rule says so, what events do to it, and that it is never later than the law allows."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from building import RECEIVED, request
from hypothesis import given
from hypothesis import strategies as st

from features.lines_of_business import line_of_business
from features.plan_settings import PlanPlace
from features.types import AuthorizationRequest, Coverage, Service
from models.clock_events import (
    ClockEvent,
    ExtensionGranted,
    InformationReceived,
    InformationRequested,
    UrgencyChanged,
)
from models.clocks import clock_state, current_alarms, due_at, due_time, earliest_due, listed_clock_state
from models.errors import TurnaroundError
from models.turnaround_rules import TurnaroundRule, load_turnaround_rules
from models.types import DueTime

RULES = load_turnaround_rules()
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DRUG = Service("HCPCS", "J0585")


def rule(rule_id: str) -> TurnaroundRule:
    found = RULES.get(rule_id)
    assert found is not None
    return found


def asked(line: str | None = None, plan: str | None = None, **changes: Any) -> AuthorizationRequest:
    return request(coverage=Coverage(plan, line, "active"), **changes)


def due(rule_id: str, *events: ClockEvent, now: datetime | None = None, **changes: Any) -> DueTime:
    """The due time by one rule, in UTC."""
    return due_time(asked(**changes), rule(rule_id), events, now=now)


def after(days: float, hours: float = 0) -> datetime:
    return RECEIVED + timedelta(days=days, hours=hours)


# --- which time


@pytest.mark.parametrize("line", [None, "commercial", "medicaid", "medicare_advantage", "chip", "marketplace", "other"])
@pytest.mark.parametrize("review_type", ["prospective", "retrospective"])
@pytest.mark.parametrize(("urgency", "allowed"), [("standard", 7 * DAY), ("expedited", 72 * HOUR)])
def test_without_plan_settings_seven_days_and_72_hours_hold(
    line: str | None, review_type: str, urgency: str, allowed: timedelta
) -> None:
    assert due_at(asked(line, urgency=urgency, review_type=review_type)) == RECEIVED + allowed


@pytest.mark.parametrize(
    ("line", "changes", "allowed", "set_by"),
    [
        ("medicare_advantage", {"service": DRUG}, 72 * HOUR, "medicare-advantage"),
        ("medicare_advantage", {"service": DRUG, "urgency": "expedited"}, 24 * HOUR, "medicare-advantage"),
        ("medicaid", {"service": Service("NDC", "00074-0243-02")}, 24 * HOUR, "medicaid"),
        ("commercial", {"review_type": "concurrent", "urgency": "expedited"}, 24 * HOUR, "erisa"),
        ("commercial", {"service": DRUG}, 7 * DAY, "default"),
        ("commercial", {"review_type": "retrospective"}, 7 * DAY, "default"),
    ],
)
def test_what_only_the_request_says_of_its_line_makes_the_time_shorter_and_never_longer(
    line: str, changes: dict[str, Any], allowed: timedelta, set_by: str
) -> None:
    found = earliest_due(asked(line, **changes))
    assert (found.due_at - RECEIVED, found.rule) == (allowed, set_by)


@pytest.mark.parametrize(
    ("place", "changes", "allowed", "set_by"),
    [
        (PlanPlace("commercial"), {}, 15 * DAY, "erisa"),
        (PlanPlace("self_funded"), {"review_type": "retrospective"}, 30 * DAY, "erisa"),
        (PlanPlace("commercial"), {"urgency": "expedited"}, 72 * HOUR, "erisa"),
        (PlanPlace("medicare_advantage"), {}, 7 * DAY, "medicare-advantage"),
        (PlanPlace("commercial", "TX"), {}, 3 * DAY, "texas"),
        (PlanPlace("commercial", "IL"), {"urgency": "expedited"}, 48 * HOUR, "illinois"),
        (PlanPlace("commercial", "IL"), {"review_type": "retrospective"}, 30 * DAY, "erisa"),
        (PlanPlace("medicare_advantage", "TX"), {}, 7 * DAY, "medicare-advantage"),
        (PlanPlace("medicaid", "WA"), {}, 3 * DAY, "washington"),
        (PlanPlace("commercial", "OH"), {}, 15 * DAY, "erisa"),
        (PlanPlace(None, "TX"), {}, 3 * DAY, "texas"),
        # The request says otherwise than the plan's settings: the shorter of both.
        (PlanPlace("commercial"), {"line": "medicaid"}, 7 * DAY, "medicaid"),
        (PlanPlace("medicaid"), {"line": "commercial"}, 7 * DAY, "medicaid"),
    ],
)
def test_a_plan_s_settings_say_which_rules_hold_and_the_earliest_counts(
    place: PlanPlace, changes: dict[str, Any], allowed: timedelta, set_by: str
) -> None:
    found = earliest_due(asked(**changes), place=place)
    assert (found.due_at - RECEIVED, found.rule) == (allowed, set_by)


def test_business_days_are_counted_in_the_plan_s_time_zone() -> None:
    # 02:00 UTC on Saturday is Friday evening in New York: three business days on is Wednesday evening there.
    late_friday = datetime(2026, 11, 14, 2, tzinfo=UTC)
    plan = PlanPlace("commercial", "NY", "America/New_York")
    found = earliest_due(asked(received_at=late_friday), place=plan)
    assert found.due_at == datetime(2026, 11, 19, 2, tzinfo=UTC)
    elsewhere = earliest_due(asked(received_at=late_friday), place=replace(plan, time_zone="UTC"))
    assert elsewhere.due_at == datetime(2026, 11, 19, tzinfo=UTC)


def test_days_are_those_of_the_plan_s_calendar_when_the_clocks_change() -> None:
    received = datetime(2026, 3, 5, 15, tzinfo=UTC)
    place = PlanPlace("medicaid", None, "America/Chicago")
    assert earliest_due(asked(received_at=received), place=place).due_at == received + timedelta(hours=167)
    expedited = earliest_due(asked(received_at=received, urgency="expedited"), place=place)
    assert expedited.due_at == received + timedelta(hours=72)


def test_a_rule_holds_for_what_was_received_since_it_is_in_force() -> None:
    before = datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert earliest_due(asked(received_at=before), place=PlanPlace("medicaid")).rule == "default"
    assert earliest_due(asked(received_at=before + HOUR), place=PlanPlace("medicaid")).rule == "medicaid"
    # Still the year before in Chicago.
    west = PlanPlace("medicaid", None, "America/Chicago")
    assert earliest_due(asked(received_at=before + HOUR), place=west).rule == "default"


def test_a_result_says_which_rule_set_its_due_time() -> None:
    found = earliest_due(asked(), place=PlanPlace("commercial", "TX", "America/Chicago"))
    assert (found.rule, found.rule_version, found.source) == (
        "texas",
        "2026.1",
        "Tex. Insurance Code 1301.135(c), 843.348(d)",
    )
    assert (found.allowed, found.time_zone, found.rules_hash) == ("3 calendar days", "America/Chicago", RULES.hash)


def test_a_rule_that_says_nothing_of_a_request_says_so() -> None:
    with pytest.raises(TurnaroundError, match="texas: sets no time for a retrospective request"):
        due("texas", review_type="retrospective")


@pytest.mark.parametrize(
    ("named", "line"),
    [
        ("Medicare Advantage", "medicare_advantage"),
        ("MEDICARE-ADVANTAGE", "medicare_advantage"),
        ("qhp", "marketplace"),
        ("ASO", "self_funded"),
        ("dental", None),
        (None, None),
    ],
)
def test_a_line_of_business_is_known_by_its_names(named: str | None, line: str | None) -> None:
    assert line_of_business(named) == line


# --- settings and rules that cannot be read


def test_plans_of_the_settings_file_have_their_clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text(
        "default: {time_zone: America/New_York}\nplans: {PPO-1: {line_of_business: commercial}, "
        "HMO-1: {line_of_business: commercial, state: TX, time_zone: America/Chicago}}"
    )
    monkeypatch.setenv("GREENLANE_PLANS", str(path))
    found = {plan: earliest_due(asked(plan=plan)) for plan in ("PPO-1", "HMO-1", "other")}
    assert {plan: (each.rule, each.time_zone) for plan, each in found.items()} == {
        "PPO-1": ("erisa", "America/New_York"),
        "HMO-1": ("texas", "America/Chicago"),
        "other": ("default", "America/New_York"),
    }


def test_own_rules_shorten_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.yaml").write_text(
        "rules: [{id: contract, version: '1', title: Our contract, lines_of_business: [medicaid], state: OH, "
        "times: [{within: 2 calendar days, source: contract}]}]"
    )
    monkeypatch.setenv("GREENLANE_TURNAROUND", str(tmp_path))
    assert earliest_due(asked("medicaid"), place=PlanPlace(None, "OH")).rule == "contract"


@pytest.mark.parametrize(("urgency", "allowed"), [("standard", 7 * DAY), ("expedited", 72 * HOUR)])
@pytest.mark.parametrize("variable", ["GREENLANE_PLANS", "GREENLANE_TURNAROUND"])
def test_broken_settings_or_rules_lose_no_request(
    variable: str,
    urgency: str,
    allowed: timedelta,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "broken.yaml").write_text("{")
    monkeypatch.setenv(variable, str(tmp_path / "broken.yaml" if variable == "GREENLANE_PLANS" else tmp_path))
    found = earliest_due(asked("medicaid", urgency=urgency), [ExtensionGranted(after(1), "member_asks")])
    assert (found.due_at - RECEIVED, found.rule) == (allowed, "fallback")
    assert "broken.yaml" in caplog.text


# --- extensions


@pytest.mark.parametrize(
    ("rule_id", "urgency", "reason", "added"),
    [
        ("medicare-advantage", "standard", "member_asks", 14),
        ("medicare-advantage", "standard", "beyond_control", 14),
        ("medicare-advantage", "expedited", "information_needed", 14),
        ("medicare-advantage", "expedited", "provider_asks", 0),
        ("medicaid", "standard", "provider_asks", 14),
        ("medicaid", "expedited", "beyond_control", 0),
        ("erisa", "standard", "beyond_control", 15),
        ("erisa", "standard", "member_asks", 0),
        ("erisa", "expedited", "beyond_control", 0),
        ("default", "standard", "member_asks", 0),
    ],
)
def test_an_extension_counts_only_where_the_rule_allows_it_for_that_reason(
    rule_id: str, urgency: str, reason: Any, added: int
) -> None:
    plain = due(rule_id, urgency=urgency)
    extended = due(rule_id, ExtensionGranted(after(1), reason), urgency=urgency)
    assert extended.due_at - plain.due_at == extended.extended_by == timedelta(days=added)
    assert extended.may_extend_days == (0 if added else plain.may_extend_days)


def test_a_drug_s_time_is_not_extended() -> None:
    assert due("medicare-advantage", service=DRUG).may_extend_days == 0
    assert due("medicare-advantage", ExtensionGranted(after(0, 1), "member_asks"), service=DRUG).due_at == after(3)


def test_time_is_extended_once_and_not_further_than_the_rule_allows() -> None:
    first = ExtensionGranted(after(2), "member_asks", days=5)
    assert due("medicaid", first).due_at == after(12)
    assert due("medicaid", first, ExtensionGranted(after(3), "information_needed")).due_at == after(12)
    assert due("medicaid", replace(first, days=90)).due_at == after(21)
    assert due("medicaid", replace(first, days=-3)).due_at == after(7)


def test_time_that_is_up_cannot_be_extended() -> None:
    assert due("medicaid", ExtensionGranted(after(7), "member_asks")).due_at == after(21)
    assert due("medicaid", ExtensionGranted(after(7) + timedelta(seconds=1), "member_asks")).due_at == after(7)


def test_an_extension_by_federal_law_does_not_move_a_state_s_due_time() -> None:
    place = PlanPlace("commercial", "TX")
    event = ExtensionGranted(after(1), "beyond_control")
    found = earliest_due(asked(), [event], place=place)
    assert (found.due_at, found.rule, found.may_extend_days) == (after(3), "texas", 0)
    assert earliest_due(asked(), [event], place=replace(place, state=None)).due_at == after(30)


# --- pauses

NEEDED = ExtensionGranted(after(10), "information_needed")


def test_the_clock_stands_still_while_information_is_awaited_where_the_rule_allows_it() -> None:
    found = due("erisa", NEEDED, InformationRequested(after(10)), InformationReceived(after(16)))
    assert (found.due_at, found.paused_for, found.paused_since) == (after(36), timedelta(days=6), None)
    assert found.may_pause


def test_the_clock_stands_still_only_from_the_extension_on() -> None:
    found = due("erisa", InformationRequested(after(2)), NEEDED, InformationReceived(after(16)))
    assert found.paused_for == timedelta(days=6)
    assert due("erisa", InformationRequested(after(2)), InformationReceived(after(16))).due_at == after(15)
    other = ExtensionGranted(after(10), "beyond_control")
    assert due("erisa", other, InformationRequested(after(10)), InformationReceived(after(16))).due_at == after(30)


def test_a_running_pause_counts_as_far_as_now_and_without_now_not_at_all() -> None:
    events = (NEEDED, InformationRequested(after(10)))
    stored = due("erisa", *events)
    assert (stored.due_at, stored.paused_since) == (after(30), after(10))
    today = due("erisa", *events, now=after(40))
    assert (today.due_at, today.paused_since) == (after(60), after(10))
    assert clock_state(today, after(40)).paused
    assert clock_state(today, after(40)).level == "calm"


def test_a_pause_ends_after_45_days_without_an_answer() -> None:
    found = due("erisa", NEEDED, InformationRequested(after(10)), now=after(100))
    assert (found.due_at, found.paused_since) == (after(75), None)
    assert clock_state(found, after(100)).level == "late"
    late = due("erisa", NEEDED, InformationRequested(after(10)), InformationReceived(after(90)))
    assert late.due_at == after(75)


# --- changes of urgency


def test_a_request_made_expedited_has_72_hours_from_then_and_never_longer_than_before() -> None:
    found = due("medicaid", UrgencyChanged(after(1), "expedited"))
    assert (found.due_at, found.started_at, found.urgency) == (after(4), after(1), "expedited")
    near_the_end = due("medicaid", UrgencyChanged(after(6), "expedited"))
    assert near_the_end.due_at == after(7)


def test_a_request_that_is_not_expedited_after_all_has_the_standard_time_from_receipt() -> None:
    found = due("medicare-advantage", UrgencyChanged(after(1), "standard"), urgency="expedited")
    assert (found.due_at, found.urgency) == (after(7), "standard")


def test_an_expedited_time_that_is_up_stays_up() -> None:
    found = due("medicare-advantage", UrgencyChanged(after(4), "standard"), urgency="expedited")
    assert found.due_at == after(3)


def test_an_extension_from_before_does_not_extend_an_expedited_clock() -> None:
    events = (ExtensionGranted(after(1), "member_asks"), UrgencyChanged(after(2), "expedited"))
    assert due("medicaid", *events).due_at == after(5)


def test_an_urgent_request_during_care_has_24_hours_also_where_it_became_urgent() -> None:
    found = earliest_due(asked("commercial", review_type="concurrent"), [UrgencyChanged(after(1), "expedited")])
    assert (found.due_at, found.rule) == (after(2), "erisa")


def test_what_happened_before_receipt_counts_as_at_receipt() -> None:
    found = due("medicaid", UrgencyChanged(after(-1), "expedited"))
    assert (found.started_at, found.due_at) == (RECEIVED, after(3))


# --- laws

ALL_RULES = st.sampled_from(
    [each for each in RULES.rules if each.state is None] + [rule("illinois"), rule("washington")]
)
ZONES = st.sampled_from(["UTC", "America/New_York", "America/Los_Angeles", "Pacific/Honolulu"])
MOMENTS = st.builds(
    lambda minutes: datetime(2026, 1, 2, tzinfo=UTC) + timedelta(minutes=minutes), st.integers(0, 3 * 366 * 1440)
)
HOURS = st.integers(-48, 24 * 90).map(lambda hours: timedelta(hours=hours))
REQUESTS = st.builds(
    lambda received, urgency, review_type, service: asked(
        received_at=received, urgency=urgency, review_type=review_type, service=service
    ),
    MOMENTS,
    st.sampled_from(["standard", "expedited"]),
    st.sampled_from(["prospective", "concurrent"]),
    st.sampled_from([Service("CPT", "72148"), DRUG]),
)
REASONS = st.sampled_from(["member_asks", "provider_asks", "information_needed", "beyond_control"])
KINDS = st.one_of(
    st.builds(
        lambda at, reason, days: (at, ExtensionGranted, (reason, days)), HOURS, REASONS, st.none() | st.integers(0, 20)
    ),
    st.builds(lambda at: (at, InformationRequested, ()), HOURS),
    st.builds(lambda at: (at, InformationReceived, ()), HOURS),
    st.builds(lambda at, to: (at, UrgencyChanged, (to,)), HOURS, st.sampled_from(["standard", "expedited"])),
)
HISTORIES = st.lists(KINDS, max_size=6)


def events_of(history: list[Any], received_at: datetime) -> list[ClockEvent]:
    return [kind(received_at + at, *rest) for at, kind, rest in history]


@given(REQUESTS, ALL_RULES, HISTORIES, ZONES)
def test_a_due_time_is_utc_and_never_before_receipt(
    made: AuthorizationRequest, by: TurnaroundRule, history: list[Any], zone: str
) -> None:
    found = due_time(made, by, events_of(history, made.received_at), rules=RULES, time_zone=zone)
    assert found.due_at.utcoffset() == timedelta(0)
    assert found.due_at > made.received_at
    assert found.soon_at <= found.due_at


@given(REQUESTS, ALL_RULES, HISTORIES, ZONES, st.randoms(use_true_random=False))
def test_events_count_once_and_in_the_order_of_their_time(
    made: AuthorizationRequest, by: TurnaroundRule, history: list[Any], zone: str, chance: random.Random
) -> None:
    events = events_of(history, made.received_at)
    shuffled = [*events, *events]
    chance.shuffle(shuffled)
    assert due_time(made, by, shuffled, time_zone=zone) == due_time(made, by, events, time_zone=zone)


@given(REQUESTS, ALL_RULES, HISTORIES, HOURS, REASONS, ZONES)
def test_an_extension_never_shortens(
    made: AuthorizationRequest, by: TurnaroundRule, history: list[Any], at: timedelta, reason: Any, zone: str
) -> None:
    events = [each for each in events_of(history, made.received_at) if not isinstance(each, ExtensionGranted)]
    extended = [*events, ExtensionGranted(made.received_at + at, reason)]
    assert due_time(made, by, extended, time_zone=zone).due_at >= due_time(made, by, events, time_zone=zone).due_at


@given(REQUESTS, ALL_RULES, HISTORIES, ZONES)
def test_a_pause_changes_nothing_where_the_rule_has_none(
    made: AuthorizationRequest, by: TurnaroundRule, history: list[Any], zone: str
) -> None:
    without = replace(by, times=tuple(replace(each, pause=None) for each in by.times))
    events = events_of(history, made.received_at)
    others = [each for each in events if not isinstance(each, InformationRequested | InformationReceived)]
    assert due_time(made, without, events, time_zone=zone) == due_time(made, without, others, time_zone=zone)


@given(REQUESTS, ALL_RULES, HISTORIES, HOURS, ZONES)
def test_waiting_for_information_never_shortens(
    made: AuthorizationRequest, by: TurnaroundRule, history: list[Any], at: timedelta, zone: str
) -> None:
    events = [e for e in events_of(history, made.received_at) if isinstance(e, ExtensionGranted | UrgencyChanged)]
    asked_at = made.received_at + at
    waited = [*events, InformationRequested(asked_at), InformationReceived(asked_at + DAY)]
    assert due_time(made, by, waited, time_zone=zone).due_at >= due_time(made, by, events, time_zone=zone).due_at


@given(REQUESTS, ALL_RULES, st.integers(0, 96 * 60), ZONES, st.none() | REASONS)
def test_what_came_later_is_not_due_earlier_by_the_same_rule(
    made: AuthorizationRequest, by: TurnaroundRule, minutes: int, zone: str, reason: Any
) -> None:
    later = replace(made, received_at=made.received_at + timedelta(minutes=minutes))
    events = [ExtensionGranted(later.received_at + HOUR, reason)] if reason else []
    first, second = (due_time(each, by, events, time_zone=zone).due_at for each in (made, later))
    assert first <= second


@given(REQUESTS, HISTORIES, ZONES, st.sampled_from([None, "TX", "NY", "WA"]))
def test_no_rule_of_a_request_is_broken_by_its_due_time(
    made: AuthorizationRequest, history: list[Any], zone: str, state: str | None
) -> None:
    events = events_of(history, made.received_at)
    place = PlanPlace("commercial", state, zone)
    assert (
        earliest_due(made, events, place=place).due_at <= due_time(made, rule("erisa"), events, time_zone=zone).due_at
    )


# --- alarms


@pytest.mark.parametrize(
    ("urgency", "hours_before", "level"),
    [
        ("standard", 49, "calm"),
        ("standard", 47, "soon"),
        ("standard", 0, "soon"),
        ("standard", -0.01, "late"),
        ("expedited", 25, "calm"),
        ("expedited", 23, "soon"),
        ("expedited", -1, "late"),
    ],
)
def test_a_clock_turns_amber_with_a_third_left_or_two_days_before_its_end(
    urgency: Any, hours_before: float, level: str
) -> None:
    found = earliest_due(asked(urgency=urgency))
    now = found.due_at - timedelta(hours=hours_before)
    assert clock_state(found, now).level == level
    assert clock_state(found, now).hours_left == pytest.approx(hours_before)
    assert listed_clock_state(RECEIVED, found.due_at, now, current_alarms()).level == level


def test_a_clock_of_24_hours_turns_amber_eight_hours_before_its_end() -> None:
    found = due("medicaid", service=DRUG)
    assert clock_state(found, after(0, 15.9)).level == "calm"
    assert clock_state(found, after(0, 16.1)).level == "soon"


def test_a_deployment_has_its_own_alarms_and_the_packaged_ones_where_they_are_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENLANE_TURNAROUND", str(tmp_path))
    (tmp_path / "own.yaml").write_text("alarms: {share_left: 0.5, at_most_hours: 100}")
    assert current_alarms().before_the_end(72 * HOUR) == 36 * HOUR
    assert clock_state(earliest_due(asked(urgency="expedited")), after(1.6)).level == "soon"
    (tmp_path / "own.yaml").write_text("alarms: none at all")
    assert current_alarms() == RULES.alarms
