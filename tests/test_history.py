"""Own history: what is refused and how it is said, who gets which label and weight, and that nobody stands on two sides."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from history_files import BEGIN, row, rows, stamp, written
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from models.decisions import HISTORY_COLUMNS
from training import __main__ as command_line
from training.config import SPLIT_SHARES
from training.dataset import LabelledCase
from training.errors import DatasetError
from training.history import HistoryRefusedError, plan_history, prepare_history

Spoil = Callable[[dict[str, Any]], object]


def cases(path: Path, **options: Any) -> dict[str, LabelledCase]:
    options.setdefault("settled_after", timedelta(0))
    return {case.request["external_id"]: case for case in plan_history(path, **options).cases()}


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def late_document(made: dict[str, Any]) -> None:
    made["request"]["documents"][0]["date"] = "2024-03-30"


def no_member(made: dict[str, Any]) -> None:
    del made["request"]["member"]["member_id"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda made: made.pop("outcome"), "row 4: column outcome is missing"),
        (lambda made: made.update(comment="x"), "row 4: there is no column 'comment' in own history"),
        (lambda made: made.update(request="{"), "row 4: request: is not JSON"),
        (lambda made: made["request"].update(units=3), "row 4: request.units: "),
        (lambda made: made["request"].pop("received_at"), "row 4: request.received_at: is needed"),
        (lambda made: made["request"].update(decision="approved"), "row 4: request.decision: a decision stands inside"),
        (
            lambda made: made["request"]["service"].update(outcome="adverse"),
            "row 4: request.service.outcome: a decision stands inside",
        ),
        (late_document, "row 4: request.documents.0.date: lies after the decision"),
        (
            lambda made: made.update(decided_at="2024-01-01T00:00:00Z"),
            "row 4: decided_at: lies before request.received",
        ),
        (lambda made: made.update(decided_at="2999-01-01T00:00:00Z"), "row 4: decided_at: lies in the future"),
        (lambda made: made.update(decided_at="2024-02-01"), "row 4: decided_at: needs a time zone"),
        (lambda made: made.update(decided_at="soon"), "row 4: decided_at: must be a time"),
        (lambda made: made.update(outcome="fine"), "row 4: outcome: must be one of approved_as_requested"),
        (lambda made: made.update(source=None), "row 4: source: is needed"),
        (lambda made: made.update(outcome=None), "row 4: outcome: is empty, but decided_at or source is not"),
        (lambda made: made.update(source="blind_audit"), "row 4: audit_probability: is needed"),
        (lambda made: made.update(audit_probability=1.5), "row 4: audit_probability: must be a number from 0 to 1"),
        (
            lambda made: made.update(source="fast_track", outcome="adverse"),
            "row 4: outcome: must be approved_as_requested where source is fast_track",
        ),
        (lambda made: made.update(overturned_to="adverse"), "row 4: overturned_at: overturned_at and overturned_to"),
        (
            lambda made: made.update(overturned_to="adverse", overturned_at="2024-01-06T10:00:00Z"),
            "row 4: overturned_at: lies before decided_at",
        ),
        (no_member, "row 4: member_key: is needed"),
        (
            lambda made: made["request"].update(external_id="PA-1"),
            "row 4: request.external_id: is the same as in row 2",
        ),
        (
            lambda made: made["request"]["member"].update(member_id="M-0") or made.update(member_key="other"),
            "row 4: member_key: this member.member_id stands under another member_key",
        ),
        (
            lambda made: made.update(documents_added={"d1": "2999-01-01T00:00:00Z"}),
            "row 4: documents_added: lies in the future",
        ),
        (
            lambda made: made.update(documents_added={"d1": "2024-03-01T00:00:00Z"}),
            "row 4: documents_added: every document came after the decision",
        ),
    ],
)
def test_an_unsound_row_is_one_line_naming_row_and_column_and_nothing_is_written(
    history: Path, spoil: Spoil, said: str
) -> None:
    made = rows()
    spoil(made[3])
    written(history, made)
    with pytest.raises(DatasetError) as refused:
        prepare_history(history, history.with_name("features.parquet"), processes=1)
    assert str(refused.value).startswith(f"{history}: {said}")
    assert "\n" not in str(refused.value)
    assert [path.name for path in history.parent.iterdir()] == ["history.jsonl"]


def test_every_unsound_row_is_named_at_once(history: Path) -> None:
    made = rows()
    made[3]["outcome"] = made[7]["source"] = "?"
    with pytest.raises(HistoryRefusedError) as refused:
        plan_history(written(history, made))
    assert [problem.split(": ")[1] for problem in refused.value.problems] == ["row 4", "row 8"]


def test_a_file_of_unsound_rows_is_not_told_to_the_end(history: Path) -> None:
    with pytest.raises(HistoryRefusedError) as refused:
        plan_history(written(history, [made | {"outcome": "?"} for made in rows(300)]))
    assert len(refused.value.problems) == 20
    assert str(refused.value).endswith("there may be more; these are the first 20")


def test_no_value_of_a_row_is_repeated(history: Path) -> None:
    made = rows()
    made[2]["request"]["member"]["birth_date"] = "Secretname"
    made[3]["outcome"] = "Secretname"
    with pytest.raises(HistoryRefusedError) as refused:
        plan_history(written(history, made))
    assert "Secretname" not in str(refused.value)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([], "holds no row|nothing in it was decided"),
        ([row(n) for n in range(60)], "all 60 labelled requests were approved as requested; both kinds are needed"),
        ([row(n, approved=False) for n in range(60)], "were not approved as requested; both kinds are needed"),
        ([row(n, outcome=None, decided_at=None, source=None) for n in range(60)], "nothing in it was decided yet"),
        ([row(n, approved=n % 2 == 0, day=0) for n in range(60)], "cannot be split by time"),
        (
            [
                row(n, source="fast_track", audit_probability=0.05) if n % 2 else row(n, approved=False)
                for n in range(60)
            ],
            "30 requests were fast-tracked and none of the blind audit's is decided",
        ),
    ],
)
def test_a_file_nothing_can_be_learnt_from_is_one_line(history: Path, made: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(DatasetError, match=said) as refused:
        plan_history(written(history, made), settled_after=timedelta(0))
    assert "\n" not in str(refused.value)


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    for name, content in (
        ("a.xlsx", b"x"),
        ("a.parquet", b"PAR1 no"),
        ("a.csv", b"a,b\n1,2\n"),
        ("b.jsonl", b"\xff\xfe"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError, match=name) as refused:
            plan_history(tmp_path / name)
        assert "\n" not in str(refused.value)
    with pytest.raises(DatasetError, match="is not there"):
        plan_history(tmp_path / "none.jsonl")


def test_what_was_overturned_counts_as_what_it_was_overturned_to(history: Path) -> None:
    made = rows()
    appeal = stamp(BEGIN + timedelta(days=50))
    made[5] |= {"outcome": "adverse", "overturned_at": appeal, "overturned_to": "approved_as_requested"}
    made[7] |= {"overturned_at": appeal, "overturned_to": "adverse"}
    found = cases(written(history, made))
    assert (found["PA-5"].label, found["PA-7"].label) == (1, 0)
    assert plan_history(history, settled_after=timedelta(0)).summary.overturned == 2


def test_what_was_overturned_after_the_cut_off_is_not_known_yet(history: Path) -> None:
    made = rows()
    made[5] |= {
        "outcome": "adverse",
        "overturned_at": stamp(BEGIN + timedelta(days=55)),
        "overturned_to": "approved_as_requested",
    }
    assert cases(written(history, made), known_by=BEGIN + timedelta(days=54))["PA-5"].label == 0


def test_only_labels_known_by_the_cut_off_count(history: Path) -> None:
    plan = plan_history(written(history, rows()), known_by=BEGIN + timedelta(days=40), settled_after=timedelta(0))
    assert max(case.request["received_at"] for case in plan.cases()) <= stamp(BEGIN + timedelta(days=38))
    assert plan.summary.left_out == {
        "received less than 0 days before the cut-off (only quick decisions would count)": 19,
        "not decided by the cut-off": 2,
    }


def test_requests_too_young_to_be_decided_are_left_out_also_where_one_was(history: Path) -> None:
    plan = plan_history(written(history, rows()), settled_after=timedelta(days=21))
    newest = max(case.request["received_at"] for case in plan.cases())
    assert newest <= stamp(BEGIN + timedelta(days=61 - 21))
    assert sum(plan.summary.left_out.values()) == 60 - plan.summary.used


def test_undecided_and_withdrawn_requests_carry_no_label(history: Path) -> None:
    made = rows()
    made[4] = row(4, outcome=None, decided_at=None, source=None)
    made[5]["outcome"] = "withdrawn"
    found = cases(written(history, made))
    assert len(found) == 58
    assert not {"PA-4", "PA-5"} & found.keys()


def test_documents_that_came_after_the_decision_are_left_out(history: Path) -> None:
    made = rows()
    made[3]["request"]["documents"].append({"document_id": "d2", "text": "Appeal letter.", "date": "2024-02-20"})
    made[3]["documents_added"] = {"d1": stamp(BEGIN), "d2": "2024-02-21T00:00:00Z"}
    found = cases(written(history, made))
    assert [document["document_id"] for document in found["PA-3"].request["documents"]] == ["d1"]


def test_fast_tracked_requests_carry_no_label_and_audited_ones_stand_for_them(history: Path) -> None:
    made = rows()
    made[10] = row(10, source="fast_track", audit_probability=0.05)
    made[11] = row(11, source="blind_audit", audit_probability=0.05)
    made[12] = row(12, source="blind_audit", audit_probability=0.2, approved=False)
    made[13] = row(13, source="fast_track", audit_probability=0)
    found = cases(written(history, made))
    assert not {"PA-10", "PA-13"} & found.keys()
    assert (found["PA-11"].weight, found["PA-12"].weight) == (20.0, 5.0)
    assert {case.weight for name, case in found.items() if name not in ("PA-11", "PA-12")} == {1.0}
    left_out = plan_history(history, settled_after=timedelta(0)).summary.left_out
    assert left_out == {
        "fast-tracked, so nobody decided (the blind audit stands for them)": 1,
        "fast-tracked while the blind audit drew nothing (no case stands for them)": 1,
    }


def test_without_the_audit_s_weights_the_fast_lane_s_error_is_misjudged_and_with_them_it_is_not(history: Path) -> None:
    """9 in 10 eligible requests go down the fast lane, 3 % of them wrongly; of the others, 25 % are not approved."""
    random = np.random.default_rng(5)
    n, share, wrong_fast, wrong_nurse = 8000, 0.2, 0.03, 0.25
    made, truth = [], []
    for number in range(n):
        fast = random.random() < 0.9
        approved = bool(random.random() >= (wrong_fast if fast else wrong_nurse))
        truth.append(approved)
        day = number * 300 / n
        if not fast:
            made.append(row(number, approved=approved, day=day))
        elif random.random() < share:
            made.append(row(number, approved=approved, day=day, source="blind_audit", audit_probability=share))
        else:
            made.append(row(number, day=day, source="fast_track", audit_probability=share))
    found = list(cases(written(history, made)).values())
    labels = np.array([case.label for case in found])
    weights = np.array([case.weight for case in found])
    true_error = 1 - np.mean(truth)
    spread = np.sqrt(0.03 * 0.97 / (n * 0.9 * share))
    unweighted = 1 - labels.mean()
    weighted = 1 - np.average(labels, weights=weights)
    assert true_error == pytest.approx(0.052, abs=0.01)
    assert abs(weighted - true_error) < 3 * spread
    assert unweighted > true_error + 10 * spread
    fast_taken_at_its_word = 1 - (labels.sum() + n - len(found)) / n
    assert fast_taken_at_its_word < true_error - 3 * spread


def test_the_fast_lane_s_own_error_is_read_off_its_audit(history: Path) -> None:
    made = rows(400)
    for number in range(0, 400, 2):
        made[number] = row(number, approved=number % 40 != 0, source="blind_audit", audit_probability=0.1)
    made[1] = row(1, source="fast_track", audit_probability=0.1)
    audited = [case for case in cases(written(history, made)).values() if case.weight == 10]
    assert np.mean([1 - case.label for case in audited]) == pytest.approx(0.05)


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.floats(0, 300), st.booleans()),
        min_size=60,
        max_size=140,
        unique_by=lambda one: one[1],
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_every_member_stands_in_one_split_and_splits_follow_each_other_in_time(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, float, bool]]
) -> None:
    made = [
        row(number, approved=approved, day=day, member_key=f"K-{member}")
        for number, (member, day, approved) in enumerate(drawn)
    ]
    path = written(tmp_path_factory.mktemp("history") / "history.jsonl", made)
    try:
        found = cases(path)
    except DatasetError:
        reject()
    splits = defaultdict(set)
    times = defaultdict(list)
    for case in found.values():
        splits[case.member].add(case.split)
        times[case.split].append(datetime.fromisoformat(case.request["received_at"]))
    assert all(len(names) == 1 for names in splits.values())
    # Of few cases a small split may get none.
    order = [times[name] for name in SPLIT_SHARES if times[name]]
    assert all(max(earlier) < min(later) for earlier, later in pairwise(order))


def test_a_returning_member_stands_where_her_latest_request_does(history: Path) -> None:
    made = rows(100)
    for number in (2, 50, 99):
        made[number]["request"]["member"]["member_id"] = "M-returning"
    found = cases(written(history, made))
    assert {name: case.split for name, case in found.items() if case.member == "M-returning"} == {"PA-99": "test"}
    assert plan_history(history, settled_after=timedelta(0)).summary.left_out == {
        "earlier requests of members who stand in a later split": 2
    }


def test_csv_and_parquet_read_as_json_lines_do(tmp_path: Path) -> None:
    made = rows()
    made[9] |= {"source": "blind_audit", "audit_probability": 0.25, "documents_added": {"d1": stamp(BEGIN)}}
    expected = cases(written(tmp_path / "history.jsonl", made))
    with (tmp_path / "history.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(HISTORY_COLUMNS)
        for each in made:
            values = {name: each.get(name) for name in HISTORY_COLUMNS}
            for name in ("request", "documents_added"):
                values[name] = json.dumps(values[name]) if values[name] else ""
            table.writerow(values.values())
    nested = [{name: each.get(name) for name in HISTORY_COLUMNS} for each in made]
    for each in nested:
        each["decided_at"] = datetime.fromisoformat(each["decided_at"])
        each["documents_added"] = json.dumps(each["documents_added"]) if each["documents_added"] else None
    nested[3]["request"]["urgency"] = "expedited"
    expected["PA-3"].request["urgency"] = "expedited"  # type: ignore[index]  # a plain dict behind a Mapping
    pq.write_table(pa.Table.from_pylist(nested), tmp_path / "history.parquet")
    for name in ("history.csv", "history.parquet"):
        found = cases(tmp_path / name)
        assert found.keys() == expected.keys()
        for key, case in found.items():
            assert (case.label, case.weight, case.split) == (
                expected[key].label,
                expected[key].weight,
                expected[key].split,
            )
            assert case.request["documents"] == expected[key].request["documents"]


def test_history_becomes_a_table_that_training_takes(history: Path) -> None:
    made = rows()
    made[11] = row(11, source="blind_audit", audit_probability=0.05)
    table = history.with_name("features.parquet")
    dataset, summary = prepare_history(written(history, made), table, processes=1, settled_after=timedelta(0))
    assert len(dataset) == summary.used == 60
    assert set(dataset.splits) == set(SPLIT_SHARES)
    assert dataset.weights.max() == 20
    assert dataset.scenarios[11] == "blind_audit:approved_as_requested"
    assert json.loads(history.with_name("history.json").read_text())["used"] == 60


def test_the_command_says_what_became_of_the_rows(
    history: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rows()
    made[4] = row(4, outcome=None, decided_at=None, source=None)
    written(history, made)
    arguments = ["prepare", "--history", str(history), "--out", str(history.parent), "--processes", "1"]
    monkeypatch.setattr("sys.argv", ["training", *arguments, "--settled-after", "0"])
    with pytest.raises(SystemExit) as ended:
        command_line.run()
    assert ended.value.code == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "59 of 60 rows carry a label known by 2024-03-07T09:00:00Z"
    assert said[1] == "  1 left out: not decided by the cut-off"


def test_the_command_names_every_unsound_row_on_a_line_of_its_own(
    history: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rows()
    made[1]["outcome"] = made[2]["outcome"] = "?"
    written(history, made)
    monkeypatch.setattr("sys.argv", ["training", "prepare", "--history", str(history), "--out", str(history.parent)])
    assert command_line.run() == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    assert [line.split(": ")[:3] for line in said] == [["training", str(history), f"row {n}"] for n in (2, 3)]


def test_rows_of_the_future_are_refused(history: Path) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    made = rows()
    made[0]["request"]["received_at"] = stamp(tomorrow)
    with pytest.raises(DatasetError, match=r"row 1: request\.received_at: lies in the future"):
        plan_history(written(history, made))


@pytest.mark.database
def test_what_the_service_exports_is_what_training_reads(tmp_path: Path) -> None:
    """Requests sent to a service over HTTP, decided by people, exported, prepared: no step in between."""
    from databases import database_in
    from fastapi.testclient import TestClient
    from serving_cases import always, request_body, routed

    from models.decisions import Decision, Outcome
    from models.types import Route
    from serving.app import create_app
    from serving.decision_export import export_decisions
    from serving.past_decisions import record_decision
    from serving.settings import Settings
    from serving.store import Store

    url = database_in(tmp_path)
    to_a_nurse = always(Route.NURSE_REVIEW, "criterion_not_documented")
    draws = iter([0.0, 0.9] * 40)
    fast = create_app(Settings(database_url=url, audit_share=0.1), triage=routed, draw=lambda: next(draws))
    slow = create_app(Settings(database_url=url, audit_share=0.1), triage=to_a_nurse, draw=lambda: 0.9)
    first_day = datetime.now(UTC).replace(microsecond=0) - timedelta(days=100)
    decided = []
    with TestClient(fast) as fast_lane, TestClient(slow) as nurses:
        for number in range(48):
            client = (fast_lane, nurses)[number % 2]
            received = first_day + timedelta(days=number)
            body = request_body(f"PA-{number}", received_at=stamp(received))
            body["documents"][0]["date"] = received.date().isoformat()
            assert client.post("/v1/authorizations", json=body).status_code == 201
            decided.append((f"PA-{number}", received + timedelta(days=1), number))
    store = Store.open(url)
    for external_id, moment, number in decided:
        if number % 4 == 2:
            continue  # fast-tracked
        outcome = Outcome.APPROVED_AS_REQUESTED if number % 3 else Outcome.INFORMATION_REQUESTED
        record_decision(store, external_id, Decision(outcome, moment, "nurse 7", "nurse"), now=moment)
    exported = export_decisions(store, tmp_path / "decisions.jsonl")
    assert (exported.cases, exported.undecided, exported.unweighed) == (48, 0, 0)

    dataset, summary = prepare_history(tmp_path / "decisions.jsonl", tmp_path / "features.parquet", processes=1)

    assert summary.left_out == {"fast-tracked, so nobody decided (the blind audit stands for them)": 12}
    assert (summary.used, summary.audited) == (36, 12)
    assert dataset.weights.sum() == 12 * 10 + 24
    assert set(dataset.splits) == set(SPLIT_SHARES)
    assert 0 < dataset.labels.sum() < 36


def test_past_requests_are_read_as_their_plan_asks_like_the_service_s(
    history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    from features.policy import load_policies

    policy = next(policy for policy in load_policies().policies if policy.policy_id == "lumbar-spine-mri")
    root = policy.criteria
    left_out = [
        node.id
        for node in root.walk()
        if node is not root and all(part.basis == "common" for part in node.walk() if part.evidence)
    ]
    first_day = datetime.combine(policy.effective.since, datetime.min.time(), UTC)
    made = rows()
    for number, each in enumerate(made):
        received = first_day + timedelta(days=number)
        each["request"]["received_at"] = stamp(received)
        each["request"]["documents"][0]["date"] = received.date().isoformat()
        each["decided_at"] = stamp(received + timedelta(days=2))
    written(history, made)
    strict, _ = prepare_history(history, history.with_name("strict.parquet"), processes=1, settled_after=timedelta(0))
    (history.parent / "plans.yaml").write_text(yaml.safe_dump({"default": {"without": {"lumbar-spine-mri": left_out}}}))
    monkeypatch.setenv("GREENLANE_PLANS", str(history.parent / "plans.yaml"))
    as_asked, _ = prepare_history(history, history.with_name("asked.parquet"), processes=1, settled_after=timedelta(0))
    assert set(strict.families) == {"advanced_imaging"}
    assert not np.array_equal(strict.features, as_asked.features)
