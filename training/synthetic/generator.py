"""Cases: a person, a story, the documents about it, the request that brings them, and what a nurse would decide.

Case ``i`` of ``seed`` is the same to the byte on every machine and whatever is generated before it: each case has a
random stream of its own. Its members are split once and for all, so nobody stands on both sides of a split.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from types import ModuleType
from typing import Any

from training.config import DISAGREEMENT, SPLIT_SHARES, Disagreement, Split
from training.synthetic import knee, lumbar, sleep
from training.synthetic.banks import load_bank
from training.synthetic.story import DocumentDraft, Judgement, Person, pick

# Equal parts by family rather than by service: each family has to earn a certificate of its own.
SERVICES: dict[str, float] = {"lumbar": 27, "knee": 27, "sleep": 46}

_MODULES: dict[str, ModuleType] = {"lumbar": lumbar, "knee": knee, "sleep": sleep}
_FIRST_DAY = date(2026, 1, 15)
_DAYS = 300

# Reasons beyond criteria, each with its share of all requests. Some can be read off the request (coverage, a document
# about someone else); `unseen` stands for those that cannot (out of network, benefit limit): what no reading can catch.
BEYOND_CRITERIA: dict[str, float] = {
    "none": 0.9705,
    "other_persons_document": 0.015,
    "coverage_inactive": 0.01,
    "page_cut_off": 0.003,
    "unseen": 0.0015,
}


@dataclass(frozen=True, slots=True)
class SyntheticCase:
    """A generated request with what is known about it.

    ``request`` follows contract.md. ``label`` is 1 where a nurse approves as requested, asking for nothing more, and 0
    where the request needs a person. ``scenario`` and ``beyond`` name the story and the reason beyond criteria.
    """

    request: dict[str, Any]
    label: int
    split: Split
    service: str
    scenario: str
    beyond: str
    meets_policy: bool
    near_threshold: bool

    def to_json(self) -> str:
        """One line of JSON, keys sorted, so that equal cases are equal bytes."""
        return json.dumps(
            {
                "request": self.request,
                "label": self.label,
                "split": self.split,
                "service": self.service,
                "scenario": self.scenario,
                "beyond": self.beyond,
                "meets_policy": self.meets_policy,
                "near_threshold": self.near_threshold,
            },
            sort_keys=True,
            ensure_ascii=False,
        )


def generate(n: int, seed: int, disagreement: Disagreement = DISAGREEMENT) -> Iterator[SyntheticCase]:
    """Cases 0 to ``n`` - 1 of ``seed``."""
    for index in range(n):
        yield generate_case(index, seed, disagreement)


def generate_case(index: int, seed: int, disagreement: Disagreement = DISAGREEMENT) -> SyntheticCase:
    """Case ``index`` of ``seed``."""
    # Every tenth case is a second request of the member before it.
    member_index = index - 1 if index % 10 == 9 else index
    of_member = Random(f"{seed}/member/{member_index}")  # noqa: S311  # reproducible cases, nothing secret
    person = _person(of_member)
    split = _split(of_member)
    random = Random(f"{seed}/case/{index}")  # noqa: S311  # reproducible cases, nothing secret
    service = pick(random, SERVICES)
    visit = _FIRST_DAY + timedelta(days=random.randrange(_DAYS))
    module = _MODULES[service]
    story = module.imagine(random, person, visit)
    judgement: Judgement = module.judge(story)
    beyond = pick(random, BEYOND_CRITERIA)
    bank = load_bank(service, "unseen" if split == "test" else "seen")
    code, diagnosis = _diagnosis(random, service, story)
    drafts: list[DocumentDraft] = module.write(random, bank, person, story, diagnosis)
    drafts = _headed(random, drafts, person, another=beyond == "other_persons_document")
    if beyond == "page_cut_off":
        drafts = _cut_off(random, drafts)
    label = _decision(random, judgement, beyond, disagreement)
    return SyntheticCase(
        request=_request(random, index, seed, member_index, person, service, story, drafts, (code, diagnosis), beyond),
        label=label,
        split=split,
        service=service,
        scenario=story.scenario,
        beyond=beyond,
        meets_policy=judgement.met,
        near_threshold=judgement.near or judgement.ambiguous,
    )


def _decision(random: Random, judgement: Judgement, beyond: str, disagreement: Disagreement) -> int:
    """1 where a nurse approves. Reviewers differ where a number is near its threshold, hardly ever elsewhere."""
    if beyond != "none":
        return 0
    if judgement.near:
        share = disagreement.near
    elif judgement.ambiguous:
        share = disagreement.ambiguous
    else:
        share = disagreement.clear
    differs = random.random() < share
    return int(judgement.met != differs)


def _person(random: Random) -> Person:
    born = date(1946, 1, 1) + timedelta(days=random.randrange(59 * 365))
    return Person(born, random.choice(("female", "male")))


def _split(random: Random) -> Split:
    return random.choices(list(SPLIT_SHARES), weights=list(SPLIT_SHARES.values()))[0]


def _diagnosis(random: Random, service: str, story: Any) -> tuple[str, str]:
    if service == "sleep":
        return "G47.33", "Obstructive sleep apnea (adult) (pediatric)"
    if service == "lumbar":
        if story.leg_pain:
            return "M54.16", "Radiculopathy, lumbar region"
        return "M54.50", "Low back pain, unspecified"
    left = story.asked == "left"
    if story.injury is not None:
        return f"S83.9{2 if left else 1}XA", f"Sprain of unspecified site of {story.asked} knee, initial encounter"
    return random.choice(
        (
            ("M25.562" if left else "M25.561", f"Pain in {story.asked} knee"),
            ("M23.92" if left else "M23.91", f"Unspecified internal derangement of {story.asked} knee"),
        )
    )


def _headed(random: Random, drafts: list[DocumentDraft], person: Person, *, another: bool) -> list[DocumentDraft]:
    """Some documents state whose they are. ``another``: one of them is someone else's, and says so."""
    stray = random.randrange(len(drafts)) if another else -1
    headed = []
    for position, draft in enumerate(drafts):
        shown = person
        if position == stray:
            shown = Person(
                date(person.birth_date.year + random.choice((-31, -22, 14, 19)), random.randint(1, 12), 9),
                "male" if person.sex == "female" else "female",
            )
        if position == stray or random.random() < 0.2:
            born, sex = shown.birth_date, "F" if shown.sex == "female" else "M"
            header = random.choice(
                (
                    f"DOB: {born.month:02d}/{born.day:02d}/{born.year}  Sex: {sex}",
                    f"Date of birth {born.isoformat()}, {shown.sex}",
                    f"Patient DOB: {born.month}/{born.day}/{born.year}   Sex: {sex}   Age: {shown.age_on(draft.date)}",
                )
            )
            draft = DocumentDraft(draft.type, draft.date, f"{header}\n{draft.text}")
        headed.append(draft)
    return headed


def _cut_off(random: Random, drafts: list[DocumentDraft]) -> list[DocumentDraft]:
    """The longest document ends in the middle, with the page count saying so."""
    longest = max(range(len(drafts)), key=lambda position: len(drafts[position].text))
    text = drafts[longest].text
    kept = text[: int(len(text) * random.uniform(0.2, 0.5))] + "\nPage 1 of 2"
    draft = DocumentDraft(drafts[longest].type, drafts[longest].date, kept)
    return [*drafts[:longest], draft, *drafts[longest + 1 :]]


def _request(
    random: Random,
    index: int,
    seed: int,
    member_index: int,
    person: Person,
    service: str,
    story: Any,
    drafts: list[DocumentDraft],
    diagnosis: tuple[str, str],
    beyond: str,
) -> dict[str, Any]:
    received = datetime.combine(
        story.visit + timedelta(days=random.randint(1, 5)), time(random.randint(8, 17), random.randrange(60)), UTC
    )
    asked: dict[str, Any] = {
        "lumbar": {"system": "CPT", "code": "72148", "description": "MRI lumbar spine without contrast"},
        "sleep": {"system": "HCPCS", "code": "E0601", "description": "CPAP device, initial"},
    }.get(service) or {
        "system": "CPT",
        "code": "73721",
        "description": f"MRI {story.asked} knee without contrast",
    }
    return {
        "external_id": f"SYN-{seed}-{index:06d}",
        "review_type": "prospective",
        "urgency": random.choices(("standard", "expedited"), (95, 5))[0],
        "received_at": received.isoformat().replace("+00:00", "Z"),
        "member": {
            "member_id": f"SYN-M-{seed}-{member_index:06d}",
            "birth_date": person.birth_date.isoformat(),
            "sex": person.sex,
        },
        "coverage": {
            "plan_id": f"SYN-{random.randint(1, 4)}",
            "line_of_business": random.choice(("commercial", "medicare_advantage", "medicaid")),
            "status": "inactive" if beyond == "coverage_inactive" else "active",
        },
        "service": {**asked, "units": 1},
        "diagnoses": [{"system": "ICD-10-CM", "code": diagnosis[0], "description": diagnosis[1]}],
        "provider": {"npi": "1234567893", "specialty": random.choice(("family medicine", "internal medicine"))},
        "documents": [
            {
                "document_id": f"d{number}",
                "type": draft.type,
                "date": draft.date.isoformat(),
                "content_type": "text/plain",
                "text": draft.text,
            }
            for number, draft in enumerate(drafts, start=1)
        ],
    }
