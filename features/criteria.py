"""Facts held against a coverage policy: four values, the facts behind each, and one plain sentence.

``not_documented`` is not ``not_met``: the first has no evidence that decides, the second has evidence against.
``conflicting`` wins over everything: documents that contradict each other are for a human.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import IntEnum

from features.authors import authors_of
from features.dates import age_on
from features.doses import DRUG_DOSE
from features.durations import to_days
from features.lexicon import Lexicon
from features.policy import Comparison, CoveragePolicy, Criterion, Evidence, HumanReview, Role, Span
from features.spine_levels import SpineLevels, find_levels
from features.types import AuthorizationRequest, Course, CriterionResult, Document, Fact, Guard, Laterality, Status

_TOOK_PLACE = frozenset({Course.COMPLETED, Course.ONGOING, Course.FAILED, Course.NOT_TOLERATED, Course.STATED})
_WITHOUT_SIDE = frozenset({"record", "plan"})
"""What the notes record or plan is no part of the body: a side that its document speaks of does not set two of it apart."""
_ABBREVIATION = 4
"""Names of measurements so short are abbreviations: AHI, BMI."""
_PLANNING_SECTIONS = frozenset({"plan", "assessment_and_plan", "orders", "procedures"})
_SLACK_DAYS = 2.0
"""A "two-month" course counted in weeks, or a day lost between first and last visit, is no reason to ask."""


class _Says(IntEnum):
    """What one fact says about a leaf, the later ones weaker: only the strongest of a group is reported."""

    SUPPORTS = 0
    DENIES = 1
    AGAINST = 2
    INCOMPLETE = 3


@dataclass(frozen=True, slots=True)
class _Finding:
    fact: Fact
    says: _Says
    why: str


@dataclass(frozen=True, slots=True)
class Context:
    """What evaluation needs besides the facts: the request's day, side, levels of the spine, documents, names of concepts."""

    day: date
    side: Laterality | None
    documents: Mapping[str, Document]
    names: Mapping[str, str]
    age: int | None = None
    last_day: date | None = None
    levels: frozenset[int] = frozenset()
    authors: dict[str, frozenset[Role]] = field(default_factory=dict)
    spines: dict[str, SpineLevels] = field(default_factory=dict)
    plans: dict[tuple[str, ...], tuple[frozenset[int], frozenset[Laterality]]] = field(default_factory=dict)

    def roles(self, document: Document) -> frozenset[Role]:
        """Who signed a document, read once."""
        if document.document_id not in self.authors:
            self.authors[document.document_id] = authors_of(document)
        return self.authors[document.document_id]

    def levels_of(self, fact: Fact) -> frozenset[int] | None:
        """At which levels of the spine a fact is; None where its document does not say."""
        if fact.document_id not in self.spines:
            self.spines[fact.document_id] = SpineLevels(self.documents[fact.document_id].text)
        return self.spines[fact.document_id].of(fact.start, fact.end)

    def when(self, fact: Fact) -> date | None:
        """The day a fact speaks for: its own date, the end of its period, else its document's date."""
        document = self.documents[fact.document_id].date
        if fact.course is Course.ONGOING and fact.ended is None:
            return document
        return fact.ended or fact.date or document

    def newest_day(self, types: Sequence[str]) -> date | None:
        """The day of the newest document of these types (of any type where none is named), the request's day at most."""
        days = (document.date for document in self.documents.values() if not types or document.type in types)
        return max((day for day in days if day is not None and day <= self.day), default=None)

    def name(self, concept: str) -> str:
        """A concept in words."""
        words = self.names.get(concept, concept.replace("_", " "))
        return words.upper() if len(words) <= _ABBREVIATION else words


def context_of(request: AuthorizationRequest, side: Laterality | None, lexicon: Lexicon) -> Context:
    """The evaluation context of a request; ``side`` is the side it asks for, where it names one."""
    return Context(
        day=request.received_at.date(),
        side=side,
        documents={document.document_id: document for document in request.documents},
        levels=frozenset(
            space
            for words in [request.service.description, *(d.description for d in request.diagnoses)]
            for mention in find_levels(words or "")
            for space in mention.spaces
        ),
        names=lexicon.names,
        last_day=max(
            request.service.end_date or request.service.start_date or request.received_at.date(),
            request.received_at.date(),
        ),
        age=age_on(request.member.birth_date, request.received_at.date()),
    )


def evaluate(policy: CoveragePolicy, facts: Sequence[Fact], context: Context) -> tuple[CriterionResult, ...]:
    """The result of every node of the policy's tree, parents before children."""
    results = _evaluate(policy.criteria, None, _by_concept(facts), context)
    return tuple(_needed(results, policy.criteria))


def human_review(policy: CoveragePolicy, facts: Sequence[Fact], context: Context) -> tuple[Guard, ...]:
    """A guard for every exclusion of the policy that a fact shows. Uncertain or planned counts: any doubt is a human's."""
    by_concept = _by_concept(facts)
    guards = []
    for item in policy.human_review:
        shown = _shown(item, by_concept, context)
        if shown:
            guards.append(Guard("human_must_look", f"{item.statement}.", tuple(fact.fact_id for fact in shown)))
    return tuple(guards)


def _by_concept(facts: Sequence[Fact]) -> dict[str, list[Fact]]:
    grouped: dict[str, list[Fact]] = {}
    for fact in facts:
        grouped.setdefault(fact.concept, []).append(fact)
    return grouped


def _shown(item: HumanReview, by_concept: Mapping[str, Sequence[Fact]], context: Context) -> list[Fact]:
    spoken = _facts(item.evidence, by_concept)
    if not spoken:
        return []
    if item.unless is not None:
        settled = _together(_findings(item.unless, context, by_concept), item.unless, context)
        if any(finding.says is _Says.SUPPORTS for finding in settled):
            return []
    shown = []
    for fact in spoken:
        flags = fact.assertion
        if flags.family or flags.negated or fact.context == "limit":
            continue
        planned = Course.PLANNED in item.evidence.courses
        if flags.hypothetical and not planned and fact.category not in ("plan", "record", "problem"):
            continue
        flags = replace(flags, uncertain=False, hypothetical=False)
        if not flags.negated and _past_by_heading_alone(fact):
            flags = replace(flags, historical=False)
        doubted = replace(fact, assertion=flags)
        if fact.category == "treatment" and fact.course is None:
            doubted = replace(doubted, course=Course.STATED)
        elif planned and fact.course is Course.PLANNED:
            doubted = replace(doubted, course=_counted_course(item.evidence))
        if _judge(doubted, item.evidence, context, by_concept).says is _Says.SUPPORTS:
            shown.append(fact)
    return shown if _occurrences(shown, context) >= item.evidence.times else []


def _past_by_heading_alone(fact: Fact) -> bool:
    """Whether nothing but a list of past illnesses says that a problem is past: most of what stands there has not ended."""
    past = [cue for cue in fact.assertion.cues if cue.flag == "historical"]
    return fact.category == "problem" and bool(past) and all(cue.rule.startswith("section ") for cue in past)


def _counted_course(evidence: Evidence) -> Course:
    """A course that counts for ``evidence`` and is no plan, for a treatment that counts although it is one."""
    return next((course for course in evidence.courses if course is not Course.PLANNED), Course.STATED)


def _occurrences(facts: Sequence[Fact], context: Context) -> int:
    """How often something happened: on different days or with different values.

    A value without a date of its own that another document gives again is the same value, told twice.
    """
    days: dict[tuple[str, object], set[date | None]] = {}
    for fact in facts:
        day = fact.date if fact.category == "measurement" else context.when(fact)
        days.setdefault((fact.concept, fact.value), set()).add(day)
    return sum(len(known - {None}) or 1 for known in days.values())


def _facts(evidence: Evidence, by_concept: Mapping[str, Sequence[Fact]]) -> list[Fact]:
    return [fact for concept in evidence.concepts for fact in by_concept.get(concept, ())]


def _evaluate(
    node: Criterion, parent: str | None, by_concept: Mapping[str, Sequence[Fact]], context: Context
) -> list[CriterionResult]:
    if node.evidence is not None:
        return [_leaf(node, node.evidence, parent, by_concept, context)]
    if node.human is not None:
        return [_left_to_a_person(node, node.human, parent)]
    below: list[CriterionResult] = []
    heads: list[CriterionResult] = []
    for child in node.children:
        results = _evaluate(child, node.id, by_concept, context)
        heads.append(results[0])
        below += results
    return [_inner(node, parent, heads), *below]


def combine_statuses(policy: CoveragePolicy, leaves: Mapping[str, Status]) -> Status:
    """What the policy's tree comes to when its leaves have these statuses; a leaf not named is not documented."""
    return _combined(policy.criteria, leaves)


def _combined(node: Criterion, leaves: Mapping[str, Status]) -> Status:
    if node.is_leaf:
        return leaves.get(node.id, Status.NOT_DOCUMENTED)
    return _combine(node, [_combined(child, leaves) for child in node.children])


def _left_to_a_person(node: Criterion, why: str, parent: str | None) -> CriterionResult:
    return CriterionResult(
        criterion_id=node.id,
        statement=node.statement,
        status=Status.NOT_DOCUMENTED,
        parent=parent,
        explanation=f"A nurse decides this: {why}",
        decided_by=node.id,
        ask=node.ask,
    )


def _inner(node: Criterion, parent: str | None, children: Sequence[CriterionResult]) -> CriterionResult:
    status = _combine(node, [child.status for child in children])
    deciding = _deciding(node, status, children)
    evidence = tuple(dict.fromkeys(fact for child in deciding for fact in child.evidence))
    first = deciding[0] if deciding else children[0]
    return CriterionResult(
        criterion_id=node.id,
        statement=node.statement,
        status=status,
        evidence=evidence,
        parent=parent,
        explanation=_inner_sentence(node, status, children, first),
        decided_by=first.decided_by,
    )


def _combine(node: Criterion, statuses: Sequence[Status]) -> Status:
    if Status.CONFLICTING in statuses:
        return Status.CONFLICTING
    if node.none_of is not None:
        flipped = {Status.MET: Status.NOT_MET, Status.NOT_MET: Status.MET}
        return flipped.get(statuses[0], statuses[0])
    needed = len(statuses) if node.all_of else (node.at_least or 1)
    met = statuses.count(Status.MET)
    if met >= needed:
        return Status.MET
    possible = met + statuses.count(Status.NOT_DOCUMENTED)
    return Status.NOT_DOCUMENTED if possible >= needed else Status.NOT_MET


def _deciding(node: Criterion, status: Status, children: Sequence[CriterionResult]) -> list[CriterionResult]:
    if node.none_of is not None:
        return list(children)
    same = [child for child in children if child.status is status]
    if node.all_of and status is not Status.MET:
        return same[:1]
    return same


def _inner_sentence(
    node: Criterion, status: Status, children: Sequence[CriterionResult], first: CriterionResult
) -> str:
    met = sum(child.status is Status.MET for child in children)
    if status is Status.CONFLICTING:
        return f"The documents contradict each other: {first.statement[0].lower()}{first.statement[1:]}."
    if node.all_of:
        return f"{met} of {len(children)} parts are met." if met < len(children) else "Every part is met."
    if node.none_of is not None:
        return first.explanation
    if status is Status.MET:
        return f"Shown by: {first.statement[0].lower()}{first.statement[1:]}."
    return f"{met} of {node.at_least or 1} needed is met; {len(children)} ways to show it."


def _leaf(
    node: Criterion, evidence: Evidence, parent: str | None, by_concept: Mapping[str, Sequence[Fact]], context: Context
) -> CriterionResult:
    findings = _findings(evidence, context, by_concept)
    if findings:
        findings = _together(findings, evidence, context)
    supporting = [f for f in findings if f.says is _Says.SUPPORTS]
    contradicted, clean = _opposed(supporting, findings, context)
    if evidence.contradiction == "none":
        contradicted, clean = [], supporting
    if contradicted and (evidence.contradiction == "any" or not clean):
        status = Status.CONFLICTING
        shown = [finding for pair in contradicted for finding in pair]
        sentence = f"The documents contradict each other about {context.name(shown[0].fact.concept)}."
    elif clean:
        status, shown = Status.MET, clean
        sentence = clean[0].why
    else:
        against = [f for f in findings if f.says in (_Says.DENIES, _Says.AGAINST)]
        shown = against or findings
        status = Status.NOT_MET if against else Status.NOT_DOCUMENTED
        sentence = shown[0].why if shown else f"Nothing about {_listed(evidence.concepts, context)} was found."
    return CriterionResult(
        criterion_id=node.id,
        statement=node.statement,
        status=status,
        evidence=tuple(dict.fromkeys(finding.fact.fact_id for finding in shown)),
        parent=parent,
        explanation=sentence,
        decided_by=node.id,
        ask=node.ask,
    )


def _opposed(
    supporting: Sequence[_Finding], findings: Sequence[_Finding], context: Context
) -> tuple[list[tuple[_Finding, _Finding]], list[_Finding]]:
    """Each supporting finding with each that contradicts it, and those that nothing contradicts.

    Findings that say the same are compared once: a note may repeat itself a thousand times.
    """
    opposing = list({_content(f.fact): f for f in findings if f.says in (_Says.DENIES, _Says.AGAINST)}.values())
    if not opposing:
        return [], list(supporting)
    known: dict[tuple[object, ...], list[_Finding]] = {}
    contradicted, clean = [], []
    for finding in supporting:
        content = _content(finding.fact)
        if content not in known:
            known[content] = [other for other in opposing if _contradict(finding, other, context)]
        contradicted += [(finding, other) for other in known[content]]
        if not known[content]:
            clean.append(finding)
    return contradicted, clean


def _findings(evidence: Evidence, context: Context, by_concept: Mapping[str, Sequence[Fact]]) -> list[_Finding]:
    """What each fact says. Facts that say the same are judged once: a note may repeat itself a thousand times."""
    judged: dict[tuple[object, ...], _Finding] = {}
    findings = []
    for fact in _facts(evidence, by_concept):
        if fact.assertion.family or fact.context == "limit":
            continue
        content = (_content(fact), context.levels_of(fact) if evidence.same_level else None)
        if content not in judged:
            judged[content] = _judge(fact, evidence, context, by_concept)
        findings.append(_Finding(fact, judged[content].says, judged[content].why))
    return findings


def _together(findings: list[_Finding], evidence: Evidence, context: Context) -> list[_Finding]:
    """The findings after what only several facts together can show: lengths summed, repetition, a value that moved."""
    supporting = [finding for finding in findings if finding.says is _Says.SUPPORTS]
    if not supporting:
        return findings
    if evidence.lasting is not None and evidence.lasting.counted == "summed":
        needed = to_days(evidence.lasting.value, evidence.lasting.unit)
        days = _summed([finding.fact for finding in supporting])
        enough = days + _SLACK_DAYS >= needed
        name = context.name(supporting[0].fact.concept)
        why = f"{_spell(days)} of {name} in all documented, {_spell(needed)} needed."
        findings = _said(findings, _Says.SUPPORTS if enough else _Says.AGAINST, why)
    if evidence.times > 1:
        count = _occurrences([finding.fact for finding in supporting], context)
        if count < evidence.times:
            name = context.name(supporting[0].fact.concept)
            why = f"{name[0].upper()}{name[1:]} is documented {count} of {evidence.times} times needed."
            findings = _said(findings, _Says.INCOMPLETE, why)
    if evidence.change is not None:
        findings = _changed(findings, evidence, evidence.change, context)
    return findings


def _said(findings: Sequence[_Finding], says: _Says, why: str) -> list[_Finding]:
    return [replace(f, says=says, why=why) if f.says is _Says.SUPPORTS else f for f in findings]


def _summed(facts: Sequence[Fact]) -> float:
    """Days in all: stretches with dates by the calendar, each day once; where there are none, those without dates."""
    covered: set[int] = set()
    undated: dict[tuple[str, float], float] = {}
    for fact in facts:
        days = length_in_days(fact)
        if days is None:
            continue
        if fact.began and fact.ended and fact.ended > fact.began:
            covered.update(range(fact.began.toordinal(), fact.ended.toordinal()))
        else:
            undated[fact.concept, days] = days
    # A stretch without dates may be one of those with dates told again, so it counts only where there are none.
    return float(len(covered)) if covered else sum(undated.values())


def _changed(findings: Sequence[_Finding], evidence: Evidence, limit: Comparison, context: Context) -> list[_Finding]:
    """Whether a measurement moved as far as needed, from its first value to its present one, the same side throughout.

    ``within`` is asked of the present value only.
    """
    measured: dict[str, list[_Finding]] = {}
    for finding in findings:
        a_number = isinstance(finding.fact.value, float | int) and finding.fact.unit == limit.unit
        if finding.says is _Says.SUPPORTS and a_number:
            measured.setdefault(finding.fact.concept, []).append(finding)
    series: dict[tuple[str, str | None, str | None], list[_Finding]] = {}
    for concept, found in measured.items():
        # Where one side or one part of the body is named, values that name none are of it.
        sides = {finding.fact.laterality for finding in found} - {None}
        regions = {finding.fact.region for finding in found} - {None}
        for finding in found:
            side = finding.fact.laterality if len(sides) > 1 else None
            region = finding.fact.region if len(regions) > 1 else None
            series.setdefault((concept, side, region), []).append(finding)
    pairs = [pair for found in series.values() for pair in _pairs(found, context)]
    if not pairs:
        return _said(findings, _Says.INCOMPLETE, "Only one value is documented; an earlier and a later one are needed.")
    if evidence.within is not None:
        recent = [pair for pair in pairs if _age(pair[1].fact, context) <= _latest(evidence.within)]
        if not recent:
            why = "The last value is from too long before the request."
            return _said(findings, _Says.AGAINST, why)
        pairs = recent
    first, last = max(pairs, key=lambda pair: (_far_enough(pair, limit), abs(_moved(pair))))
    name = context.name(first.fact.concept)
    values = f"{_number(first.fact):g} to {_number(last.fact):g}"
    why = f"{name[0].upper()}{name[1:]} went from {values}; a change of {limit.op} {limit.value:g} is needed."
    says = _Says.SUPPORTS if _far_enough((first, last), limit) else _Says.AGAINST
    # The other values of a series that moved far enough show it as well: one note may tell what another does.
    shown = [first, last]
    if says is _Says.SUPPORTS:
        shown += [one for one in measured[first.fact.concept] if one is not first and one is not last]
    return [replace(finding, says=says, why=why) for finding in shown]


def _far_enough(pair: tuple[_Finding, _Finding], limit: Comparison) -> bool:
    return _holds(_moved(pair), limit.op, limit.value)


def _moved(pair: tuple[_Finding, _Finding]) -> float:
    return _number(pair[1].fact) - _number(pair[0].fact)


def _age(fact: Fact, context: Context) -> float:
    when = context.when(fact)
    return float("inf") if when is None else (context.day - when).days


def _pairs(found: Sequence[_Finding], context: Context) -> list[tuple[_Finding, _Finding]]:
    """A first and a present value of one series, at most one pair for each present value.

    The present values are those of the latest day that the note does not call earlier ones. Each is held against the
    earlier value that stands nearest in its own document, else against the values of the first day, where those are the
    same kind of value (at worst, at best): with several of them the one that moved least, for which muscle or which
    posture they are of is not known. Two values of one day, neither called earlier, show no change.
    """
    present = [finding for finding in found if not _earlier_value(finding.fact)]
    latest = max((context.when(finding.fact) or date.min for finding in present), default=None)
    present = [finding for finding in present if (context.when(finding.fact) or date.min) == latest]
    pairs = _beside(found, present)
    days = sorted({day for f in found if (day := context.when(f.fact)) is not None and latest and day < latest})
    if not days:
        return pairs
    for kind in {finding.fact.context for finding in present}:
        then = [f for f in found if context.when(f.fact) == days[0] and f.fact.context in (kind, "earlier")]
        now = [finding for finding in present if finding.fact.context == kind]
        if then and now:
            pairs.append(_closest(then, now))
    return pairs


def _beside(found: Sequence[_Finding], present: Sequence[_Finding]) -> list[tuple[_Finding, _Finding]]:
    """Each present value with the earlier one of its own document that stands nearest to it, the first of several."""
    by_document: dict[str, list[_Finding]] = {}
    for finding in sorted(present, key=lambda one: one.fact.start):
        by_document.setdefault(finding.fact.document_id, []).append(finding)
    beside: dict[str, tuple[_Finding, _Finding]] = {}
    for finding in sorted(found, key=lambda one: one.fact.start):
        there = by_document.get(finding.fact.document_id, [])
        if there and _earlier_value(finding.fact):
            place = bisect_left(there, finding.fact.start, key=lambda one: one.fact.start)
            near = there[max(place - 1, 0) : place + 1]
            nearest = min(near, key=lambda one: abs(one.fact.start - finding.fact.start))
            beside.setdefault(nearest.fact.fact_id, (finding, nearest))
    return list(beside.values())


def _closest(then: Sequence[_Finding], now: Sequence[_Finding]) -> tuple[_Finding, _Finding]:
    """Of an earlier and a later day's values those two that differ least."""
    ordered = sorted(now, key=lambda one: _number(one.fact))
    pairs = []
    for finding in then:
        place = bisect_left(ordered, _number(finding.fact), key=lambda one: _number(one.fact))
        pairs += [(finding, other) for other in ordered[max(place - 1, 0) : place + 1]]
    return min(pairs, key=lambda pair: abs(_moved(pair)))


def _earlier_value(fact: Fact) -> bool:
    return fact.context == "earlier" or fact.assertion.historical


def _number(fact: Fact) -> float:
    return float(fact.value) if isinstance(fact.value, float | int) else 0.0


def _content(fact: Fact) -> tuple[object, ...]:
    """What a fact says, without where it stands and in which words: equal for facts that say the same."""
    flags = fact.assertion
    return (
        *(
            fact.concept,
            fact.category,
            fact.document_id,
            fact.section,
            fact.value,
            fact.unit,
            fact.date,
            fact.laterality,
        ),
        *(fact.region, fact.course, fact.context, fact.began, fact.ended),
        *(flags.negated, flags.uncertain, flags.historical, flags.hypothetical, flags.family),
    )


def _listed(concepts: Sequence[str], context: Context) -> str:
    names = [context.name(concept) for concept in concepts[:3]]
    more = ", ..." if len(concepts) > len(names) else ""
    return f"{', '.join(names)}{more}"


def _listed_roles(roles: Sequence[Role]) -> str:
    return " or ".join(f"the {role.replace('_', ' ')}" for role in roles)


def _judge(fact: Fact, evidence: Evidence, context: Context, by_concept: Mapping[str, Sequence[Fact]]) -> _Finding:
    """What one fact says about a leaf, with the sentence that says why."""
    name = context.name(fact.concept)
    name = name[0].upper() + name[1:]
    flags = fact.assertion
    document = context.documents[fact.document_id]
    limits = evidence.member_age
    if limits is not None and (context.age is None or not limits.min <= context.age <= limits.max):
        return _Finding(fact, _Says.INCOMPLETE, f"{name} counts only at another age than the member's.")
    if evidence.same_side and context.side and fact.laterality not in (None, "bilateral", context.side):
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented for the {fact.laterality} side only.")
    elsewhere = _other_level(fact, evidence, context, by_concept) if evidence.same_level else None
    if elsewhere is not None and not (flags.negated and context.levels_of(fact) is None):
        # "No listhesis", said of no level, is said of all.
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented{elsewhere}.")
    region = fact.region or (_region_elsewhere(fact, by_concept) if evidence.regions else None)
    if evidence.regions and region is not None and region not in evidence.regions:
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented for another part of the body ({region}).")
    if evidence.document_types and document.type not in evidence.document_types:
        return _Finding(
            fact, _Says.INCOMPLETE, f"{name} stands in a document where it does not count ({document.type})."
        )
    if evidence.sections and fact.section not in evidence.sections:
        return _Finding(fact, _Says.INCOMPLETE, f"{name} stands in a section where it does not count ({fact.section}).")
    if evidence.by and not context.roles(document) & frozenset(evidence.by):
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is not documented by {_listed_roles(evidence.by)}.")
    if flags.negated and flags.historical:
        return _Finding(fact, _Says.INCOMPLETE, f"The notes say there was no {context.name(fact.concept)} in the past.")
    if flags.negated and fact.value == "negative":
        return _Finding(fact, _Says.DENIES, f"{name} is negative.")
    if flags.negated:
        return _Finding(fact, _Says.DENIES, f"The notes say there is no {context.name(fact.concept)}.")
    if flags.hypothetical or fact.course is Course.PLANNED:
        return _Finding(fact, _Says.AGAINST, f"{name} is only planned or conditional.")
    if flags.uncertain:
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is only suspected.")
    if fact.context == "earlier" and not (evidence.historical or evidence.earlier or evidence.change):
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented as an earlier value, not as the present one.")
    if flags.historical and not (evidence.historical or evidence.change):
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented as past, not as present.")
    if evidence.earlier and not (flags.historical or _before_its_document(fact, document)):
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is not said to lie in the past.")
    if evidence.positive and fact.value != "positive":
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is named without a positive result.")
    for judgement in (_treatment, _value, _length, _time, _order):
        finding = judgement(fact, evidence, context, by_concept, name)
        if finding is not None:
            return finding
    return _Finding(fact, _Says.SUPPORTS, _supporting(fact, evidence, context, name))


def _other_level(
    fact: Fact, evidence: Evidence, context: Context, by_concept: Mapping[str, Sequence[Fact]]
) -> str | None:
    """Why a fact is not at the level that is to be treated; None where it is."""
    plan = context.plans.get(evidence.same_level)
    if plan is None:
        planned = [f for concept in evidence.same_level for f in by_concept.get(concept, ()) if _is_planned(f, context)]
        levels = frozenset(space for f in planned for space in context.levels_of(f) or ())
        plan = (context.levels or levels, frozenset(f.laterality for f in planned if f.laterality is not None))
        context.plans[evidence.same_level] = plan
    wanted, sides = plan
    if fact.laterality in ("left", "right") and sides and not sides & {fact.laterality, "bilateral"}:
        return f" for the {fact.laterality} side only"
    if not wanted:
        return ", but not which level of the spine is to be treated"
    own = context.levels_of(fact)
    if own is None:
        return " without the level of the spine"
    return None if own & wanted else " at another level of the spine"


def _is_planned(fact: Fact, context: Context) -> bool:
    """Whether a procedure is spoken of as one to come."""
    flags = fact.assertion
    if flags.negated or flags.historical or flags.family or fact.course in (Course.COMPLETED, Course.FAILED):
        return False
    if fact.date is not None and fact.date < context.day and not flags.hypothetical:
        return False
    if context.documents[fact.document_id].type == "order":
        return True
    return flags.hypothetical or fact.course is Course.PLANNED or fact.section in _PLANNING_SECTIONS


def _region_elsewhere(fact: Fact, by_concept: Mapping[str, Sequence[Fact]]) -> str | None:
    """The part of the body of the same treatment where another document says it of the same episode."""
    if fact.category != "treatment":
        return None
    regions = {
        other.region
        for other in by_concept.get(fact.concept, ())
        if other.region is not None and other.assertion.is_patients_own and _same_episode(fact, other)
    }
    return regions.pop() if len(regions) == 1 else None


def _same_episode(one: Fact, other: Fact) -> bool:
    """By when they ended; where one has no dates, by how long they took ("7 weeks of PT per chart")."""
    ends = [fact.ended or fact.date for fact in (one, other)]
    if ends[0] is not None and ends[1] is not None:
        return abs((ends[0] - ends[1]).days) <= 21
    lengths = [length_in_days(fact) for fact in (one, other)]
    return lengths[0] is not None and lengths[1] is not None and abs(lengths[0] - lengths[1]) <= 14


def _before_its_document(fact: Fact, document: Document) -> bool:
    when = fact.ended or fact.date
    return when is not None and document.date is not None and when < document.date


def _treatment(
    fact: Fact, evidence: Evidence, context: Context, by_concept: Mapping[str, Sequence[Fact]], name: str
) -> _Finding | None:
    if fact.category != "treatment" or fact.course in (frozenset(evidence.courses) or _TOOK_PLACE):
        return None
    if fact.course is None:
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is mentioned, but not that it took place.")
    return _Finding(fact, _Says.AGAINST, f"{name}: {fact.course.value.replace('_', ' ')}.")


def _value(
    fact: Fact, evidence: Evidence, context: Context, by_concept: Mapping[str, Sequence[Fact]], name: str
) -> _Finding | None:
    if evidence.contexts and fact.category == "measurement" and fact.context not in evidence.contexts:
        wanted = " or ".join(word.replace("_", " ") for word in evidence.contexts)
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented, but not as {wanted}.")
    for limit in evidence.compared:
        if not isinstance(fact.value, float | int) or fact.unit != limit.unit:
            return _Finding(fact, _Says.INCOMPLETE, f"{name} has no value in {limit.unit}.")
        if not _holds(float(fact.value), limit.op, limit.value):
            return _Finding(fact, _Says.AGAINST, f"{name} is {fact.value:g}; {limit.op} {limit.value:g} is needed.")
    return None


def _holds(value: float, op: str, limit: float) -> bool:
    return {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[op]


def length_in_days(fact: Fact) -> float | None:
    """How long something lasted: by its dates, else as the notes say; None where neither tells."""
    if fact.began and fact.ended and fact.ended > fact.began:
        return float((fact.ended - fact.began).days)
    if isinstance(fact.value, float | int) and fact.unit in ("d", "wk", "mo", "a", "h"):
        return to_days(float(fact.value), fact.unit)
    return None


def _length(
    fact: Fact, evidence: Evidence, context: Context, by_concept: Mapping[str, Sequence[Fact]], name: str
) -> _Finding | None:
    if evidence.lasting is None:
        return None
    days = length_in_days(fact)
    if days is None:
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented without how long.")
    if evidence.lasting.counted == "summed":
        return None
    needed = to_days(evidence.lasting.value, evidence.lasting.unit)
    if days + _SLACK_DAYS < needed:
        return _Finding(fact, _Says.AGAINST, f"{_spell(days)} of {name.lower()} documented, {_spell(needed)} needed.")
    return None


def _time(
    fact: Fact, evidence: Evidence, context: Context, by_concept: Mapping[str, Sequence[Fact]], name: str
) -> _Finding | None:
    document = context.documents[fact.document_id]
    if evidence.dated and not (fact.date or fact.began or fact.ended or document.type == "therapy_note"):
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented without a date.")
    if evidence.in_force:
        if fact.ended is None:
            return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented without its end.")
        if fact.ended < (context.last_day or context.day):
            return _Finding(
                fact, _Says.AGAINST, f"{name} ended on {fact.ended.isoformat()}, before the last day asked for."
            )
    if evidence.onset_within is not None:
        onset = _onset(fact, document)
        if onset is None:
            return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented without a date.")
        if (context.day - onset).days > _latest(evidence.onset_within):
            return _Finding(fact, _Says.AGAINST, f"{name} is from {onset.isoformat()}, too long before the request.")
    if evidence.newest:
        newest, said = context.newest_day(evidence.document_types), context.when(fact)
        if newest is None or said is None or said < newest or fact.context == "arrival":
            when_said = (
                "of the arrival"
                if fact.context == "arrival"
                else f"from {said.isoformat() if said else 'a day not told'}"
            )
            return _Finding(fact, _Says.INCOMPLETE, f"{name} is {when_said}, not of the newest day.")
    if evidence.within is None and evidence.beyond is None:
        return None
    when = context.when(fact)
    if when is None:
        return _Finding(fact, _Says.INCOMPLETE, f"{name} is in a document without a date.")
    age = (context.day - when).days
    within = evidence.within if evidence.change is None else None
    if within is not None and age > _latest(within):
        return _Finding(fact, _Says.AGAINST, f"{name} is from {when.isoformat()}, too long before the request.")
    if evidence.beyond is not None and age < to_days(evidence.beyond.value, evidence.beyond.unit) - _SLACK_DAYS:
        return _Finding(fact, _Says.AGAINST, f"{name} is from {when.isoformat()}, too close to the request.")
    return None


def _latest(span: Span) -> float:
    """Days within which something must lie. A month or a week is not meant to the day; a number of days is."""
    return to_days(span.value, span.unit) + (0.0 if span.unit == "d" else _SLACK_DAYS)


def _onset(fact: Fact, document: Document) -> date | None:
    """When something began or happened: its date, else as long before its document as the note says it has lasted."""
    stated = fact.began or fact.date
    if stated is not None or document.date is None:
        return stated
    days = length_in_days(fact)
    return document.date - timedelta(days=round(days)) if days is not None else None


def _order(
    fact: Fact, evidence: Evidence, context: Context, by_concept: Mapping[str, Sequence[Fact]], name: str
) -> _Finding | None:
    when = context.documents[fact.document_id].date
    if evidence.before and fact.category == "record" and fact.date and when and fact.date < when:
        # A letter that says on which day the patient was evaluated stands for that day.
        when = fact.date
    if evidence.before:
        tests = [context.when(f) for c in evidence.before for f in by_concept.get(c, ()) if _happened(f)]
        known = [day for day in tests if day is not None]
        if not known or when is None:
            return _Finding(fact, _Says.INCOMPLETE, f"{name}: the dates that show the order of events are missing.")
        if when > max(known):
            return _Finding(fact, _Says.AGAINST, f"{name} is documented on {when.isoformat()}, after the test.")
        written = context.documents[fact.document_id].date
        if not any(when < day or (when == day and written != day) for day in known):
            return _Finding(fact, _Says.INCOMPLETE, f"{name}: no document shows it before the test.")
    if evidence.not_before_end_of:
        ends = [
            f.ended
            for c in evidence.not_before_end_of
            for f in by_concept.get(c, ())
            if f.ended and _happened(f) and f.course is not Course.PLANNED
        ]
        if when is None or (ends and when < max(ends)):
            return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented before the treatment ended.")
    if evidence.not_before:
        events = [
            day
            for c in evidence.not_before
            for f in by_concept.get(c, ())
            if (day := f.date or f.began) and _happened(f) and not f.assertion.negated
        ]
        if when is None or (events and when < max(events)):
            event = context.name(evidence.not_before[0])
            return _Finding(fact, _Says.INCOMPLETE, f"{name} is documented before the latest {event}.")
    return None


def _happened(fact: Fact) -> bool:
    return fact.assertion.is_patients_own and fact.context != "limit"


def _contradict(supporting: _Finding, other: _Finding, context: Context) -> bool:
    """Whether ``other`` says the opposite of ``supporting``: same concept, same side, not from before."""
    one, two = supporting.fact, other.fact
    if other.says not in (_Says.DENIES, _Says.AGAINST) or two.concept not in (one.concept, _drug(one)):
        return False
    sided = one.category not in _WITHOUT_SIDE
    if sided and one.laterality and two.laterality and one.laterality != two.laterality:
        return False
    if one.region and two.region and one.region != two.region:
        return False
    since, then = _since(one, context), context.when(two)
    if two.course in (Course.NOT_ATTENDED, Course.DECLINED):
        return since is None or then is None or then >= since
    if other.says is _Says.AGAINST:
        # Two values of one measurement contradict each other on one day; a later one outdates the earlier.
        measured = one.category == two.category == "measurement" and bool(two.value != one.value)
        return measured and (since is None or then is None or then >= since)
    return since is None or then is None or then >= since


def _since(fact: Fact, context: Context) -> date | None:
    """From when on a fact holds: a length of time without dates reaches back from the day it is told."""
    when, days = context.when(fact), length_in_days(fact)
    return fact.began or (when - timedelta(days=round(days)) if when is not None and days is not None else when)


def _drug(fact: Fact) -> str | None:
    """The drug a dose is of: that it is not taken contradicts its dose."""
    return fact.context if fact.concept == DRUG_DOSE else None


def _supporting(fact: Fact, evidence: Evidence, context: Context, name: str) -> str:
    days = length_in_days(fact)
    if evidence.lasting is not None and days is not None:
        period = ""
        if fact.began and fact.ended:
            period = f" ({fact.began.isoformat()} to {fact.ended.isoformat()})"
        elif fact.began:
            period = f" (since {fact.began.isoformat()})"
        needed = _spell(to_days(evidence.lasting.value, evidence.lasting.unit))
        return f"{_spell(days)} of {name.lower()} documented{period}, {needed} needed."
    if evidence.compared and isinstance(fact.value, float | int):
        limits = " and ".join(f"{limit.op} {limit.value:g}" for limit in evidence.compared)
        return f"{name} is {fact.value:g}; {limits} is needed."
    when = context.when(fact)
    if fact.began and not fact.ended:
        return f"{name} is documented (since {fact.began.isoformat()})."
    return f"{name} is documented{f' ({when.isoformat()})' if when else ''}."


def _spell(days: float) -> str:
    if days >= 365:
        return f"{days / 365.25:.1f} years".replace(".0 years", " years")
    if days >= 14:
        weeks = round(days / 7, 1)
        return f"{weeks:g} weeks"
    return f"{days:g} days"


def _needed(results: Sequence[CriterionResult], root: Criterion) -> list[CriterionResult]:
    """Mark the nodes that another branch makes unnecessary, or that belong to a branch further from being met."""
    by_id = {result.criterion_id: result for result in results}
    unneeded: set[str] = set()
    _mark(root, by_id, unneeded)
    return [_unneeded(result) if result.criterion_id in unneeded else result for result in results]


def _unneeded(result: CriterionResult) -> CriterionResult:
    """The same result, marked. Built by hand: dataclasses.replace takes ten times as long, and most of a tree is unneeded."""
    return CriterionResult(
        criterion_id=result.criterion_id,
        statement=result.statement,
        status=result.status,
        evidence=result.evidence,
        parent=result.parent,
        explanation=result.explanation,
        decided_by=result.decided_by,
        needed=False,
        ask=result.ask,
    )


def _mark(node: Criterion, by_id: Mapping[str, CriterionResult], unneeded: set[str]) -> None:
    alternatives = node.any_of or node.of
    if alternatives is not None:
        count = node.at_least or 1
        ranked = sorted(alternatives, key=lambda child: -_progress(child, by_id))
        for child in ranked[count:]:
            unneeded.update(below.id for below in child.walk())
    if node.none_of is not None and by_id[node.id].status is Status.MET:
        # That its leaf is shown not to be so is what was needed.
        unneeded.update(below.id for below in node.none_of.walk())
    for child in node.children:
        if child.id not in unneeded:
            _mark(child, by_id, unneeded)


def _progress(node: Criterion, by_id: Mapping[str, CriterionResult]) -> float:
    """How far a branch is: 2 where it is met, else the share of its parts that are met; what the notes at least speak of
    counts half, so that the branch shown as missing is the one the clinic had in mind. A single criterion that could do
    alone (a red flag) and is not met counts nothing: most notes deny red flags."""
    status = by_id[node.id].status
    if status is Status.MET:
        return 2.0
    if status is Status.CONFLICTING:
        return 1.5
    if node.is_leaf:
        return 0.5 if by_id[node.id].evidence else 0.0
    parts = [_progress(child, by_id) for child in node.children]
    if node.all_of:
        return sum(min(part, 1.0) for part in parts) / len(parts)
    return min(
        max(0.0 if child.is_leaf and part < 1 else part for child, part in zip(node.children, parts, strict=True)), 1.0
    )
