"""What the forms of a case must say: posted fields in, the content of an action out. Every problem is named at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from features.types import Service
from serving.clock_actions import GROUNDS
from serving.errors import ActionRefusedError
from serving.people import Person
from serving.work import ActionKind

Fields = Mapping[str, Sequence[str]]
"""The posted fields, each with all its values."""
Content = dict[str, object]

LONGEST_TEXT = 20_000
FEWEST_WORDS = 12
"""A specific reason cannot be said in fewer (42 CFR 438.404(b)(2), 422.568(e): the specific reasons, in plain language)."""

HOW_AGREED = {"telephone": "by telephone", "fax": "by fax", "portal": "through the portal", "letter": "by letter"}
PEER_TO_PEER = {
    "held": "offered, and the talk took place",
    "declined": "offered, and the provider declined",
    "no_answer": "offered, and the provider did not answer",
}
ASKED_BY = {"member": "the member", "physician": "a physician, or a physician supports it", "plan": "nobody: we saw it"}
"""Who asks that a request is decided faster."""
_MENTION = re.compile(r"@([\w][\w.+@-]*)")


@dataclass(frozen=True, slots=True)
class FormContext:
    """What a form is held against: the service asked for, the policy's criteria, people who may be mentioned."""

    service: Service
    criterion_ids: frozenset[str]
    new_documents: tuple[str, ...]
    people: tuple[Person, ...]
    today: date


class _Reading:
    """Reads fields and collects what is wrong with them."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self.problems: list[tuple[str, str]] = []

    def text(self, name: str, wanted: str = "", *, needed: bool = True) -> str:
        """The field with plain line ends, without white space around it."""
        values = self._fields.get(name, ())
        text = (values[0] if values else "").replace("\r\n", "\n").replace("\r", "\n").strip()
        if needed and not text:
            self.problems.append((name, wanted or "must not be empty"))
        if len(text) > LONGEST_TEXT:
            self.problems.append((name, f"must be at most {LONGEST_TEXT} characters"))
        return text

    def one_of(self, name: str, choices: Iterable[str], wanted: str) -> str:
        """The field's value, one of ``choices``."""
        text = self.text(name, wanted)
        if text and text not in set(choices):
            self.problems.append((name, wanted))
        return text

    def day(self, name: str, wanted: str = "must be a day", *, needed: bool = True) -> date | None:
        """The field as a day, None where it is empty."""
        text = self.text(name, wanted, needed=needed)
        try:
            return date.fromisoformat(text) if text else None
        except ValueError:
            self.problems.append((name, wanted))
            return None

    def several(self, name: str) -> list[str]:
        """All values of the field."""
        return list(self._fields.get(name, ()))

    def refuse(self, name: str, message: str) -> None:
        """Note a problem."""
        self.problems.append((name, message))


def content_of(kind: ActionKind, fields: Fields, context: FormContext) -> Content:
    """The content that the action is kept with. Raises ActionRefusedError naming every field that is wrong."""
    reading = _Reading(fields)
    content = _READERS[kind](reading, context)
    if reading.several("acknowledged"):
        content["acknowledged"] = list(context.new_documents)
    if reading.problems:
        raise ActionRefusedError(*reading.problems)
    return content


def mentioned(text: str, people: Iterable[Person]) -> tuple[Person, ...]:
    """Whom a note mentions: @ and a sign-in name, whatever the case. What nobody is called stays text."""
    by_name = {person.sign_in_name.casefold(): person for person in people}
    found = (by_name.get(name.rstrip(".-+@").casefold()) for name in _MENTION.findall(text))
    return tuple(dict.fromkeys(person for person in found if person is not None))


def _approved(_reading: _Reading, _context: FormContext) -> Content:
    return {}


def _modified(reading: _Reading, context: FormContext) -> Content:
    units = _fewer_units(reading, context.service)
    level = reading.text("level_of_care", needed=False)
    first, last = _shorter_span(reading, context.service)
    if units is None and not level and first is None and last is None and not reading.problems:
        reading.refuse("units", "say what is approved instead: fewer units, another level of care, or a shorter time")
    agreed_on = reading.day("agreed_on", "say on which day the provider agreed")
    if agreed_on and agreed_on > context.today:
        reading.refuse("agreed_on", "lies in the future")
    return {
        "units": units,
        "level_of_care": level or None,
        "start_date": first.isoformat() if first else None,
        "end_date": last.isoformat() if last else None,
        "agreed_by": reading.text("agreed_by", "say who agreed for the provider"),
        "agreed_on": agreed_on.isoformat() if agreed_on else None,
        "agreed_how": reading.one_of("agreed_how", HOW_AGREED, "say how the provider agreed"),
    }


def _fewer_units(reading: _Reading, service: Service) -> float | None:
    text = reading.text("units", needed=False)
    if not text:
        return None
    try:
        units = float(text)
    except ValueError:
        units = math.nan
    if not (math.isfinite(units) and units > 0):
        reading.refuse("units", "must be a number above 0")
        return None
    if service.units is not None and units >= service.units:
        reading.refuse("units", f"must be fewer than the {service.units:g} asked for")
    return units


def _shorter_span(reading: _Reading, service: Service) -> tuple[date | None, date | None]:
    first = reading.day("start_date", needed=False)
    last = reading.day("end_date", needed=False)
    if first and last and last < first:
        reading.refuse("end_date", "lies before the first day")
    if first and service.start_date and first < service.start_date:
        reading.refuse("start_date", "lies before the first day asked for")
    if last and service.end_date and last > service.end_date:
        reading.refuse("end_date", "lies after the last day asked for")
    if (first or last) and (first, last) == (service.start_date, service.end_date):
        reading.refuse("end_date", "is the time that was asked for; approve as requested instead")
    return first, last


def _information_requested(reading: _Reading, context: FormContext) -> Content:
    by = reading.day("answer_by", "say by which day the answer is needed")
    if by and by < context.today:
        reading.refuse("answer_by", "lies in the past")
    return {"letter": reading.text("letter", "write what the provider is to send"), "answer_by": str(by)}


def _referred(reading: _Reading, _context: FormContext) -> Content:
    return {"summary": reading.text("summary", "tell the medical director what to look at")}


def _reasoned(reading: _Reading, _context: FormContext) -> Content:
    return {"reason": reading.text("reason", "say why")}


def _withdrawn(reading: _Reading, _context: FormContext) -> Content:
    return {"withdrawn_by": reading.text("withdrawn_by", "say who took the request back for the provider")}


def _determined_adversely(reading: _Reading, context: FormContext) -> Content:
    reasons = reading.text("reasons", "give the specific reasons in plain language")
    if reasons and len(reasons.split()) < FEWEST_WORDS:
        reading.refuse("reasons", f"must be specific: at least {FEWEST_WORDS} words, for the member to understand")
    cited = [criterion for criterion in reading.several("criteria") if criterion in context.criterion_ids]
    guideline = reading.text("guideline", needed=False)
    if context.criterion_ids and not cited:
        reading.refuse("criteria", "choose at least one of the policy's criteria")
    elif not context.criterion_ids and not guideline:
        reading.refuse("guideline", "name the guideline: no policy was applied to this request")
    offered_on = reading.day("peer_to_peer_on", "say on which day the talk was offered")
    if offered_on and offered_on > context.today:
        reading.refuse("peer_to_peer_on", "lies in the future")
    return {
        "reasons": reasons,
        "criteria": cited,
        "guideline": guideline or None,
        "peer_to_peer": reading.one_of("peer_to_peer", PEER_TO_PEER, "say what became of the offer to talk"),
        "peer_to_peer_on": offered_on.isoformat() if offered_on else None,
    }


def _noted(reading: _Reading, context: FormContext) -> Content:
    text = reading.text("text", "write the note")
    return {"text": text, "mentions": [person.person_id for person in mentioned(text, context.people)]}


def _extended(reading: _Reading, _context: FormContext) -> Content:
    text = reading.text("days", "say by how many calendar days")
    days = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None
    if text and days is None:
        reading.refuse("days", "must be a whole number of calendar days")
    return {
        "ground": reading.one_of("ground", GROUNDS, "choose why more time is taken"),
        "days": days or 0,
        "reason": reading.text("reason", "tell the member why, in plain language"),
    }


def _made_expedited(reading: _Reading, _context: FormContext) -> Content:
    return {
        "asked_by": reading.one_of("asked_by", ASKED_BY, "say who asks"),
        "reason": reading.text("reason", "say what waiting could do to the member"),
    }


def _not_expedited(reading: _Reading, context: FormContext) -> Content:
    told_on = reading.day("told_on", "say on which day the member was told by telephone")
    if told_on and told_on > context.today:
        reading.refuse("told_on", "lies in the future")
    return {
        "asked_by": reading.one_of("asked_by", ASKED_BY, "say who asked for the expedited review"),
        "reason": reading.text("reason", "tell the member why, in plain language"),
        "told_on": str(told_on),
    }


_READERS: dict[ActionKind, Callable[[_Reading, FormContext], Content]] = {
    ActionKind.APPROVED: _approved,
    ActionKind.APPROVED_MODIFIED: _modified,
    ActionKind.INFORMATION_REQUESTED: _information_requested,
    ActionKind.REFERRED: _referred,
    ActionKind.RETURNED: _reasoned,
    ActionKind.DETERMINED_ADVERSELY: _determined_adversely,
    ActionKind.WITHDRAWN: _withdrawn,
    ActionKind.REOPENED: _reasoned,
    ActionKind.NOTED: _noted,
    ActionKind.EXTENDED: _extended,
    ActionKind.MADE_EXPEDITED: _made_expedited,
    ActionKind.NOT_EXPEDITED: _not_expedited,
}
