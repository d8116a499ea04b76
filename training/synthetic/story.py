"""What is true of a generated case, before anything is written about it: who, which pathway, the state of every element."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from features.criteria import combine_statuses
from features.policy import CoveragePolicy
from features.types import Status
from training.config import STORIES, StoryShares
from training.synthetic.service import ABSENT, BankName, Conditional, Diagnosis, RequestVariant, Service, Sex, need
from training.synthetic.values import Drawn, Value

_STRONGEST = (Status.CONFLICTING, Status.MET, Status.NOT_MET, Status.NOT_DOCUMENTED)
_VISITS_FROM = date(2026, 1, 15)
_VISIT_DAYS = 300
_TRIES = 12
OTHER_SIDE = "other_side_asked"
"""The name of a failure: the request names the other side than the notes."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the story is about."""

    birth_date: date
    sex: Sex

    def age_on(self, day: date) -> int:
        """Whole years on ``day``."""
        return day.year - self.birth_date.year - ((day.month, day.day) < (self.birth_date.month, self.birth_date.day))

    def fits(self, day: date, sex: Sex | None, age: tuple[int, int] | None) -> bool:
        """Whether the person is of that sex and age, both bounds included, where they are given."""
        return (sex is None or sex == self.sex) and (age is None or age[0] <= self.age_on(day) <= age[1])


@dataclass(frozen=True, slots=True)
class Story:
    """What is true. ``states`` has every element's state; ``flaws`` the elements and exclusion drawn to fail.

    ``side`` is the side of the story, ``asked`` the one the request names: usually the same.
    """

    service: Service
    pathway: str
    visit: date
    person: Person
    side: str
    asked: str
    states: Mapping[str, str]
    exclusion: str | None
    flaws: tuple[str, ...]
    edges: tuple[str, ...]
    values: Mapping[str, Drawn]
    request: RequestVariant
    diagnosis: Diagnosis

    @property
    def scenario(self) -> str:
        """The pathway, or what goes wrong on it."""
        return f"{self.pathway}: {', '.join(self.flaws)}" if self.flaws else self.pathway


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether the story meets the policy, with the status of each leaf, and how firmly reviewers would agree on it.

    ``near``: a number lies close to its threshold. ``ambiguous``: documentation a reviewer has to interpret.
    """

    met: bool
    leaves: Mapping[str, Status]
    near: bool = False
    ambiguous: bool = False


def pick(random: Random, weights: Mapping[str, float]) -> str:
    """One key, drawn by its weight."""
    return random.choices(list(weights), weights=list(weights.values()))[0]


def visit_day(random: Random) -> date:
    """The day of the visit the request comes from."""
    return _VISITS_FROM + timedelta(days=random.randrange(_VISIT_DAYS))


def holds(condition: str, states: Mapping[str, str], exclusion: str | None) -> bool:
    """Whether ``element``, ``element=state`` or an exclusion's name is true of a story."""
    name, wanted = need(condition)
    if name == exclusion:
        return True
    state = states.get(name, ABSENT)
    return state in wanted if wanted else state != ABSENT


def applies(when: Iterable[str], unless: Iterable[str], states: Mapping[str, str], exclusion: str | None) -> bool:
    """Whether any of ``when`` holds (or there is none) and none of ``unless``."""
    when = tuple(when)
    return (not when or any(holds(each, states, exclusion) for each in when)) and not any(
        holds(each, states, exclusion) for each in unless
    )


@dataclass(frozen=True, slots=True)
class _Flaw:
    element: str | None
    state: str
    weight: float


def imagine(
    random: Random,
    service: Service,
    policy: CoveragePolicy,
    person: Person,
    visit: date,
    bank: BankName,
    shares: StoryShares = STORIES,
) -> Story:
    """A story about ``person``, seen on ``visit``.

    ``shares`` decides first whether it is sound and whether an element lies where reviewers may differ, so that both
    rates are the same whatever weights a service's file gives; the weights choose among what is left.
    """
    pathway_name = pick(random, {name: pathway.weight for name, pathway in service.pathways.items()})
    pathway = service.pathways[pathway_name]
    sound = random.random() < shares.sound
    edge = random.random() < (shares.edge_when_sound if sound else shares.edge_when_not)
    two = not edge and random.random() < shares.second_flaw
    for _ in range(_TRIES):
        needed, extra, rivals = _needed(random, service, pathway_name)
        fixed, exclusion, other_side, flaws = _turns(random, service, needed, person, visit, sound, edge, two)
        # What could stand in for a failing element is not told either.
        stand_ins = {name for failed in flaws for name in rivals.get(need(failed)[0], ())}
        extra = {name: share for name, share in extra.items() if name not in stand_ins}
        states = _states(random, service, pathway_name, needed, extra, fixed, exclusion, person, visit)
        if not _consistent(service, fixed, states, exclusion):
            continue
        # Another branch may be met although this one fails; mostly another failure is looked for.
        if (
            sound
            or exclusion
            or other_side
            or combine_statuses(policy, leaf_statuses(service, states)) is not Status.MET
        ):
            break
    side = random.choice(("left", "right"))
    other = "right" if side == "left" else "left"
    asked = other if other_side else side
    values: dict[str, Drawn] = {"side": side, "other_side": other, "asked": asked}
    _draw_values(random, service, states, exclusion, visit, bank, values)
    variants = [each for each in service.requests if not each.pathways or pathway_name in each.pathways]
    variants = variants or list(service.requests)
    listed = pathway.diagnoses or service.diagnoses
    diagnoses = [each for each in listed if applies(each.when, each.unless, states, exclusion)] or list(listed)
    return Story(
        service=service,
        pathway=pathway_name,
        visit=visit,
        person=person,
        side=side,
        asked=asked,
        states=states,
        exclusion=exclusion,
        flaws=tuple(flaws),
        edges=tuple(name for name, state in states.items() if service.elements[name].state(state).edge),
        values=values,
        request=random.choices(variants, weights=[each.weight for each in variants])[0],
        diagnosis=random.choices(diagnoses, weights=[each.weight for each in diagnoses])[0],
    )


def _turns(
    random: Random,
    service: Service,
    needed: Mapping[str, tuple[str, ...]],
    person: Person,
    visit: date,
    sound: bool,
    edge: bool,
    two: bool,
) -> tuple[dict[str, str], str | None, bool, list[str]]:
    """What turns the story out of the ordinary: fixed states, an exclusion, the other side asked for; and the names of
    what fails."""
    if sound:
        ways = [
            _Flaw(element, state, service.elements[element].states[state].weight)
            for element, good in needed.items()
            for state in good
            if edge and service.elements[element].states[state].edge and _fits(service, element, state, person, visit)
        ]
        return {str(way.element): way.state for way in _draw_flaws(random, ways, 1)}, None, False, []
    ways = _flaws(service, needed, person, visit, edge=edge) or _flaws(service, needed, person, visit, edge=not edge)
    drawn = _draw_flaws(random, ways, 2 if two else 1)
    fixed = {flaw.element: flaw.state for flaw in drawn if flaw.element is not None}
    beside = [flaw.state for flaw in drawn if flaw.element is None]
    exclusion = next((name for name in beside if name != OTHER_SIDE), None)
    names = [flaw.state if flaw.element is None else f"{flaw.element}={flaw.state}" for flaw in drawn]
    return fixed, exclusion, OTHER_SIDE in beside, names


def _consistent(service: Service, fixed: Mapping[str, str], states: Mapping[str, str], exclusion: str | None) -> bool:
    """Whether the states and the exclusion that turn the story fit what else was drawn."""
    contents: list[Conditional] = [service.elements[name].state(state) for name, state in fixed.items()]
    if exclusion is not None:
        contents.append(service.exclusions[exclusion])
    return all(applies(content.when, content.unless, states, exclusion) for content in contents)


def leaf_statuses(service: Service, states: Mapping[str, str]) -> dict[str, Status]:
    """What the states make of every leaf they are about; where several are, the strongest counts."""
    leaves: dict[str, Status] = {}
    for name, state in states.items():
        element = service.elements[name]
        for leaf in element.shows:
            given = Status(element.status(state, leaf))
            leaves[leaf] = min(given, leaves.get(leaf, given), key=_STRONGEST.index)
    return leaves


def judge(story: Story, policy: CoveragePolicy) -> Judgement:
    """What a careful reviewer makes of the story under the policy's own tree.

    Where something else fails clearly, nobody differs about what lies near a threshold, so then it is not near.
    """
    service = story.service
    leaves = leaf_statuses(service, story.states)
    met = combine_statuses(policy, leaves) is Status.MET and story.exclusion is None and story.asked == story.side
    near = any(service.elements[name].state(story.states[name]).near for name in story.edges)
    ambiguous = bool(story.edges) or (
        story.exclusion is not None and service.exclusions[story.exclusion].ambiguous and len(story.flaws) == 1
    )
    firm = not met and any(_clear(service, flaw) for flaw in story.flaws)
    return Judgement(met, leaves, near=near and not firm, ambiguous=ambiguous and not firm)


def _clear(service: Service, flaw: str) -> bool:
    name, states = need(flaw)
    if name in service.exclusions:
        return not service.exclusions[name].ambiguous
    return not states or not service.elements[name].state(states[0]).edge


def _needed(
    random: Random, service: Service, pathway: str
) -> tuple[dict[str, tuple[str, ...]], dict[str, float], dict[str, set[str]]]:
    """The elements the pathway needs with the states that will do; the spare ones of its groups with how often they are
    told; and for each element the others of its group."""
    needed: dict[str, tuple[str, ...]] = {}
    extra: dict[str, float] = {}
    rivals: dict[str, set[str]] = {}
    for group in service.pathways[pathway].needs:
        chosen = set(random.sample(range(len(group.of)), group.at_least))
        names = {need(text)[0] for text in group.of}
        rivals.update({name: names - {name} for name in names})
        for position, text in enumerate(group.of):
            name, states = need(text)
            good = states or service.elements[name].good()
            if position in chosen:
                needed[name] = good
            else:
                extra[name] = group.rest
    return needed, extra, rivals


def _fits(service: Service, element: str, state: str, person: Person, visit: date) -> bool:
    content = service.elements[element].state(state)
    return person.fits(visit, content.sex, content.age)


def _flaws(
    service: Service, needed: Mapping[str, tuple[str, ...]], person: Person, visit: date, *, edge: bool
) -> list[_Flaw]:
    """Every way this story can fail: a needed element in another state, an exclusion, the other side asked for."""
    found = [
        _Flaw(element, name, state.weight)
        for element, good in needed.items()
        for name, state in service.elements[element].states.items()
        if name not in good and state.edge == edge and person.fits(visit, state.sex, state.age)
    ]
    found += [
        _Flaw(None, name, exclusion.weight)
        for name, exclusion in service.exclusions.items()
        if exclusion.ambiguous == edge and person.fits(visit, exclusion.sex, exclusion.age)
    ]
    if service.other_side_asked and not edge:
        found.append(_Flaw(None, OTHER_SIDE, service.other_side_asked))
    return found


def _draw_flaws(random: Random, ways: list[_Flaw], count: int) -> list[_Flaw]:
    drawn: list[_Flaw] = []
    for _ in range(count):
        taken = {flaw.element for flaw in drawn}
        left = [way for way in ways if way.element not in taken]
        if left:
            drawn.append(random.choices(left, weights=[way.weight for way in left])[0])
    return drawn


def _states(
    random: Random,
    service: Service,
    pathway: str,
    needed: Mapping[str, tuple[str, ...]],
    extra: Mapping[str, float],
    fixed: Mapping[str, str],
    exclusion: str | None,
    person: Person,
    visit: date,
) -> dict[str, str]:
    """A state for every element, in the file's order, so that a later one may ask what an earlier one is."""
    states: dict[str, str] = {}
    draws = service.pathways[pathway].draws
    for name, element in service.elements.items():
        if name in fixed:
            states[name] = fixed[name]
            continue
        if name in needed:
            weights = {state: element.states[state].weight for state in needed[name]}
        elif name in draws:
            weights = dict(draws[name])
        elif name in extra and random.random() < extra[name]:
            weights = {state: element.states[state].weight for state in element.good()} or dict(element.otherwise)
        else:
            weights = dict(element.otherwise)
        possible = {
            state: weight
            for state, weight in weights.items()
            if _fits(service, name, state, person, visit)
            and applies(element.state(state).when, element.state(state).unless, states, exclusion)
        }
        clear = {state: weight for state, weight in possible.items() if not element.state(state).edge}
        possible = clear or possible
        states[name] = pick(random, possible) if possible else ABSENT
    return states


def _draw_values(
    random: Random,
    service: Service,
    states: Mapping[str, str],
    exclusion: str | None,
    visit: date,
    bank: BankName,
    values: dict[str, Drawn],
) -> None:
    def draw(fields: Mapping[str, Value]) -> None:
        for field, value in fields.items():
            value.draw(field, random, visit, bank == "unseen", values)

    draw(service.fields)
    for name, state in states.items():
        if state != ABSENT:
            element = service.elements[name]
            # A state's own field stands for the element's of the same name.
            draw({**element.fields, **element.state(state).fields})
    if exclusion is not None:
        draw(service.exclusions[exclusion].fields)
