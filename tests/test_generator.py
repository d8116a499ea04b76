"""Generated cases: the same to the byte, labelled from the story alone, the test split in phrases of its own."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.request import parse_request
from training.config import Disagreement
from training.synthetic import knee, lumbar, sleep
from training.synthetic.banks import load_bank
from training.synthetic.generator import SERVICES, SyntheticCase, generate, generate_case
from training.synthetic.story import Person

SYNTHETIC = Path(__file__).parents[1] / "training" / "synthetic"
VISIT = date(2026, 9, 14)
PERSON = Person(date(1970, 5, 2), "female")
NO_DISAGREEMENT = Disagreement(0, 0, 0)


@pytest.fixture(scope="module")
def cases() -> list[SyntheticCase]:
    return list(generate(1200, seed=11))


def digest(seed: int) -> str:
    return hashlib.sha256("\n".join(case.to_json() for case in generate(60, seed)).encode()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "import hashlib; from training.synthetic.generator import generate; "
        'print(hashlib.sha256("\\n".join(c.to_json() for c in generate(60, 5)).encode()).hexdigest())'
    )
    environment = {"PYTHONHASHSEED": "12345", "PATH": ""}
    elsewhere = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert elsewhere.stdout.strip() == digest(5)
    assert digest(6) != digest(5)


def test_a_case_does_not_depend_on_how_many_are_generated() -> None:
    assert generate_case(7, 3) == list(generate(20, 3))[7]


def test_every_request_follows_the_contract(cases: list[SyntheticCase]) -> None:
    for case in cases:
        request = parse_request(case.request)
        assert request.external_id == case.request["external_id"]
        assert all(document.text.strip() for document in request.documents)
        assert "{" not in json.dumps([document.text for document in request.documents])


def test_no_member_stands_on_both_sides_of_a_split(cases: list[SyntheticCase]) -> None:
    splits: dict[str, set[str]] = {}
    for case in cases:
        splits.setdefault(case.request["member"]["member_id"], set()).add(case.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(splits) < len(cases)


def test_base_rate_and_families_are_as_documented(cases: list[SyntheticCase]) -> None:
    assert 0.55 <= sum(case.label for case in cases) / len(cases) <= 0.70
    services = Counter(case.service for case in cases)
    assert {name: round(share) for name, share in SERVICES.items()} == {"lumbar": 27, "knee": 27, "sleep": 46}
    assert set(services) == set(SERVICES)
    assert min(services.values()) > 0.2 * len(cases)


def test_every_story_is_told_and_both_labels_occur_in_every_service(cases: list[SyntheticCase]) -> None:
    many = list(generate(4000, seed=2))
    for service, module in (("lumbar", lumbar), ("knee", knee), ("sleep", sleep)):
        assert {case.scenario for case in many if case.service == service} == set(module.SCENARIOS)
    for service in SERVICES:
        assert {case.label for case in cases if case.service == service} == {0, 1}


def test_reviewers_differ_mostly_near_thresholds() -> None:
    cases = list(generate(4000, seed=4))
    differing = [case for case in cases if case.label != int(case.meets_policy and case.beyond == "none")]
    clear = [case for case in cases if not case.near_threshold]
    assert 0.001 < len(differing) / len(cases) < 0.02
    assert sum(not case.near_threshold for case in differing) / len(clear) < 0.003


def test_without_disagreement_the_label_is_the_judgement() -> None:
    for index in range(300):
        case = generate_case(index, 9, NO_DISAGREEMENT)
        assert case.label == int(case.meets_policy and case.beyond == "none")


def test_the_generator_never_sees_how_notes_are_read() -> None:
    imported: set[str] = set()
    for path in SYNTHETIC.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
            elif isinstance(node, ast.Import):
                imported.update(name.name for name in node.names)
    assert imported
    assert not {name for name in imported if name.split(".")[0] in ("features", "models", "spacy", "medspacy")}


@pytest.mark.parametrize("service", ["lumbar", "knee", "sleep"])
def test_the_two_banks_share_no_phrase_and_no_style(service: str) -> None:
    seen, unseen = load_bank(service, "seen"), load_bank(service, "unseen")
    assert seen.phrases.keys() == unseen.phrases.keys()
    for key in seen.phrases:
        assert not set(seen.phrases[key]) & set(unseen.phrases[key]), key
    assert not {style.name for style in seen.styles} & {style.name for style in unseen.styles}


def test_only_the_test_split_is_written_from_the_unseen_bank(cases: list[SyntheticCase]) -> None:
    unseen_only = ("Sciatica on the", "Bed partner reports", "Standing films of the")
    written = {
        split: " ".join(d["text"] for case in cases if case.split == split for d in case.request["documents"])
        for split in ("train", "calibration", "certification", "test")
    }
    for phrase in unseen_only:
        assert phrase in written["test"].replace("\n", " ")
        assert not any(phrase in text for split, text in written.items() if split != "test")


def stream(seed: int) -> Random:
    return Random(seed)  # noqa: S311  # reproducible cases, nothing secret


def a_lumbar_story(scenario: str) -> lumbar.LumbarStory:
    for seed in range(3000):
        story = lumbar.imagine(stream(seed), PERSON, VISIT)
        if story.scenario == scenario:
            return story
    raise AssertionError(f"no story of {scenario}")


def a_sleep_story(scenario: str) -> sleep.SleepStory:
    for seed in range(3000):
        story = sleep.imagine(stream(seed), PERSON, VISIT)
        if story.scenario == scenario:
            return story
    raise AssertionError(f"no story of {scenario}")


@given(st.integers(0, 30))
def test_five_weeks_of_therapy_are_not_six(weeks: int) -> None:
    story = replace(a_lumbar_story("conservative_care"), signs=frozenset(), weeks=40)
    assert story.treatment is not None
    course = replace(story.treatment, began=story.treatment.ended - timedelta(weeks=weeks))
    assert lumbar.judge(replace(story, treatment=course)).met == (weeks >= 6)


@pytest.mark.parametrize(("ahi", "events", "reason", "met"), [
    (15.0, 30, False, True), (14.9, 90, False, False), (14.9, 90, True, True), (15.0, 29, False, False),
    (5.0, 10, True, True), (5.0, 9, True, False), (4.9, 60, True, False),
])  # fmt: skip
def test_apnea_indices_are_judged_at_the_policys_numbers(ahi: float, events: int, reason: bool, met: bool) -> None:
    story = replace(
        a_sleep_story("moderate_or_severe"), ahi=ahi, events=events,
        reasons=frozenset({"hypertension"} if reason else ()),
    )  # fmt: skip
    assert sleep.judge(story).met == met


@pytest.mark.parametrize("exclusion", ["pacemaker", "pregnant", "recent_mri", "work_injury", "fracture_suspected"])
def test_an_exclusion_outweighs_every_met_criterion(exclusion: str) -> None:
    story = a_lumbar_story("conservative_care")
    assert lumbar.judge(story).met
    assert not lumbar.judge(replace(story, exclusion=exclusion)).met


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_whatever_is_imagined_can_be_judged_and_written(seed: int) -> None:
    for service, module in (("lumbar", lumbar), ("knee", knee), ("sleep", sleep)):
        story = module.imagine(stream(seed), PERSON, VISIT)
        assert module.judge(story).met in (True, False)
        for bank in ("seen", "unseen"):
            drafts = module.write(stream(seed), load_bank(service, bank), PERSON, story, "Diagnosis")  # type: ignore[arg-type]  # names of banks
            assert drafts
            assert all(draft.date <= VISIT + timedelta(days=1) for draft in drafts)
