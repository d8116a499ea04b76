"""What keeps a request from the fast lane although it is no criterion: unreadable documents, another person's documents,
a missing side, a diagnosis that does not fit, text copied from the policy. Any doubt is a nurse's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from importlib import resources

import yaml

from features.assertion import Target, packaged_engine
from features.dates import age_on
from features.durations import to_days
from features.laterality import find_laterality
from features.lexicon import load_lexicon
from features.policy import CoveragePolicy
from features.request import READABLE_CONTENT_TYPE
from features.sections import find_sections
from features.sentences import split_sentences
from features.tokens import Tokens, tokenize
from features.types import AuthorizationRequest, CriterionResult, Document, Fact, Guard, Laterality, Status

MOST_CHARACTERS = 2_000_000
"""A document longer than this is left to a nurse unread: about 1,000 pages."""

_FEWEST_WORDS = 3
_JUDGED_CHARACTERS = 50_000
"""So much of a document shows which language it is in. The words of longer ones are not kept for a second look."""
_AGE = re.compile(
    r"(?<![\d./:-])\b(?P<years>\d{1,3})"
    r"(?:[ -]?(?:y/?o\b|y\.\s?o\.|y(?:ea)?rs?\.?[ -]?old\b)|[ -]?(?:y(?:ea)?rs?\.?|y)?[ ,/]{0,2}(?=(?-i:[MF])\b(?![/'\d])))"
    r"(?:[ ,/-]*(?:[a-z-]+[ ,]+){0,3}?(?P<sex>(?:male|female|man|woman|gentleman|lady|boy|girl)\b|(?-i:[MF])\b(?![/'])))?"
    r"|\bage[d]?(?:\s?/\s?sex)?(?P<mark>(?: is)?\s?[:=]\s?|(?: is)? )(?P<stated>\d{1,3})\b"
    r"(?! *(?:-|to|or|and over|years ago))",
    re.IGNORECASE,
)
_OPENS = re.compile(
    r"(?:^|[.:;!?|\n(]|\b(?:patient|pt|member|mr|mrs|ms|dr)\b\.?(?:[ ]\w+\.?)?,?)"
    r"[ \t]*(?:(?:is|was|with|a|an|this|the|our|very|pleasant|delightful|lovely)[ \t]+){0,4}$",
    re.IGNORECASE,
)
"""What stands before the age of the person a note is about: nothing, a heading, "Patient is a"."""
_PERSON = re.compile(r"[ ,-]*(?:[a-z-]+[ ,]+){0,3}?(?:patient|pt|individual|person)\b", re.IGNORECASE)
_AT_AN_AGE = re.compile(
    r"(?:\b(?:at|since|from|until|till|by|before|after|onset|over|under|around|about|between|beyond|past|of|the)"
    r"|[<>=~\u2264\u2265])(?: the)? *$",
    re.IGNORECASE,
)
"""What stands before an age at which something happened: "since age 11", "onset age 19"."""
_POINTS = 3
"""Scores give points for age ("age 1, BP 1" of the ABCD2), so an "age" as small is not an adult's."""
_HERE = re.compile(r"[ ,]+(?:w/|with\b|who\b|here\b|present|seen\b|c/o|p/w|s/p|hx\b|h/o|complain)", re.IGNORECASE)
_SEX = re.compile(r"\b(?:sex|gender)\s*[:=]\s*(?P<sex>male|female|m|f)\b", re.IGNORECASE)
_BIRTH = re.compile(
    r"\b(?:d\.?o\.?b\.?|date of birth|birth ?date|born)\b\s*(?:on|is)?\s*[:=]?\s*"
    r"(?:(?P<month>\d{1,2})[/-](?P<day>\d{1,2})[/-](?P<year>\d{4}|\d{2})\b|(?P<iso>\d{4}-\d{2}-\d{2}))",
    re.IGNORECASE,
)
_FEMALE = frozenset({"female", "f", "woman", "lady", "girl"})
_CHILD = frozenset({"boy", "girl"})
_RELATIVES = (
    r"mother|father|sister|brother|son|daughter|wife|husband|spouse|aunt|uncle|cousin|grand\w+|child|children|parent"
    r"|partner"
)
_FAMILY_BEFORE = re.compile(
    rf"\b(?:{_RELATIVES})"
    r"(?:'s)?\W+(?:\w+\W+){0,4}$",
    re.IGNORECASE,
)
_FAMILY_AFTER = re.compile(rf"\W{{0,3}}(?:[a-z-]+\s){{0,2}}?(?:{_RELATIVES})\b", re.IGNORECASE)
_SIDE_OF_CODE = re.compile(r"\b(RT|LT|RIGHT|LEFT|BILATERAL)\b", re.IGNORECASE)

_COPIED_WORDS = 9
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\ufffd]")
_PAGE = re.compile(r"\bpage\s{1,3}(?P<page>\d{1,3})\s{1,3}of\s{1,3}(?P<of>\d{1,3})\b", re.IGNORECASE)
_MOST_PAGES = 999
_MOST_RUNS = 8


@dataclass(frozen=True, slots=True)
class _Readability:
    english: frozenset[str]
    other_languages: frozenset[str]
    coverage_voice: tuple[str, ...]


@cache
def _readability() -> _Readability:
    data = yaml.safe_load((resources.files("features") / "lexicon" / "readability.yaml").read_bytes())
    return _Readability(
        frozenset(data["english"].split()), frozenset(data["other_languages"].split()), tuple(data["coverage_voice"])
    )


def requested_side(request: AuthorizationRequest) -> Laterality | None:
    """The side the request asks for, from the service's and the diagnoses' words and the diagnosis codes' last digits.

    None where it names none, or where it names two different ones.
    """
    named = _sides(request.service.description)
    if _both(named):
        return "bilateral"
    for diagnosis in request.diagnoses:
        named |= _sides(diagnosis.description)
    return named.pop() if len(named) == 1 else None


def _sides(words: str | None) -> set[Laterality]:
    """The sides a description names, in words or in the short forms of code lists."""
    if not words:
        return set()
    sides = {mention.side for mention in find_laterality(words)}
    for match in _SIDE_OF_CODE.finditer(words):
        word = match.group(1).lower()
        sides.add("right" if word.startswith("r") else "left" if word.startswith("l") else "bilateral")
    return sides


def _both(sides: set[Laterality]) -> bool:
    """Whether a service described so is asked for on both sides; its diagnoses may then name either."""
    return "bilateral" in sides or {"left", "right"} <= sides


def sides_disagree(request: AuthorizationRequest) -> bool:
    """Whether service and diagnoses name different sides."""
    if _both(_sides(request.service.description)):
        return False
    named = {
        mention.side
        for words in [request.service.description, *(d.description for d in request.diagnoses)]
        for mention in find_laterality(words or "")
    }
    return len(named) > 1


def unreadable(document: Document, tokens: Tokens | None = None) -> str | None:
    """Why a document cannot be read by a machine, in words; None where it can. ``tokens`` are its own, where known."""
    if document.unread is not None:
        return document.unread
    if document.content_type != READABLE_CONTENT_TYPE and document.read_by is None:
        return "is not plain text"
    text = document.text
    if len(text) > MOST_CHARACTERS:
        return "is too long to be read at once"
    visible = sum(map(len, text[:20_000].split()))
    if visible == 0:
        return "is empty"
    control = len(_CONTROL.findall(text[:20_000]))
    if control > visible * 0.02 + 2:
        return "holds control characters instead of text"
    if tokens is None:
        tokens = tokenize(text[:_JUDGED_CHARACTERS])
    letters = list(filter(str.isalpha, tokens.words))
    if len(letters) < _FEWEST_WORDS:
        return "holds hardly a word"
    known = _readability()
    english = sum(map(known.english.__contains__, letters))
    foreign = sum(map(known.other_languages.__contains__, letters))
    latin = sum(map(str.isascii, letters))
    if (foreign > english and foreign >= 4) or latin < len(letters) * 0.6:
        return "seems to be in another language than English"
    return None


def missing_pages(document: Document) -> tuple[int, ...]:
    """The pages a document says it has ("Page 1 of 3") and does not hold, in order."""
    named = [(int(match["page"]), int(match["of"])) for match in _PAGE.finditer(document.text)]
    last = max((of for _, of in named), default=0)
    return tuple(sorted(set(range(1, min(last, _MOST_PAGES) + 1)) - {page for page, _ in named}))


def _reading_guards(request: AuthorizationRequest, tokens: Sequence[Tokens | None]) -> Iterable[Guard]:
    for document, its_tokens in zip(request.documents, tokens, strict=True):
        why = unreadable(document, its_tokens)
        if why is not None:
            yield Guard("unreadable_document", f"Document {document.document_id} {why}.")
        elif missing := missing_pages(document):
            pages = ", ".join(str(page) for page in missing[:5])
            yield Guard("missing_pages", f"Document {document.document_id} says it has more pages; missing: {pages}.")
        yield from _file_guards(document)


def _file_guards(document: Document) -> Iterable[Guard]:
    """What the reader of the file was in doubt about."""
    name = f"Document {document.document_id}"
    if document.unread_pages and document.unread is None:
        yield Guard(
            "unreadable_document", f"{name} could not be read in full: {pages_in_words(document.unread_pages)}."
        )
    if document.recognized_pages and not document.trusts_recognition:
        pages = pages_in_words(document.recognized_pages)
        yield Guard("recognized_text", f"{name} is a picture of text, which a machine may misread: {pages}.")
    for problem in document.problems:
        yield Guard(problem.code, f"{name} {problem.message}.")


def pages_in_words(pages: Sequence[int]) -> str:
    """Page numbers from 1, runs of them as a range: "pages 1-300", "page 3", "pages 2, 5-7 and others"."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], page]
        else:
            runs.append([page])
    words = ", ".join("-".join(map(str, run)) for run in runs[:_MOST_RUNS])
    return f"page{'s' if len(pages) > 1 else ''} {words}{' and others' if len(runs) > _MOST_RUNS else ''}"


def about_someone_else(document: Document, request: AuthorizationRequest) -> str | None:
    """What in the document contradicts the member ("age", "birth date", "sex"), None where nothing does.

    Ages of relatives ("her 70-year-old mother") and ages at which something happened ("diabetes since age 11") do not
    count; where a note says the member's age, nor does another one that it gives no person for ("can't lift a 2 y/o").
    """
    text = document.text[:MOST_CHARACTERS]
    birth = request.member.birth_date
    for match in _BIRTH.finditer(text):
        stated = _birth_date(match)
        if stated is not None and stated != birth:
            return "birth date"
    ages = [match for match in _AGE.finditer(text) if _may_be_the_patients(match, text)]
    latest = max(request.received_at.date(), document.date or date.min)
    expected = {age_on(birth, document.date or latest), age_on(birth, latest)}
    if not all(_fits(match, expected) and not _other_sex(match, request) for match in ages):
        # Whose ages they are, and of when, matters only where one of them is not the member's.
        own = _own_ages(ages, text)
        fitting = [match for match in own if _fits(match, expected)]
        for match in own:
            if match not in fitting and _years(match) > 0 and (not fitting or _names_the_patient(match, text)):
                return "age"
            if _other_sex(match, request) and (match in fitting or not fitting):
                return "sex"
    for match in _SEX.finditer(text):
        if _contradicts(match["sex"], request):
            return "sex"
    return None


def _own_ages(ages: Sequence[re.Match[str]], text: str) -> list[re.Match[str]]:
    """The ages that are neither a relative's nor of the past."""
    tokens = tokenize(text)
    targets = [Target(match.start(), match.end(), "finding") for match in ages]
    assertions = packaged_engine().assess_targets(tokens, split_sentences(text), find_sections(tokens), targets)
    return [age for age, stated in zip(ages, assertions, strict=True) if not (stated.family or stated.historical)]


def _fits(match: re.Match[str], expected: set[int]) -> bool:
    return any(abs(_years(match) - age) <= 1 for age in expected)


def _other_sex(match: re.Match[str], request: AuthorizationRequest) -> bool:
    return bool(match["sex"]) and _contradicts(match["sex"], request)


def _years(match: re.Match[str]) -> int:
    return int(match["years"] or match["stated"])


def _may_be_the_patients(match: re.Match[str], text: str) -> bool:
    """Whether an age may be the age of the person the document is about, not a relative's, a temperature or a score."""
    before = text[max(0, match.start() - 60) : match.start()]
    if _FAMILY_BEFORE.search(before) or _FAMILY_AFTER.match(text, match.end()):
        return False
    if match["stated"]:
        return int(match["stated"]) > _POINTS and (_labelled(match) or not _AT_AN_AGE.search(before))
    said = match[0].lower()
    if "y" in said.removesuffix(match["sex"] or ""):
        return True
    if _OPENS.search(before):
        return True
    # Elsewhere "290 M" is a distance, "6M" may be months and "98 F" a temperature.
    return " " not in said and _HERE.match(text, match.end()) is not None


def _labelled(match: re.Match[str]) -> bool:
    return bool(match["mark"]) and match["mark"].strip()[-1:] in (":", "=")


def _names_the_patient(match: re.Match[str], text: str) -> bool:
    """Whether an age is said of the person the document is about: with a sex, as a heading or where a note begins."""
    if (match["sex"] and match["sex"].lower() not in _CHILD) or _labelled(match) or _PERSON.match(text, match.end()):
        return True
    return bool(match["years"]) and _OPENS.search(text[max(0, match.start() - 60) : match.start()]) is not None


def _contradicts(word: str, request: AuthorizationRequest) -> bool:
    stated = "female" if word.lower() in _FEMALE else "male"
    return request.member.sex != "unknown" and stated != request.member.sex


def _birth_date(match: re.Match[str]) -> date | None:
    try:
        if match["iso"]:
            return date.fromisoformat(match["iso"])
        year = int(match["year"])
        if year < 100:
            year += 2000 if year <= 26 else 1900
        return date(year, int(match["month"]), int(match["day"]))
    except ValueError:
        return None


def copied_from_policy(document: Document, policy: CoveragePolicy, tokens: Tokens | None = None) -> bool:
    """Whether the document repeats a criterion of the policy word for word: such words prove nothing.

    ``tokens`` are the document's, where they are known.
    """
    return not _runs_of_policy(policy).isdisjoint(_runs(tokenize(document.text) if tokens is None else tokens))


@lru_cache(maxsize=256)
def _runs_of_policy(policy: CoveragePolicy) -> frozenset[tuple[str, ...]]:
    return frozenset(run for node in policy.criteria.walk() for run in _runs(tokenize(node.statement)))


def _runs(tokens: Tokens) -> Iterator[tuple[str, ...]]:
    """Every run of so many words that two texts hardly share by chance."""
    words = tokens.words
    return (words[start : start + _COPIED_WORDS] for start in range(len(words) - _COPIED_WORDS + 1))


def _quotes_coverage_rules(document: Document) -> bool:
    """Whether the document speaks in the voice of a coverage rule ("must have", "is covered when") more than of a patient."""
    words = document.text.lower()
    return sum(words.count(mark) for mark in _readability().coverage_voice) >= 2


def request_guards(
    request: AuthorizationRequest,
    policy: CoveragePolicy | None,
    criteria: Sequence[CriterionResult],
    facts: Sequence[Fact],
) -> tuple[Guard, ...]:
    """Every guard that holds this request back, in a fixed order."""
    tokens = [
        tokenize(document.text) if len(document.text) <= _JUDGED_CHARACTERS else None for document in request.documents
    ]
    guards = list(_reading_guards(request, tokens))
    for document in request.documents:
        what = about_someone_else(document, request)
        if what is not None:
            guards.append(
                Guard(
                    "document_about_someone_else", f"The {what} in document {document.document_id} is not the member's."
                )
            )
    if request.coverage.status == "inactive":
        guards.append(Guard("coverage_inactive", "The member's coverage is not active."))
    if policy is None:
        guards.append(Guard("no_policy", "No coverage policy covers this service on this date."))
        return tuple(guards)
    guards += _scope_guards(request, policy)
    guards += _side_guards(request, policy, criteria, facts)
    guards += _region_guards(policy, facts)
    guards += _diagnosis_guards(request, policy, facts)
    guards += _age_guards(request, policy)
    for document, its_tokens in zip(request.documents, tokens, strict=True):
        if copied_from_policy(document, policy, its_tokens) or _quotes_coverage_rules(document):
            guards.append(
                Guard(
                    "copied_policy_text",
                    f"Document {document.document_id} repeats coverage criteria instead of findings.",
                )
            )
    return tuple(guards)


def _scope_guards(request: AuthorizationRequest, policy: CoveragePolicy) -> Iterable[Guard]:
    if request.review_type not in policy.review_types:
        yield Guard("review_type", f"The policy is not written for {request.review_type} review.")
    age = age_on(request.member.birth_date, request.received_at.date())
    if not policy.age.min <= age <= policy.age.max:
        yield Guard("age_outside_policy", "The member's age is outside what the policy is written for.")
    if (request.service.units or 1) > policy.most_units:
        yield Guard("units", "More units are asked for than the policy speaks of.")
    if not any(policy.supports(diagnosis) for diagnosis in request.diagnoses):
        yield Guard(
            "diagnosis_not_listed", "No diagnosis on the request is one the policy lists as supporting the service."
        )


def _side_guards(
    request: AuthorizationRequest, policy: CoveragePolicy, criteria: Sequence[CriterionResult], facts: Sequence[Fact]
) -> Iterable[Guard]:
    if not policy.side_required:
        return
    side = requested_side(request)
    if side is None:
        words = "names different sides" if sides_disagree(request) else "does not name a side"
        yield Guard("side_unclear", f"The request {words}.")
        return
    shown = {fact_id for result in criteria if result.status is Status.MET for fact_id in result.evidence}
    sided = [fact for fact in facts if fact.fact_id in shown and fact.laterality is not None]
    regional = [
        fact
        for fact in facts
        if fact.region in policy.regions
        and fact.laterality not in (None, "bilateral")
        and fact.assertion.is_patients_own
    ]
    other = [fact for fact in regional if fact.laterality != side]
    if len(other) * 2 > len(regional):
        yield Guard(
            "wrong_side",
            f"Most findings are on the other side than the requested {side} one.",
            tuple(fact.fact_id for fact in other),
        )
    elif not sided:
        yield Guard("side_unclear", f"The notes do not say that the findings are on the requested {side} side.")


def _region_guards(policy: CoveragePolicy, facts: Sequence[Fact]) -> Iterable[Guard]:
    """Notes that speak of other parts of the body only are not about what is asked for."""
    placed = [fact for fact in facts if fact.region is not None and fact.assertion.is_patients_own]
    if policy.regions and placed and not any(fact.region in policy.regions for fact in placed):
        yield Guard(
            "wrong_body_part",
            "The notes speak of another part of the body than the one the service is for.",
            tuple(fact.fact_id for fact in placed),
        )


def _diagnosis_guards(request: AuthorizationRequest, policy: CoveragePolicy, facts: Sequence[Fact]) -> Iterable[Guard]:
    own = {fact.concept for fact in facts if fact.assertion.is_patients_own}
    if policy.condition and not own & set(policy.condition):
        yield Guard("diagnosis_not_in_notes", "The notes do not show the diagnosis the service is asked for.")
        return
    for diagnosis in request.diagnoses:
        if not policy.diagnoses or not policy.supports(diagnosis):
            continue
        code = diagnosis.code.upper().replace(".", "")
        coded = _coded_concepts()
        concepts = {concept for end in range(1, len(code) + 1) for concept in coded.get(code[:end], ())}
        spoken = [fact for fact in facts if fact.concept in concepts]
        suspected = policy.suspected and any(_suspected(fact) for fact in spoken)
        if spoken and not concepts & own and not suspected:
            yield Guard(
                "diagnosis_not_supported",
                "The notes mention a diagnosis of the request only as absent, uncertain or a relative's.",
                tuple(fact.fact_id for fact in spoken),
            )


@cache
def _coded_concepts() -> Mapping[str, tuple[str, ...]]:
    """The concepts of the packaged lexicon that have an ICD-10-CM code, by that code without its dot."""
    coded: dict[str, tuple[str, ...]] = {}
    for concept in load_lexicon().concepts.values():
        code = concept.codes.get("icd10cm", "").replace(".", "")
        if code:
            coded[code] = (*coded.get(code, ()), concept.concept_id)
    return coded


def _suspected(fact: Fact) -> bool:
    return fact.assertion.uncertain and not fact.assertion.negated and not fact.assertion.family


def _age_guards(request: AuthorizationRequest, policy: CoveragePolicy) -> Iterable[Guard]:
    dates = [document.date for document in request.documents if document.date is not None]
    limit = to_days(policy.newest_within.value, policy.newest_within.unit)
    if dates and (request.received_at.date() - max(dates)).days > limit:
        yield Guard("documents_too_old", "The newest document is older than the policy allows.")
