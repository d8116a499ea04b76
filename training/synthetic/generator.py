"""Cases: a person, a story, the documents about it, the request that brings them, and what a nurse would decide.

Case ``i`` of ``seed`` is the same to the byte on every machine, whatever is generated before it and by however many
processes: each case has random streams of its own. Members are split once and for all, so nobody stands on both sides.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, partial
from random import Random
from typing import Any

from features.policy import CoveragePolicy, load_policies
from training.config import (
    DISAGREEMENT,
    LEARNING_STORIES,
    SPLIT_SHARES,
    STORIES,
    Disagreement,
    Split,
    StoryShares,
)
from training.synthetic.documents import Draft, Packet, sided, write
from training.synthetic.service import BankName, Service, ServiceError, Sex, load_services
from training.synthetic.story import Judgement, Person, Story, imagine, judge, pick, visit_day
from training.synthetic.writing import TYPOS

_CHUNK = 100
_SECOND_REQUESTS = 10
"""Every so manieth case is a second request of the member before it."""
_PERSONS = 40
_OLDEST = 92


@dataclass(frozen=True, slots=True)
class Beyond:
    """A reason beyond the criteria: its share of all requests, and whether the request itself shows it."""

    share: float
    readable: bool


BEYOND_CRITERIA: dict[str, Beyond] = {
    "other_persons_document": Beyond(0.012, readable=True),
    "coverage_inactive": Beyond(0.008, readable=True),
    "missing_pages": Beyond(0.004, readable=True),
    "too_many_units": Beyond(0.003, readable=True),
    "unlisted_diagnosis": Beyond(0.003, readable=True),
    "duplicate": Beyond(0.0005, readable=False),
    "out_of_network": Beyond(0.0005, readable=False),
    "units_beyond_notes": Beyond(0.0005, readable=False),
}
"""Reasons a nurse has that no criterion names. Those not readable are what no reading of this request alone can catch."""


@dataclass(frozen=True, slots=True)
class SyntheticCase:
    """A generated request with what is known about it.

    ``request`` follows the contract. ``label`` is 1 where a nurse approves as requested, asking for nothing more, and 0
    where the request needs a person. ``scenario`` names the pathway and what fails on it, ``states`` every element's
    state, ``leaves`` what that makes of each leaf of the policy, ``beyond`` the reason beyond criteria.
    """

    request: dict[str, Any]
    label: int
    split: Split
    service: str
    scenario: str
    beyond: str
    meets_policy: bool
    near_threshold: bool
    pathway: str
    states: Mapping[str, str]
    leaves: Mapping[str, str]
    exclusion: str | None

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
                "pathway": self.pathway,
                "states": dict(self.states),
                "leaves": dict(self.leaves),
                "exclusion": self.exclusion,
            },
            sort_keys=True,
            ensure_ascii=False,
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What may be changed about generated cases. ``learning`` are the stories of the train split, ``stories`` those of every
    other; ``services``: only these, all where empty."""

    disagreement: Disagreement = DISAGREEMENT
    stories: StoryShares = STORIES
    learning: StoryShares = LEARNING_STORIES
    typos: float = TYPOS
    services: tuple[str, ...] = ()


DEFAULT = Settings()


@dataclass(frozen=True, slots=True)
class Telling:
    """A story with its policy, its judgement and its packet, before it becomes a request."""

    story: Story
    policy: CoveragePolicy
    judgement: Judgement
    packet: Packet


def generate(n: int, seed: int, settings: Settings = DEFAULT, *, processes: int = 1) -> Iterator[SyntheticCase]:
    """Cases 0 to ``n`` - 1 of ``seed``, in order."""
    if processes <= 1:
        for index in range(n):
            yield generate_case(index, seed, settings)
        return
    for chunk in _in_processes(partial(_cases, n=n, seed=seed, settings=settings), n, processes):
        yield from chunk


def generate_lines(n: int, seed: int, settings: Settings = DEFAULT, *, processes: int = 1) -> Iterator[list[str]]:
    """The same as JSON lines, some at a time: what a file of cases is written from."""
    write_chunk = partial(_lines, n=n, seed=seed, settings=settings)
    if processes <= 1:
        yield from map(write_chunk, range(0, n, _CHUNK))
    else:
        yield from _in_processes(write_chunk, n, processes)


def _in_processes(work: Any, n: int, processes: int) -> Iterator[Any]:
    # Spawned, not forked: a progress bar's thread runs beside, and a fork would copy its locks.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, range(0, n, _CHUNK))


def _cases(first: int, *, n: int, seed: int, settings: Settings) -> list[SyntheticCase]:
    return [generate_case(index, seed, settings) for index in range(first, min(first + _CHUNK, n))]


def _lines(first: int, *, n: int, seed: int, settings: Settings) -> list[str]:
    return [case.to_json() for case in _cases(first, n=n, seed=seed, settings=settings)]


def generate_case(index: int, seed: int, settings: Settings = DEFAULT) -> SyntheticCase:
    """Case ``index`` of ``seed``. Raises ServiceError where a service has no policy."""
    second = index % _SECOND_REQUESTS == _SECOND_REQUESTS - 1
    member_index = index - 1 if second else index
    of_member = _stream(seed, "member", member_index)
    split = _split(of_member)
    first_service = pick(_stream(seed, "service", member_index), service_shares(settings.services))
    person = draw_person(of_member, load_services()[first_service])
    service_id, beyond = first_service, _beyond(_stream(seed, "beyond", index), second=second)
    random = _stream(seed, "case", index)
    if second:
        if beyond == "duplicate":
            return _duplicate(generate_case(member_index, seed, settings), index, seed)
        service_id = _further_service(_stream(seed, "service", index), first_service, person, settings.services)
    telling = tell(random, service_id, person, split, settings)
    while not telling.packet.spoken:
        # Nobody sends a request without a note.
        telling = tell(random, service_id, person, split, settings)
    return build_case(random, index, seed, member_index, telling, beyond, split, settings.disagreement)


def build_case(
    random: Random,
    index: int,
    seed: int,
    member_index: int,
    telling: Telling,
    beyond: str,
    split: Split,
    disagreement: Disagreement = DISAGREEMENT,
) -> SyntheticCase:
    """The request that brings a story's packet, with its label."""
    story, policy, judgement = telling.story, telling.policy, telling.judgement
    if beyond == "unlisted_diagnosis" and not policy.diagnoses:
        beyond = "coverage_inactive"
    drafts = _headed(random, list(telling.packet.drafts), story.person, another=beyond == "other_persons_document")
    if beyond == "missing_pages":
        drafts = _cut_off(random, drafts)
    return SyntheticCase(
        request=_request(random, index, seed, member_index, telling, drafts, beyond),
        label=_decision(random, judgement, beyond, disagreement),
        split=split,
        service=story.service.policy_id,
        scenario=story.scenario,
        beyond=beyond,
        meets_policy=judgement.met,
        near_threshold=judgement.near or judgement.ambiguous,
        pathway=story.pathway,
        states=story.states,
        leaves={leaf: status.value for leaf, status in judgement.leaves.items()},
        exclusion=story.exclusion,
    )


def tell(random: Random, service_id: str, person: Person, split: Split, settings: Settings = DEFAULT) -> Telling:
    """One story of a service, judged and written. Raises ServiceError where it has no policy."""
    service, policy = load_services()[service_id], policy_of(service_id)
    visit = visit_day(random)
    # The model learns from one bank. Calibration and the threshold are for wording it has not learned from, as the
    # requests it will serve are; so they and the test are written from the other, each about members of its own.
    bank: BankName = "seen" if split == "train" else "unseen"
    shares = settings.learning if split == "train" else settings.stories
    story = imagine(random, service, policy, person, visit, bank, shares)
    return Telling(story, policy, judge(story, policy), write(random, story, bank, settings.typos))


@cache
def policy_of(service_id: str) -> CoveragePolicy:
    """The policy a service's stories are judged by. Raises ServiceError where there is none."""
    policy = load_policies().get(service_id)
    if policy is None:
        raise ServiceError(f"{service_id}.yaml: there is no policy {service_id} in features/policies")
    return policy


@cache
def service_shares(only: tuple[str, ...] = ()) -> Mapping[str, float]:
    """How often each service is requested: families in equal parts, since each has to earn a certificate of its own,
    within a family by the services' shares. Raises ServiceError for an unknown service."""
    services = load_services()
    unknown = [name for name in only if name not in services]
    if unknown:
        raise ServiceError(f"{unknown[0]}: no such service; there are {', '.join(services)}")
    chosen = {name: service for name, service in services.items() if not only or name in only}
    families: dict[str, float] = {}
    for name, service in chosen.items():
        family = policy_of(name).family
        families[family] = families.get(family, 0.0) + service.share
    return {name: service.share / families[policy_of(name).family] / len(families) for name, service in chosen.items()}


def draw_person(random: Random, service: Service) -> Person:
    """Somebody who may ask for the service."""
    policy = policy_of(service.policy_id)
    low, high = service.age or (max(policy.age.min, 1), min(policy.age.max, 88))
    low, high = max(low, policy.age.min), min(high, policy.age.max, _OLDEST)
    # As of the middle of the visits' year, a year off either end: nobody is too young on the day it counts.
    age = random.randint(low + 1, max(high - 1, low + 1))
    born = date(2026, 7, 1) - timedelta(days=age * 365 + age // 4 + random.randrange(180))
    sexes: tuple[Sex, ...] = ("female", "male") if service.sex is None else (service.sex,)
    return Person(born, random.choice(sexes))


def _stream(seed: int, what: str, index: int) -> Random:
    return Random(f"{seed}/{what}/{index}")  # noqa: S311  # reproducible cases, nothing secret


def _split(random: Random) -> Split:
    return random.choices(list(SPLIT_SHARES), weights=list(SPLIT_SHARES.values()))[0]


def _beyond(random: Random, *, second: bool) -> str:
    """A reason beyond the criteria, or ``none``. Only a member's second request can be a duplicate, so that it is one the
    more often: over all requests the share is as stated."""
    drawn = random.random()
    for name, reason in BEYOND_CRITERIA.items():
        often = 1 if name != "duplicate" else _SECOND_REQUESTS if second else 0
        drawn -= reason.share * often
        if drawn < 0:
            return name
    return "none"


def _further_service(random: Random, first: str, person: Person, only: tuple[str, ...]) -> str:
    """Another service the same member may ask for."""
    for _ in range(_PERSONS):
        name = pick(random, service_shares(only))
        service, policy = load_services()[name], policy_of(name)
        low, high = service.age or (policy.age.min, policy.age.max)
        if person.fits(date(2026, 1, 1), service.sex, (low, high)) and person.fits(
            date(2026, 12, 31), service.sex, (max(low, policy.age.min), min(high, policy.age.max))
        ):
            return name
    return first


def _duplicate(earlier: SyntheticCase, index: int, seed: int) -> SyntheticCase:
    """The same request once more under an id of its own: a nurse sees that it was already decided."""
    request = {**earlier.request, "external_id": _external_id(seed, index)}
    return replace(earlier, request=request, label=0, beyond="duplicate")


def _external_id(seed: int, index: int) -> str:
    return f"SYN-{seed}-{index:06d}"


def _decision(random: Random, judgement: Judgement, beyond: str, disagreement: Disagreement) -> int:
    """1 where a nurse approves. Reviewers differ where a number is near its threshold, hardly ever elsewhere."""
    if beyond != "none":
        return 0
    share = (
        disagreement.near if judgement.near else disagreement.ambiguous if judgement.ambiguous else disagreement.clear
    )
    differs = random.random() < share
    return int(judgement.met != differs)


def _headed(random: Random, drafts: list[Draft], person: Person, *, another: bool) -> list[Draft]:
    """Some documents state whose they are. ``another``: one of them is someone else's, and says so."""
    stray = random.randrange(len(drafts)) if another else -1
    headed = []
    for position, draft in enumerate(drafts):
        shown = person
        if position == stray:
            shown = Person(
                date(person.birth_date.year + random.choice((-14, -9, 11, 13)), random.randint(1, 12), 9),
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
            draft = replace(draft, text=f"{header}\n{draft.text}")
        headed.append(draft)
    return headed


def _cut_off(random: Random, drafts: list[Draft]) -> list[Draft]:
    """The longest document ends in the middle, with the page count saying so."""
    longest = max(range(len(drafts)), key=lambda position: len(drafts[position].text))
    text = drafts[longest].text
    kept = text[: int(len(text) * random.uniform(0.2, 0.5))] + "\nPage 1 of 2"
    return [*drafts[:longest], replace(drafts[longest], text=kept), *drafts[longest + 1 :]]


def _request(
    random: Random, index: int, seed: int, member_index: int, telling: Telling, drafts: list[Draft], beyond: str
) -> dict[str, Any]:
    story = telling.story
    days = (0, 1) if story.request.review_type == "concurrent" else (1, 4)  # a day in hospital is asked for at once
    received = datetime.combine(
        max(story.visit, *(draft.date for draft in drafts)) + timedelta(days=random.randint(*days)),
        time(random.randint(8, 17), random.randrange(60)),
        UTC,
    )
    return {
        "external_id": _external_id(seed, index),
        "review_type": story.request.review_type,
        "urgency": random.choices(("standard", "expedited"), (95, 5))[0],
        "received_at": received.isoformat().replace("+00:00", "Z"),
        "member": {
            "member_id": f"SYN-M-{seed}-{member_index:06d}",
            "birth_date": story.person.birth_date.isoformat(),
            "sex": story.person.sex,
        },
        "coverage": {
            "plan_id": f"SYN-{random.randint(1, 4)}",
            "line_of_business": random.choice(("commercial", "medicare_advantage", "medicaid")),
            "status": "inactive" if beyond == "coverage_inactive" else "active",
        },
        "service": _asked(random, telling, received.date(), beyond),
        "diagnoses": _diagnoses(story, beyond),
        "provider": {"npi": "1234567893", "specialty": random.choice(story.request.specialty)},
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


def _asked(random: Random, telling: Telling, received: date, beyond: str) -> dict[str, Any]:
    variant = telling.story.request
    units = random.randint(*variant.units) if isinstance(variant.units, tuple) else variant.units
    if beyond == "too_many_units":
        units = telling.policy.most_units + random.randint(1, 3)
    asked: dict[str, Any] = {
        "system": variant.system,
        "code": variant.code,
        "description": sided(random.choice(variant.description), telling.story.asked),
        "units": int(units) if units == int(units) else units,
    }
    if variant.place_of_service:
        asked["place_of_service"] = random.choice(variant.place_of_service)
    if variant.starts_in_days is not None:
        start = received + timedelta(days=random.randint(*variant.starts_in_days))
        asked["start_date"] = start.isoformat()
        if variant.lasts_days is not None:
            asked["end_date"] = (start + timedelta(days=random.randint(*variant.lasts_days))).isoformat()
    return asked


def _diagnoses(story: Story, beyond: str) -> list[dict[str, str]]:
    listed = (story.diagnosis, *story.diagnosis.further)
    if beyond == "unlisted_diagnosis":
        return [{"system": "ICD-10-CM", "code": "Z71.89", "description": "Other specified counseling"}]
    return [
        {
            "system": "ICD-10-CM",
            "code": sided(each.code, story.asked),
            "description": sided(each.description, story.asked),
        }
        for each in listed
    ]
