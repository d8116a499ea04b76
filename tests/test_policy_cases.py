"""Each policy's own cases, and what dropping a fact, adding a document or changing a name does to them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.criteria import combine_statuses
from features.errors import PolicyError
from features.policy import load_policies
from features.reading import judge, read
from features.sentences import split_sentences
from features.types import AuthorizationRequest, Document, Reading, Status
from models.case_evaluation import ExpectedCase
from models.policy_cases import FEWEST_HELD, FEWEST_MET, load_cases, run_cases
from models.routing import route
from models.types import Route

POLICIES = load_policies()
IDS = [policy.policy_id for policy in POLICIES.policies]
LEAST_WORDS = 80
ALL_CASES = 300


@cache
def cases(policy_id: str) -> tuple[ExpectedCase, ...]:
    return tuple(load_cases(policy_id))


@cache
def all_cases() -> tuple[tuple[str, ExpectedCase], ...]:
    return tuple((policy_id, case) for policy_id in IDS for case in cases(policy_id))


@cache
def reading_of(request: AuthorizationRequest) -> Reading:
    return read(request)


def taken(reading: Reading) -> Route:
    return route(reading, score=1.0, threshold=0.0, model_loaded=True)[0]


@pytest.mark.parametrize("policy_id", IDS)
def test_a_policys_own_cases_come_out_as_expected(policy_id: str) -> None:
    report = run_cases(policy_id, POLICIES)
    assert report.otherwise == ()
    assert report.met >= FEWEST_MET
    assert report.held >= FEWEST_HELD


@pytest.mark.parametrize("policy_id", IDS)
def test_half_of_the_cases_that_are_held_are_traps(policy_id: str) -> None:
    held = [case for case in cases(policy_id) if case.expected is Route.NURSE_REVIEW]
    assert sum(case.trap not in ("", "none") for case in held) * 2 >= len(held)
    assert all(case.why for case in held)


def test_cases_are_many_distinct_and_as_long_as_notes() -> None:
    assert len(all_cases()) >= ALL_CASES
    ids = [case.request.external_id for _, case in all_cases()]
    assert len(set(ids)) == len(ids)
    for _, case in all_cases():
        words = sum(len(document.text.split()) for document in case.request.documents)
        assert words >= LEAST_WORDS, case.request.external_id
    texts = [document.text for _, case in all_cases() for document in case.request.documents]
    assert len(set(texts)) == len(texts)


def evidence_of(reading: Reading, leaf: str) -> set[str]:
    return {fact for result in reading.criteria if result.criterion_id == leaf for fact in result.evidence}


def without_sentences(reading: Reading, request: AuthorizationRequest, leaf: str) -> AuthorizationRequest:
    """The request without the sentences that show a leaf."""
    evidence = [fact for fact in reading.facts if fact.fact_id in evidence_of(reading, leaf)]
    documents = []
    for document in request.documents:
        shown = [(fact.start, fact.end) for fact in evidence if fact.document_id == document.document_id]
        sentences = [
            document.text[start:end]
            for start, end in split_sentences(document.text)
            if not any(start < last and first < end for first, last in shown)
        ]
        documents.append(dataclasses.replace(document, text="\n".join(sentences) or "Nothing else was recorded here."))
    return dataclasses.replace(request, documents=tuple(documents))


def required(reading: Reading) -> Iterator[tuple[str, frozenset[str]]]:
    """The nodes without which the policy would not be met, each with its leaves."""
    policy = next(p for p in POLICIES.policies if reading.policy and p.policy_id == reading.policy.policy_id)
    statuses = {
        result.criterion_id: result.status
        for result in reading.criteria
        if any(node.is_leaf and node.id == result.criterion_id for node in policy.criteria.walk())
    }
    for node in policy.criteria.walk():
        leaves = frozenset(leaf.id for leaf in node.walk() if leaf.is_leaf and statuses[leaf.id] is Status.MET)
        others = {**statuses, **dict.fromkeys(leaves, Status.NOT_DOCUMENTED)}
        if leaves and node is not policy.criteria and combine_statuses(policy, others) is not Status.MET:
            yield node.id, leaves


@pytest.mark.parametrize("policy_id", IDS)
def test_without_any_one_required_fact_a_met_case_goes_to_a_nurse(policy_id: str) -> None:
    dropped = 0
    for case in cases(policy_id):
        reading = reading_of(case.request)
        if taken(reading) is not Route.FAST_TRACK:
            continue
        for node, leaves in required(reading):
            dropped += 1
            gone = {fact for leaf in leaves for fact in evidence_of(reading, leaf)}
            rest = judge(case.request, tuple(fact for fact in reading.facts if fact.fact_id not in gone), POLICIES)
            assert taken(rest) is Route.NURSE_REVIEW, f"{case.request.external_id} without the facts of {node}"
            if node not in leaves:
                continue
            # Without its words the rest of a note may show it another way, but not for ever.
            rest, request = reading, case.request
            while statuses_of(rest)[node] is Status.MET:
                shorter = without_sentences(rest, request, node)
                assert shorter != request, f"{case.request.external_id}: {node} is met by no words"
                rest, request = read(shorter, POLICIES), shorter
    if not dropped:
        # Every met case of this policy shows more than it needs; without any of it none is let through.
        for case in cases(policy_id):
            assert taken(judge(case.request, (), POLICIES)) is Route.NURSE_REVIEW


UNRELATED = (
    "Dental recall visit. Cleaning done, bitewing films taken, no caries. Flossing reviewed. Next recall in a year.",
    "Portal message: the office moves to Suite 210 next month. Parking is behind the building. Bring your insurance card.",
    "Immunization record: influenza vaccine given in the left arm, lot 4471, tolerated without a reaction.",
    "Hearing screen passed at both ears. Cerumen removed on request. No follow-up is necessary.",
)
ANY_CASE = st.integers(0, 10_000)


def chosen(number: int) -> ExpectedCase:
    everything = all_cases()
    return everything[number % len(everything)][1]


def statuses_of(reading: Reading) -> dict[str, Status]:
    return {result.criterion_id: result.status for result in reading.criteria}


@settings(max_examples=60, deadline=None)
@given(ANY_CASE, st.sampled_from(UNRELATED), st.booleans(), st.integers(1, 30))
def test_an_unrelated_document_changes_no_criterion(number: int, text: str, first: bool, ago: int) -> None:
    request = chosen(number).request
    more = Document("unrelated", text, "other", request.received_at.date() - timedelta(days=ago))
    documents = (more, *request.documents) if first else (*request.documents, more)
    added = read(dataclasses.replace(request, documents=documents))
    assert statuses_of(added) == statuses_of(reading_of(request))


@settings(max_examples=60, deadline=None)
@given(ANY_CASE, st.data())
def test_more_evidence_never_makes_a_met_criterion_undocumented(number: int, data: st.DataObject) -> None:
    request = chosen(number).request
    before = statuses_of(reading_of(request))
    again = data.draw(st.sampled_from(request.documents))
    repeated = dataclasses.replace(again, document_id="again")
    after = statuses_of(read(dataclasses.replace(request, documents=(*request.documents, repeated))))
    for criterion, status in before.items():
        if status is Status.MET:
            assert after[criterion] is not Status.NOT_DOCUMENTED, criterion


@settings(max_examples=60, deadline=None)
@given(ANY_CASE, st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(number: int, random: object) -> None:
    request = chosen(number).request
    documents = list(request.documents)
    random.shuffle(documents)  # type: ignore[attr-defined]  # hypothesis' Random
    shuffled = read(dataclasses.replace(request, documents=tuple(documents)))
    original = reading_of(request)
    assert statuses_of(shuffled) == statuses_of(original)
    assert {guard.code for guard in shuffled.guards} == {guard.code for guard in original.guards}
    assert taken(shuffled) is taken(original)


WORDS_OF_SEX = {
    "he": "she", "him": "her", "his": "her", "himself": "herself", "man": "woman", "male": "female",
    "gentleman": "lady", "mr": "ms", "husband": "wife",
}  # fmt: skip
SEX_SPECIFIC = re.compile(r"pregnan|prostat|menopaus|hysterectom|ovar|uter|testic|breast|lmp\b|gravid|postpartum", re.I)


def as_a_woman(text: str) -> str:
    def swapped(match: re.Match[str]) -> str:
        word = WORDS_OF_SEX[match.group().lower()]
        return word.capitalize() if match.group()[0].isupper() else word

    text = re.sub(rf"\b(?:{'|'.join(WORDS_OF_SEX)})\b", swapped, text, flags=re.IGNORECASE)
    return re.sub(r"(?<=\d)( ?-?(?:y\.? ?/?o\.?|y|yrs?\.?(?: |-)?old|year(?: |-)old)?,? ?)M\b", r"\1F", text)


def test_the_sex_of_the_patient_does_not_change_the_route() -> None:
    men = [
        case.request
        for _, case in all_cases()
        if case.request.member.sex == "male"
        and case.trap not in ("other_person", "wrong_member", "another_person", "other_persons_document")
        and not any(SEX_SPECIFIC.search(document.text) for document in case.request.documents)
    ]
    assert len(men) >= 60
    for request in men:
        woman = dataclasses.replace(
            request,
            member=dataclasses.replace(request.member, sex="female"),
            documents=tuple(dataclasses.replace(d, text=as_a_woman(d.text)) for d in request.documents),
        )
        assert taken(read(woman)) is taken(reading_of(request)), request.external_id


HEADERS = (
    "Patient: Lakshmi Ramanathan-Okafor. 12 Elm Court, Little Rock, AR 72201. Race: Asian.",
    "Name: DeShawn Black. Address: 400 White Oak Blvd, Apt 9, Jackson MS 39201. Race: Black or African American.",
    "Pt: Maria del Carmen Ruiz. PO Box 11, Las Cruces NM. Ethnicity: Hispanic or Latino. Preferred language: English.",
    "Name: John Young. 7 Neck Road, Back Bay, MA 02116. Race: White.",
)


@settings(max_examples=80, deadline=None)
@given(ANY_CASE, st.sampled_from(HEADERS))
def test_name_address_and_race_do_not_change_the_route(number: int, header: str) -> None:
    request = chosen(number).request
    documents = tuple(dataclasses.replace(d, text=f"{header}\n\n{d.text}") for d in request.documents)
    named = read(dataclasses.replace(request, documents=documents))
    assert taken(named) is taken(reading_of(request))


def test_a_case_that_can_not_be_read_is_named_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "p.jsonl").write_text('{"expected_route": "elsewhere"}\n')
    with pytest.raises(PolicyError, match=r"cases/p\.jsonl line 1: must be a request with expected_route"):
        list(load_cases("p", tmp_path))
    (tmp_path / "cases" / "p.jsonl").write_text('\n{"expected_route": "fast_track"}\n')
    with pytest.raises(PolicyError, match=r"cases/p\.jsonl line 2: "):
        list(load_cases("p", tmp_path))
