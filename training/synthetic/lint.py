"""What is wrong with a service's file, each problem with its place: what a writer checks before anything is generated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from importlib import resources
from random import Random

from features.criteria import combine_statuses
from features.policy import CoveragePolicy, Criterion, load_policies
from features.types import Diagnosis, Status
from training.config import StoryShares
from training.synthetic.banks import load_everyday
from training.synthetic.documents import BUILT_IN
from training.synthetic.service import ABSENT, SECTIONS, Phrases, Service, ServiceError, need, parse_service
from training.synthetic.story import imagine, judge
from training.synthetic.values import Value
from training.synthetic.writing import placeholders

_DRAWS = 60
_SHORT = 25
"""A phrase of so few characters may stand in another without being the same words."""
_NOT_WORDS = re.compile(r"\{\w+\}|\W+")
_DAY = date(2026, 8, 17)
_SOUND = StoryShares(sound=1.0, edge_when_sound=0.2)


def problems(service: Service, policy: CoveragePolicy | None) -> list[str]:
    """Every problem of the file as ``place: what``, in the order of the file; none where it can be used."""
    if policy is None:
        return [f"policy_id: there is no policy {service.policy_id} in features/policies"]
    found = [*_leaves(service, policy), *_names(service, policy), *_states(service), *_phrases(service)]
    if not found:
        found += [*_close_calls(service), *_chosen(service, policy), *_pathways(service, policy)]
    return list(dict.fromkeys(found))


def notices(service: Service, policy: CoveragePolicy) -> list[str]:
    """What a file should tell as well, but works without: leaves and flags of the policy that no story is about yet.

    A policy may gain one at any time; whether the pathways still meet it is what :func:`problems` finds.
    """
    shown = {leaf for element in service.elements.values() for leaf in element.shows}
    leaves = sorted({node.id for node in policy.criteria.walk() if node.evidence is not None} - shown)
    told = {exclusion.flag for exclusion in service.exclusions.values()}
    flags = sorted({item.id for item in policy.human_review} - told)
    return [
        *(f"elements: no element shows the leaf {leaf} of the policy" for leaf in leaves),
        *(f"exclusions: none has the flag {flag} of the policy" for flag in flags),
    ]


def _leaves(service: Service, policy: CoveragePolicy) -> Iterator[str]:
    leaves = {node.id for node in policy.criteria.walk() if node.is_leaf}
    inner = {node.id for node in policy.criteria.walk()} - leaves
    for name, element in service.elements.items():
        for leaf in element.shows:
            if leaf in inner:
                below = [node.id for node in _node(policy, leaf) if node.id in leaves]
                yield f"elements.{name}.shows: {leaf} is no leaf; the leaves below it are {', '.join(below)}"
            elif leaf not in leaves:
                yield f"elements.{name}.shows: {policy.policy_id} has no leaf {leaf}"
        for state, content in element.states.items():
            if isinstance(content.status, Mapping):
                for leaf in content.status:
                    if leaf not in element.shows:
                        yield f"elements.{name}.states.{state}.status: {leaf} is not under shows"
    flags = {item.id for item in policy.human_review}
    for name, exclusion in service.exclusions.items():
        if exclusion.flag not in flags:
            yield f"exclusions.{name}.flag: {policy.policy_id} has no human_review {exclusion.flag}"


def _node(policy: CoveragePolicy, wanted: str) -> Iterator[Criterion]:
    for node in policy.criteria.walk():
        if node.id == wanted:
            yield from node.walk()


def _names(service: Service, policy: CoveragePolicy) -> Iterator[str]:
    """Names of one part used in another: elements, states, documents, sections, pathways, codes."""
    known = list(service.elements)
    for name, element in service.elements.items():
        earlier = known[: known.index(name)]
        yield from _places(service, f"elements.{name}", element.where)
        for state in element.otherwise:
            if state != ABSENT and state not in element.states:
                yield f"elements.{name}.otherwise: there is no state {state}"
        for state, content in element.states.items():
            place = f"elements.{name}.states.{state}"
            yield from _places(service, place, content.where)
            yield from _conditions(service, f"{place}.when", (*content.when, *content.unless), earlier)
            for number, statement in enumerate(content.also):
                yield from _places(service, f"{place}.also.{number}", statement.where)
                yield from _conditions(service, f"{place}.also.{number}", (*statement.when, *statement.unless), known)
    for number, problem in enumerate(service.problem):
        yield from _conditions(service, f"problem.{number}", (*problem.when, *problem.unless), known)
        if not problem.seen:
            yield f"problem.{number}: give phrases under seen and under unseen"
    for name, exclusion in service.exclusions.items():
        yield from _places(service, f"exclusions.{name}", exclusion.where)
        if name in service.elements:
            yield f"exclusions.{name}: an element has the same name"
        yield from _conditions(service, f"exclusions.{name}", (*exclusion.when, *exclusion.unless), known)
    for number, statement in enumerate(service.harmless):
        yield from _places(service, f"harmless.{number}", statement.where)
        yield from _conditions(service, f"harmless.{number}", (*statement.when, *statement.unless), known)
    for name, pathway in service.pathways.items():
        for group in pathway.needs:
            if group.at_least > len(group.of):
                yield f"pathways.{name}.needs: at_least {group.at_least} of {len(group.of)}"
            for text in group.of:
                element_name, states = need(text)
                if element_name not in service.elements:
                    yield f"pathways.{name}.needs: there is no element {element_name}"
                    continue
                element = service.elements[element_name]
                for state in states:
                    if state not in element.states:
                        yield f"pathways.{name}.needs: {element_name} has no state {state}"
                if not states and not element.good():
                    yield f"pathways.{name}.needs: no state of {element_name} meets all it shows; say {element_name}=state"
        for element_name, weights in pathway.draws.items():
            if element_name not in service.elements:
                yield f"pathways.{name}.draws: there is no element {element_name}"
                continue
            for state in weights:
                if state != ABSENT and state not in service.elements[element_name].states:
                    yield f"pathways.{name}.draws: {element_name} has no state {state}"
        if not (pathway.diagnoses or service.diagnoses):
            yield f"pathways.{name}: give diagnoses here or for the whole service"
        for diagnosis in pathway.diagnoses:
            yield from _listed(policy, f"pathways.{name}.diagnoses", diagnosis.code)
            yield from _conditions(
                service, f"pathways.{name}.diagnoses", (*diagnosis.when, *diagnosis.unless), service.elements
            )
    for diagnosis in service.diagnoses:
        yield from _listed(policy, "diagnoses", diagnosis.code)
        yield from _conditions(service, "diagnoses", (*diagnosis.when, *diagnosis.unless), service.elements)
    codes = {(code.system, code.code.upper()) for code in policy.codes}
    for number, variant in enumerate(service.requests):
        if (variant.system, variant.code.upper()) not in codes:
            yield f"requests.{number}.code: {policy.policy_id} does not cover {variant.system} {variant.code}"
        if variant.review_type not in policy.review_types:
            yield f"requests.{number}.review_type: {policy.policy_id} is not for {variant.review_type} review"
        most = variant.units[1] if isinstance(variant.units, tuple) else variant.units
        if most > policy.most_units:
            yield f"requests.{number}.units: {most:g} are more than the policy's most_units {policy.most_units:g}"
        for pathway_name in variant.pathways:
            if pathway_name not in service.pathways:
                yield f"requests.{number}.pathways: there is no pathway {pathway_name}"
        if service.other_side_asked and not all("{side}" in text for text in variant.description):
            yield f"requests.{number}.description: other_side_asked needs a side; write {{side}}"
        if policy.side_required and not all("{side}" in text for text in variant.description):
            yield f"requests.{number}.description: the policy needs a side; write {{side}}"
    for name, kind in service.documents.items():
        if kind.date is not None and kind.date not in _every_field(service):
            yield f"documents.{name}.date: there is no field {kind.date}"


def _listed(policy: CoveragePolicy, place: str, code: str) -> Iterator[str]:
    bare = code.upper().replace(".", "").replace("{1R2L}", "1")
    if policy.diagnoses and not bare.startswith(tuple(prefix.upper().replace(".", "") for prefix in policy.diagnoses)):
        yield f"{place}: {code} is not among the policy's diagnoses"


def _places(service: Service, place: str, where: Iterable[str]) -> Iterator[str]:
    for each in where:
        document, _, section = each.partition(".")
        if document not in service.documents:
            yield f"{place}.where: there is no document {document}"
        if section not in SECTIONS:
            yield f"{place}.where: {each}: write document.section; sections are {', '.join(SECTIONS)}"


def _conditions(service: Service, place: str, conditions: Iterable[str], elements: Iterable[str]) -> Iterator[str]:
    elements = tuple(elements)
    for condition in conditions:
        name, states = need(condition)
        if name in service.exclusions and not states:
            continue
        if name not in service.elements:
            yield f"{place}: there is no element or exclusion {name}"
        elif name not in elements:
            yield f"{place}: {name} must stand before this element in the file"
        else:
            for state in states:
                if state != ABSENT and state not in service.elements[name].states:
                    yield f"{place}: {name} has no state {state}"


def _states(service: Service) -> Iterator[str]:
    for name, element in service.elements.items():
        for group, weights in (("otherwise", element.otherwise),):
            if not weights or sum(weights.values()) <= 0 or min(weights.values()) < 0:
                yield f"elements.{name}.{group}: weights must be positive"
        for state, content in element.states.items():
            place = f"elements.{name}.states.{state}"
            if state != ABSENT and not (content.seen or content.also):
                yield f"{place}: writes nothing; a state that writes nothing is called absent"
            if state == ABSENT and (content.seen or content.unseen):
                yield f"{place}: absent means that nothing is written"
    for name, pathway in service.pathways.items():
        for element_name, weights in pathway.draws.items():
            if not weights or sum(weights.values()) <= 0 or min(weights.values()) < 0:
                yield f"pathways.{name}.draws.{element_name}: weights must be positive"


def _every_field(service: Service) -> set[str]:
    parts: list[Mapping[str, Value]] = [service.fields]
    for element in service.elements.values():
        parts += [element.fields, *(state.fields for state in element.states.values())]
    parts += [exclusion.fields for exclusion in service.exclusions.values()]
    return {name for part in parts for field, value in part.items() for name in value.names(field)}


def _phrases(service: Service) -> Iterator[str]:
    common, broken = _fields("fields", service.fields, set(BUILT_IN))
    yield from broken
    shared: dict[str, dict[str, str]] = {"seen": {}, "unseen": {}}
    for place, phrases, fields in _all_phrases(service):
        known = set(common)
        for where, part in fields:
            more, broken = _fields(where, part, known)
            yield from broken
            known |= more
        if bool(phrases.seen) != bool(phrases.unseen):
            yield f"{place}: give phrases under seen and under unseen"
        for bank, listed in (("seen", phrases.seen), ("unseen", phrases.unseen)):
            for phrase in listed:
                shared[bank].setdefault(phrase.strip().lower(), place)
                try:
                    named = placeholders(phrase)
                except ValueError:
                    yield f"{place}.{bank}: a brace is left open: {phrase[:60]}"
                    continue
                if not phrase.strip():
                    yield f"{place}.{bank}: an empty phrase"
                for name in named:
                    if name.lower() not in known:
                        yield f"{place}.{bank}: {{{name}}} is no field of this state, its element or the service"
    for bank in ("seen", "unseen"):
        everyday = {phrase.lower() for listed in load_everyday(bank).phrases.values() for phrase in listed}
        other = shared["unseen" if bank == "seen" else "seen"]
        for phrase in everyday & set(other):
            yield f"{other[phrase]}: the phrase stands in the other bank of everyday.yaml: {phrase[:60]}"
    seen_words = {_words(phrase): place for phrase, place in shared["seen"].items()}
    for phrase, place in shared["unseen"].items():
        words = _words(phrase)
        if words in seen_words:
            yield f"{place}: the same phrase under seen ({seen_words[words]}): {phrase[:60]}"
        elif len(words) > _SHORT:
            within = next((where for seen, where in seen_words.items() if words in seen), None)
            if within is not None:
                yield f"{place}: the phrase is part of one under seen ({within}): {phrase[:60]}"


def _words(phrase: str) -> str:
    """A phrase without placeholders, punctuation and case: what makes two phrases the same."""
    return " ".join(_NOT_WORDS.sub(" ", phrase).split()).lower()


def _fields(place: str, fields: Mapping[str, Value], known: set[str]) -> tuple[set[str], list[str]]:
    names = set(known)
    broken: list[str] = []
    for field, value in fields.items():
        if field != field.lower() or not field.isidentifier() or len(field) < 2:
            broken.append(f"{place}.{field}: a field's name is lower case, two letters or more")
        broken += [f"{place}.{field}: there is no field {used} before it" for used in value.uses() if used not in names]
        names |= set(value.names(field))
    return names, broken


_Fields = tuple[str, Mapping[str, Value]]


def _all_phrases(service: Service) -> Iterator[tuple[str, Phrases, list[_Fields]]]:
    """Every place where phrases stand, with the fields they may use besides the service's."""
    for number, problem in enumerate(service.problem):
        yield f"problem.{number}", problem, []
    for name, element in service.elements.items():
        of_element: _Fields = (f"elements.{name}.fields", element.fields)
        for state, content in element.states.items():
            place = f"elements.{name}.states.{state}"
            of_state: _Fields = (f"{place}.fields", {**element.fields, **content.fields})
            fields = [of_state if content.fields else of_element]
            yield place, content, fields
            for number, statement in enumerate(content.also):
                yield f"{place}.also.{number}", statement, fields
    for name, exclusion in service.exclusions.items():
        yield f"exclusions.{name}", exclusion, [(f"exclusions.{name}.fields", exclusion.fields)]
        if not exclusion.seen:
            yield f"exclusions.{name}", Phrases(unseen=("{nothing_is_written}",)), []
    for number, statement in enumerate(service.harmless):
        yield f"harmless.{number}", statement, []
    for name, kind in service.documents.items():
        yield f"documents.{name}.title", kind.title, []


def _close_calls(service: Service) -> Iterator[str]:
    """Reviewers may differ about something that is met and about something that is not."""
    met = failing = False
    for pathway in service.pathways.values():
        for group in pathway.needs:
            for text in group.of:
                name, states = need(text)
                element = service.elements[name]
                good = states or element.good()
                met |= any(element.states[state].edge for state in good)
                failing |= any(content.edge for state, content in element.states.items() if state not in good)
    for missing, kind in ((not met, "a met"), (not failing, "a failing")):
        if missing:
            yield f"elements: {kind} state of a needed element should be near or ambiguous"


def _chosen(service: Service, policy: CoveragePolicy) -> Iterator[str]:
    """Where several policies share a code, the request's diagnosis must choose this one."""
    listed = [*service.diagnoses, *(each for pathway in service.pathways.values() for each in pathway.diagnoses)]
    for number, variant in enumerate(service.requests):
        sharing = load_policies().for_service(variant.system, variant.code, _DAY)
        others = [each for each in sharing if each.policy_id != policy.policy_id and each.diagnoses]
        for diagnosis in listed:
            for other in others:
                code = diagnosis.code.replace("{1r2l}", "1").replace("{1r4l}", "1")
                if other.supports(Diagnosis(system="ICD-10-CM", code=code, description=None)):
                    yield f"requests.{number}: with {diagnosis.code} the policy {other.policy_id} may be taken instead"


def _pathways(service: Service, policy: CoveragePolicy) -> Iterator[str]:
    """Every pathway, drawn sound many times, meets the policy."""
    from training.synthetic.generator import draw_person

    for name, pathway in service.pathways.items():
        alone = service.model_copy(update={"pathways": {name: pathway}})
        for number in range(_DRAWS):
            random = Random(f"{name}/{number}")  # noqa: S311  # a fixed trial, nothing secret
            person = draw_person(random, service)
            story = imagine(random, alone, policy, person, _DAY, "seen" if number % 2 else "unseen", _SOUND)
            judgement = judge(story, policy)
            if not judgement.met:
                lacking = [
                    leaf
                    for leaf in (node.id for node in policy.criteria.walk() if node.is_leaf)
                    if judgement.leaves.get(leaf) is not Status.MET and _would_help(policy, judgement.leaves, leaf)
                ]
                told = ", ".join(f"{element}={state}" for element, state in story.states.items() if state != ABSENT)
                hint = f"; it would with {' or '.join(lacking)}" if lacking else ""
                yield f"pathways.{name}: drawn sound, the policy is not met{hint} (told: {told})"
                break


def _would_help(policy: CoveragePolicy, leaves: Mapping[str, Status], leaf: str) -> bool:
    return combine_statuses(policy, {**leaves, leaf: Status.MET}) is Status.MET


def lint_files(only: tuple[str, ...] = ()) -> tuple[int, list[str], list[str]]:
    """How many packaged files were looked at, every problem, and every notice, as ``file: place: what``.

    ``only`` names the services to look at, none of them all. Raises ServiceError for a name without a file.
    """
    files = {
        entry.name.removesuffix(".yaml"): entry
        for entry in (resources.files("training.synthetic") / "services").iterdir()
        if entry.name.endswith(".yaml")
    }
    for name in only:
        if name not in files:
            raise ServiceError(f"{name}.yaml: there is no such file in training/synthetic/services")
    chosen = sorted(set(only or files))
    found: list[str] = []
    noticed: list[str] = []
    for entry in (files[name] for name in chosen):
        try:
            service = parse_service(entry.read_bytes(), entry.name)
        except ServiceError as error:
            found += str(error).splitlines()
            continue
        if entry.name != f"{service.policy_id}.yaml":
            found.append(f"{entry.name}: policy_id: the file is named after its policy, {service.policy_id}.yaml")
        policy = load_policies().get(service.policy_id)
        found += [f"{entry.name}: {problem}" for problem in problems(service, policy)]
        if policy is not None:
            noticed += [f"{entry.name}: {notice}" for notice in notices(service, policy)]
    return len(chosen), found, noticed
