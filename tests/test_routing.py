"""A fast track needs every condition of the contract at once; each one broken alone sends the request to a nurse by name."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from building import fact
from hypothesis import given
from hypothesis import strategies as st

from features.types import Assertion, CriterionResult, Fact, FeatureVector, Guard, PolicyReference, Reading, Status
from features.vector import SCHEMA
from models.routing import route
from models.types import Reason, Route, TriageResult

ROOT = Path(__file__).parents[1]
POLICY = PolicyReference("lumbar-spine-mri", "2026.1", "NCD 220.2", "MRI", "advanced_imaging")
VECTOR = FeatureVector(SCHEMA, (0.0,) * len(SCHEMA.features))
HOLDING: dict[str, Any] = {"score": 0.97, "threshold": 0.94, "model_loaded": True}
FACTS = (fact("low_back_pain", fact_id="f1"), fact("physical_therapy", "treatment", fact_id="f2"))


def criterion(criterion_id: str, status: Status = Status.MET, **changes: Any) -> CriterionResult:
    values: dict[str, Any] = {"evidence": ("f1",), "parent": "indication", "explanation": "It is documented."}
    return CriterionResult(criterion_id, f"Statement of {criterion_id}", status, **{**values, **changes})


ROOT_MET = criterion("indication", parent=None, evidence=("f1", "f2"))


def reading(
    *leaves: CriterionResult, root: Status = Status.MET, facts: tuple[Fact, ...] = FACTS, **changes: Any
) -> Reading:
    whole = replace(ROOT_MET, status=root)
    values: dict[str, Any] = {
        "facts": facts,
        "policy": POLICY,
        "criteria": (whole, *(leaves or (criterion("duration"), criterion("care", evidence=("f2",))))),
        "guards": (),
        "vector": VECTOR,
    }
    return Reading(**{**values, **changes})


def stated(assertion: Assertion) -> tuple[Fact, ...]:
    return (replace(FACTS[0], assertion=assertion), FACTS[1])


def test_all_conditions_holding_is_a_fast_track_that_names_its_policy() -> None:
    taken, reasons = route(reading(), **HOLDING)
    assert taken is Route.FAST_TRACK
    assert reasons == (Reason("all_criteria_met", "Every criterion of lumbar-spine-mri 2026.1 is documented as met."),)


def test_a_score_at_the_threshold_is_enough() -> None:
    assert route(reading(), **{**HOLDING, "score": 0.94})[0] is Route.FAST_TRACK


def guarded(code: str) -> Reading:
    return reading(guards=(Guard(code, "A sentence for people."),))


UNMET = criterion("care", Status.NOT_MET, evidence=("f2",))
SILENT = criterion("care", Status.NOT_DOCUMENTED, evidence=())
TORN = criterion("care", Status.CONFLICTING, evidence=("f1", "f2"))
BROKEN: list[tuple[str, Reading, dict[str, Any], str]] = [
    ("no policy, as its guard says", replace(guarded("no_policy"), policy=None, criteria=()), {}, "no_policy"),
    ("no policy, and no guard says so", reading(policy=None, criteria=()), {}, "no_policy"),
    ("a policy whose criteria were not judged", reading(criteria=()), {}, "criteria_unmet"),
    ("a criterion not met", reading(UNMET, root=Status.NOT_MET), {}, "criterion_not_met"),
    ("a criterion not documented", reading(SILENT, root=Status.NOT_DOCUMENTED), {}, "criterion_not_documented"),
    ("a criterion conflicting", reading(TORN, root=Status.CONFLICTING), {}, "criterion_conflicting"),
    ("a conflict in a branch nobody needs", reading(replace(TORN, needed=False)), {}, "criterion_conflicting"),
    ("a leaf unmet under a root that says met", reading(UNMET), {}, "criterion_not_met"),
    ("a root unmet over leaves that say met", reading(root=Status.NOT_MET), {}, "criteria_unmet"),
    (
        "a root unmet with nothing needed",
        reading(replace(SILENT, needed=False), root=Status.NOT_MET),
        {},
        "criteria_unmet",
    ),
    ("evidence that is negated", reading(facts=stated(Assertion(negated=True))), {}, "evidence_not_patients_own"),
    ("evidence about family", reading(facts=stated(Assertion(family=True))), {}, "evidence_not_patients_own"),
    (
        "evidence that is hypothetical",
        reading(facts=stated(Assertion(hypothetical=True))),
        {},
        "evidence_not_patients_own",
    ),
    ("evidence that is uncertain", reading(facts=stated(Assertion(uncertain=True))), {}, "evidence_not_patients_own"),
    (
        "met beside one without evidence",
        reading(criterion("duration"), criterion("care", evidence=())),
        {},
        "evidence_not_patients_own",
    ),
    ("met with nothing that shows it", reading(replace(SILENT, needed=False)), {}, "criteria_unmet"),
    (
        "met by a fact that does not exist",
        reading(criterion("care", evidence=("f9",))),
        {},
        "evidence_not_patients_own",
    ),
    (
        "met by one real and one lost fact",
        reading(criterion("c", evidence=("f1", "f9"))),
        {},
        "evidence_not_patients_own",
    ),
    ("an exclusion", guarded("human_must_look"), {}, "human_must_look"),
    ("an unreadable document", guarded("unreadable_document"), {}, "unreadable_document"),
    ("a document about someone else", guarded("document_about_someone_else"), {}, "document_about_someone_else"),
    ("coverage inactive", guarded("coverage_inactive"), {}, "coverage_inactive"),
    ("a near duplicate", reading(), {"further": (Reason("near_duplicate", "Seen before."),)}, "near_duplicate"),
    ("no model", reading(), {"model_loaded": False}, "no_model"),
    ("no model, and a score from nowhere", reading(), {"model_loaded": False, "score": 1.0}, "no_model"),
    ("no score", reading(), {"score": None}, "no_model"),
    ("a family without a guarantee", reading(), {"threshold": None}, "no_guarantee"),
    ("a score below the threshold", reading(), {"score": 0.9399}, "score_below_threshold"),
    ("a score that is no number", reading(), {"score": math.nan}, "score_below_threshold"),
    ("a threshold that is no number", reading(), {"threshold": math.nan}, "score_below_threshold"),
    ("fast-tracking switched off", reading(), {"fast_track_enabled": False}, "fast_track_off"),
]


@pytest.mark.parametrize(
    ("read", "changes", "code"), [pytest.param(read, changes, code, id=name) for name, read, changes, code in BROKEN]
)
def test_one_broken_condition_is_enough_for_a_nurse(read: Reading, changes: dict[str, Any], code: str) -> None:
    taken, reasons = route(read, **{**HOLDING, **changes})
    assert taken is Route.NURSE_REVIEW
    assert [reason.code for reason in reasons] == [code]
    assert all(reason.message.endswith(".") for reason in reasons)


def test_every_reason_that_holds_a_request_back_is_returned_once() -> None:
    read = reading(
        UNMET,
        SILENT,
        root=Status.NOT_MET,
        guards=(Guard("coverage_inactive", "Off."), Guard("coverage_inactive", "Off.")),
    )
    _, reasons = route(read, score=0.1, threshold=0.9, model_loaded=True, fast_track_enabled=False)
    assert [reason.code for reason in reasons] == [
        "coverage_inactive",
        "criterion_not_met",
        "criterion_not_documented",
        "score_below_threshold",
        "fast_track_off",
    ]


def test_a_branch_nobody_needs_holds_nothing_back() -> None:
    spare = replace(SILENT, criterion_id="spare", needed=False)
    assert route(reading(criterion("duration"), spare), **HOLDING)[0] is Route.FAST_TRACK


statuses = st.sampled_from(Status)
flags = st.booleans()
assertions = st.builds(Assertion, negated=flags, uncertain=flags, historical=flags, hypothetical=flags, family=flags)
leaves = st.builds(
    CriterionResult,
    criterion_id=st.sampled_from(["a", "b", "c"]),
    statement=st.just("A statement"),
    status=statuses,
    evidence=st.lists(st.sampled_from(["f1", "f2", "f3"]), max_size=2).map(tuple),
    parent=st.just("indication"),
    explanation=st.just("It is so."),
    needed=flags,
)
readings = st.builds(
    Reading,
    facts=st.lists(assertions, max_size=2).map(
        lambda made: tuple(fact("pain", fact_id=f"f{n}", assertion=a) for n, a in enumerate(made, 1))
    ),
    policy=st.sampled_from([POLICY, None]),
    criteria=st.one_of(
        st.just(()),
        st.builds(lambda root, below: (replace(ROOT_MET, status=root), *below), statuses, st.lists(leaves, max_size=3)),
    ),
    guards=st.lists(st.just(Guard("human_must_look", "Look.")), max_size=1).map(tuple),
    vector=st.just(VECTOR),
)
scores = st.one_of(st.none(), st.floats(0, 1), st.just(math.nan))


@given(readings, scores, scores, flags, flags, st.lists(st.just(Reason("near_duplicate", "Seen.")), max_size=1))
def test_a_fast_track_implies_every_condition(
    read: Reading, score: float | None, threshold: float | None, loaded: bool, enabled: bool, further: list[Reason]
) -> None:
    taken, reasons = route(
        read, score=score, threshold=threshold, model_loaded=loaded, fast_track_enabled=enabled, further=further
    )
    assert taken in (Route.FAST_TRACK, Route.NURSE_REVIEW)
    assert reasons
    if taken is Route.NURSE_REVIEW:
        return
    assert read.policy is not None
    assert not read.guards
    assert not further
    assert loaded
    assert enabled
    assert score is not None
    assert threshold is not None
    assert score >= threshold
    assert read.criteria[0].status is Status.MET
    assert Status.CONFLICTING not in [result.status for result in read.criteria]
    own = {fact.fact_id for fact in read.facts if fact.assertion.is_patients_own}
    parents = {result.parent for result in read.criteria}
    assert any(result.needed and result.evidence for result in read.criteria if result.criterion_id not in parents)
    for result in read.criteria:
        if result.needed and result.criterion_id not in parents:
            assert result.status is Status.MET
            assert result.evidence
            assert set(result.evidence) <= own


def test_there_are_two_routes_and_no_third() -> None:
    assert {taken.value for taken in Route} == {"fast_track", "nurse_review"}
    assert get_type_hints(TriageResult)["route"] is Route
    assert get_args(get_type_hints(route)["return"])[0] is Route


# Words of an adverse determination. Negations a note may hold ("denies fever") are vocabulary of features/ and not looked at.
ADVERSE = re.compile(
    r"\b(?:den(?:y|ied|ial|ials)|reject\w*|disapprov\w*|declin(?:e|ed|es)|adverse|refus(?:e|ed|es|al))\b", re.I
)
PROMISE = re.compile(r"\b(?:never|nothing|not|no|nor|neither|cannot)\b[^.!?]{0,80}$", re.I)
# Where such a word is about something else: a request body that breaks the contract is refused, a course of treatment may
# be declined, a mind or a function may decline, a database may refuse a connection.
ABOUT_SOMETHING_ELSE = re.compile(
    r"RequestRefusedError|refused by field|untrusted|(?:cognitive|functional|measured)[ _-]decline"
    r"|decline[ -](?:of memory|described)|describe the decline|imaged for this decline",
    re.I,
)
# Of a patient, a drug or a function: the words of medicine for what happened to them.
OF_MEDICINE = re.compile(
    r"adverse effect|infection_denied|patient[_ ]declines|id: declined|slow a decline|decline-or-prospect", re.I
)
# The medical director's own way to an adverse determination, which nobody else is shown.
OF_THE_DIRECTOR = re.compile(r"\{% if work\.is_director [^\n]*\{% endif %\}")
# What people decided is recorded as it was; nothing there is an answer of triage.
RECORDS_OF_PEOPLE = {"decisions.py"}
OUTPUTS = [
    *(path for path in sorted((ROOT / "models").glob("*.py")) if path.name not in RECORDS_OF_PEOPLE),
    *sorted((ROOT / "serving" / "templates").rglob("*.html")),
    *sorted((ROOT / "features" / "policies").glob("*.yaml")),
]


def adverse_words(text: str) -> list[str]:
    found = []
    for match in ADVERSE.finditer(text):
        line = text[text.rfind("\n", 0, match.start()) + 1 : (text + "\n").find("\n", match.end())]
        promised = PROMISE.search(text[: match.start()].replace("\n", " ")[-100:])
        if not promised and not ABOUT_SOMETHING_ELSE.search(line) and not OF_MEDICINE.search(line):
            found.append(line.strip())
    return found


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_that_is_shown_says_or_suggests_a_denial(path: Path) -> None:
    assert adverse_words(OF_THE_DIRECTOR.sub("", path.read_text(encoding="utf-8"))) == []


def test_the_search_for_adverse_words_finds_them() -> None:
    assert adverse_words('route = "denied"') == ['route = "denied"']
    assert adverse_words("<b>Recommend denial</b>") == ["<b>Recommend denial</b>"]
    assert adverse_words("greenlane never denies, and there is no denial.") == []
