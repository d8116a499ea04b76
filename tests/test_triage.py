"""One request in, one answer out: the same every time, in the interface's shape, and never unsafe even without a score."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from building import RECEIVED, VISIT, body, document, request
from hypothesis import given, settings
from hypothesis import strategies as st

from features.request import parse_request
from features.types import FeatureVector, Status
from models import triage
from models.bundle import Bundle, BundleVersions
from models.result import result_from_trace, result_to_json, trace_text
from models.triage import system_error_result
from models.types import ModelReference, Reason, Route, Score, ThresholdCertificate, TriageResult

RESULT_KEYS = [
    *("authorization_id", "external_id", "route", "reasons", "due_at", "policy", "criteria", "facts", "approval_score"),
    *("threshold", "certificate", "contributions", "missing", "model", "pipeline_version"),
]
FACT_KEYS = [
    *("fact_id", "concept", "category", "document_id", "start", "end", "text", "section", "assertion"),
    *("value", "unit", "date"),
]
EXPECTATIONS = ("expected_route", "expected_why", "trap")


def codes(result: TriageResult) -> set[str]:
    return {reason.code for reason in result.reasons}


def without_expectation(sample: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in sample.items() if field not in EXPECTATIONS}


class Certain:
    """An estimator's place in a bundle that scores everything alike."""

    def __init__(self, probability: float) -> None:
        self.probability = probability


def bundle_scoring(monkeypatch: pytest.MonkeyPatch, probability: float, family: str = "advanced_imaging") -> Bundle:
    """A bundle whose guarantee covers one family and whose score is always the same."""
    certificate = ThresholdCertificate(family, 0.01, 0.95, "test", 598, 0, 0.9, "2026-11-01", "0" * 64)

    def score(self: Bundle, vector: FeatureVector) -> Score:
        return Score(probability, ())

    monkeypatch.setattr(Bundle, "score", score)
    return Bundle(
        ModelReference("greenlane-approval", "1", "champion"),
        "hash",
        (),
        (),
        (certificate,),
        BundleVersions("l", "p", "v"),
        RECEIVED,
        "0" * 64,
        Certain(probability),  # type: ignore[arg-type]  # never asked: score is replaced
    )


def test_parsed_json_and_a_request_have_the_same_answer() -> None:
    assert triage(body(), bundle=None) == triage(parse_request(body()), bundle=None)


def test_the_answer_is_the_same_every_time(sample_bodies: list[dict[str, Any]]) -> None:
    for sample in sample_bodies[::6]:
        asked = without_expectation(sample)
        assert triage(asked, bundle=None) == triage(asked, bundle=None)


def test_without_a_model_everything_goes_to_a_nurse(sample_bodies: list[dict[str, Any]]) -> None:
    for sample in sample_bodies:
        result = triage(without_expectation(sample), bundle=None)
        assert result.route is Route.NURSE_REVIEW
        assert "no_model" in codes(result)
        assert (result.approval_score, result.threshold, result.model) == (None, None, None)


def test_an_empty_model_directory_is_no_model(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLANE_MODEL_DIR", str(tmp_path))
    assert "no_model" in codes(triage(body()))


def test_a_broken_model_directory_is_no_model(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "champion.json").write_text("{", encoding="utf-8")
    monkeypatch.setenv("GREENLANE_MODEL_DIR", str(tmp_path))
    result = triage(body())
    assert result.route is Route.NURSE_REVIEW
    assert "no_model" in codes(result)


def test_no_sample_expected_in_nurse_review_would_pass_with_a_perfect_score(
    sample_bodies: list[dict[str, Any]],
) -> None:
    unsafe = [
        sample["external_id"]
        for sample in sample_bodies
        if sample["expected_route"] == "nurse_review"
        and codes(triage(without_expectation(sample), bundle=None)) == {"no_model"}
    ]
    assert unsafe == []


def passing(sample_bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Samples that only a missing model keeps from the fast lane."""
    made = [without_expectation(sample) for sample in sample_bodies if sample["expected_route"] == "fast_track"]
    return [asked for asked in made if codes(triage(asked, bundle=None)) == {"no_model"}]


def test_most_samples_expected_in_the_fast_lane_wait_only_for_a_score(sample_bodies: list[dict[str, Any]]) -> None:
    expected = sum(sample["expected_route"] == "fast_track" for sample in sample_bodies)
    assert len(passing(sample_bodies)) >= expected * 0.5


def test_score_and_guarantee_decide_the_rest(
    sample_bodies: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = next(asked for asked in passing(sample_bodies) if asked["service"]["code"] == "72148")
    sure = triage(asked, bundle=bundle_scoring(monkeypatch, 0.95))
    assert sure.route is Route.FAST_TRACK
    assert codes(sure) == {"all_criteria_met"}
    assert (sure.approval_score, sure.threshold) == (0.95, 0.9)
    assert sure.model == ModelReference("greenlane-approval", "1", "champion")
    assert sure.certificate is not None
    assert (sure.certificate.family, sure.certificate.threshold) == ("advanced_imaging", 0.9)
    assert result_to_json(sure)["certificate"]["data_hash"] == "0" * 64
    assert result_from_trace(json.loads(trace_text(sure))) == sure
    assert codes(triage(asked, bundle=bundle_scoring(monkeypatch, 0.89))) == {"score_below_threshold"}
    assert codes(triage(asked, bundle=bundle_scoring(monkeypatch, 0.99, "sleep_dme"))) == {"no_guarantee"}
    assert triage(asked, bundle=bundle_scoring(monkeypatch, 0.99, "sleep_dme")).certificate is None
    off = triage(asked, bundle=bundle_scoring(monkeypatch, 0.95), fast_track_enabled=False)
    assert codes(off) == {"fast_track_off"}
    doubled = triage(asked, bundle=bundle_scoring(monkeypatch, 0.95), further=(Reason("near_duplicate", "Seen."),))
    assert codes(doubled) == {"near_duplicate"}


DANGERS = {
    "cancer": "He has a history of prostate cancer.",
    "infection": "Fever of 101.5 last night.",
    "a pacemaker": "He has a pacemaker.",
    "another payer": "This is a workers' compensation claim.",
    "contrast": "MRI with and without contrast is needed.",
    "cord signs": "Clonus at both ankles, hyperreflexia.",
    "a recent study": "MRI of the lumbar spine on 9/3/2026 showed an L4-5 herniation.",
    "a recent study, otherwise said": "Lumbar MRI three months ago was reviewed.",
    "another person": "This is a 19-year-old patient.",
    "a foreign document": "El paciente refiere dolor lumbar desde hace tres meses y no mejora con la terapia.",
}


@pytest.mark.parametrize("danger", DANGERS.values(), ids=DANGERS)
def test_one_dangerous_sentence_more_keeps_a_good_request_from_the_fast_lane(
    danger: str, sample_bodies: list[dict[str, Any]]
) -> None:
    asked = parse_request(next(a for a in passing(sample_bodies) if a["service"]["code"] == "72148"))
    more = document(danger, "extra", day=VISIT)
    result = triage(replace(asked, documents=(*asked.documents, more)), bundle=None)
    assert codes(result) > {"no_model"}


def test_removing_any_document_never_helps_a_request_that_cites_it(sample_bodies: list[dict[str, Any]]) -> None:
    for asked in map(parse_request, passing(sample_bodies)):
        for left_out in asked.documents:
            rest = tuple(document for document in asked.documents if document is not left_out)
            if rest:
                result = triage(replace(asked, documents=rest), bundle=None)
                assert {fact.document_id for fact in result.facts} <= {document.document_id for document in rest}


def test_the_result_has_exactly_the_contracts_keys() -> None:
    result = result_to_json(triage(body(), bundle=None))
    assert list(result) == RESULT_KEYS
    assert all(list(fact) == FACT_KEYS for fact in result["facts"])
    assert set(result["facts"][0]["assertion"]) == {"negated", "uncertain", "historical", "hypothetical", "family"}
    assert set(result["policy"]) == {"policy_id", "version", "source"}
    assert all(set(c) == {"criterion_id", "statement", "status", "evidence", "parent"} for c in result["criteria"])
    assert all(set(reason) == {"code", "message"} for reason in result["reasons"])
    assert all(set(missing) == {"criterion_id", "ask"} for missing in result["missing"])
    assert result["route"] in ("fast_track", "nurse_review")
    assert result["due_at"] == "2026-11-27T15:04:05Z"
    assert json.loads(json.dumps(result)) == result


def test_every_evidence_is_a_fact_and_every_fact_stands_in_its_document(sample_bodies: list[dict[str, Any]]) -> None:
    for sample in sample_bodies:
        asked = parse_request(without_expectation(sample))
        result = triage(asked, bundle=None)
        ids = [fact.fact_id for fact in result.facts]
        assert len(set(ids)) == len(ids)
        for fact in result.facts:
            assert asked.document(fact.document_id).text[fact.start : fact.end] == fact.text
            for start, end in fact.qualifiers:
                assert 0 <= start < end <= len(asked.document(fact.document_id).text)
        for criterion in result.criteria:
            assert set(criterion.evidence) <= set(ids)
            assert criterion.status is not Status.NOT_MET or criterion.evidence
            assert criterion.status is not Status.CONFLICTING or len(criterion.evidence) >= 2


def test_a_trace_holds_everything_and_is_read_back() -> None:
    result = triage(body(), bundle=None)
    trace = json.loads(trace_text(result))
    assert result_from_trace(trace) == result
    assert {field.name for field in fields(result)} == set(trace)


@pytest.mark.parametrize(("urgency", "due"), [("standard", timedelta(days=7)), ("expedited", timedelta(hours=72))])
def test_the_clock_starts_at_receipt(urgency: Any, due: timedelta) -> None:
    assert triage(request(urgency=urgency), bundle=None).due_at == RECEIVED + due


def test_every_question_is_asked_once_and_only_where_something_is_needed(sample_bodies: list[dict[str, Any]]) -> None:
    for sample in sample_bodies:
        result = triage(without_expectation(sample), bundle=None)
        asks = [missing.ask for missing in result.missing]
        assert len(set(asks)) == len(asks)
        status = {criterion.criterion_id: criterion for criterion in result.criteria}
        for missing in result.missing:
            assert status[missing.criterion_id].status is not Status.MET
            assert status[missing.criterion_id].needed


def test_reasons_and_explanations_hold_no_words_of_the_note() -> None:
    secret = "Zyxwvutsrq"
    text = f"58-year-old man {secret} with low back pain for {secret} three months. PT failed, says {secret}."
    result = triage(request(document(text)), bundle=None)
    said = [reason.message for reason in result.reasons] + [c.explanation for c in result.criteria]
    assert result.facts
    assert all(secret not in sentence for sentence in said)


def test_every_answer_says_what_could_have_changed_it() -> None:
    result = triage(body(), bundle=None)
    for part in ("lexicon.", "policies.", "features.", "routing."):
        assert part in result.pipeline_version
    assert system_error_result(request()).pipeline_version == result.pipeline_version


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), min_size=1, max_size=3))
def test_no_text_whatever_raises_or_is_fast_tracked_without_a_model(texts: list[str]) -> None:
    asked = request(*(document(text, f"d{number}") for number, text in enumerate(texts)))
    result = triage(asked, bundle=None)
    assert result.route is Route.NURSE_REVIEW
    assert "system_error" not in codes(result)


def test_the_record_says_which_rule_set_the_due_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plans.yaml").write_text("plans: {PPO-1: {line_of_business: commercial, state: TX}}")
    monkeypatch.setenv("GREENLANE_PLANS", str(tmp_path / "plans.yaml"))
    result = triage(body(), bundle=None)
    assert result.due_at == RECEIVED + timedelta(days=3)
    record = json.loads(trace_text(result))
    assert (record["due"]["rule"], record["due"]["rule_version"]) == ("texas", "2026.1")
    assert result_from_trace(record) == result
    assert "due" not in result_to_json(result)
    failed = system_error_result(parse_request(body()))
    assert (failed.due_at, failed.due) == (result.due_at, result.due)


def test_a_record_from_before_there_were_rules_is_still_read() -> None:
    record = json.loads(trace_text(triage(body(), bundle=None)))
    del record["due"]
    assert result_from_trace(record).due is None
