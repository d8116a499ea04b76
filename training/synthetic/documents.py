"""From a story to the documents a clinic would send about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from training.synthetic.banks import Everyday, clutter, load_everyday
from training.synthetic.service import BankName, DocumentKind, Phrases
from training.synthetic.story import Person, Story, applies
from training.synthetic.values import Drawn
from training.synthetic.writing import TYPOS, Pen

MOST_DOCUMENTS = 6
_EARLIER_NOTE = 0.1
_CARRIED_FORWARD = 0.08
# Where clutter goes in a note, which bank it comes from, and how often.
_CLUTTER = (
    ("history", "old_illness", 0.6),
    ("history", "old_illness", 0.25),
    ("medications", "other_medicine", 0.35),
    ("allergies", "allergy", 0.2),
    ("social", "social", 0.4),
    ("ros", "systems", 0.3),
    ("family", "relatives", 0.3),
    ("vitals", "vitals", 0.6),
    ("exam", "heart_lungs", 0.35),
    ("plan", "filler", 0.2),
    ("plan", "closing", 0.35),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A written document before it becomes part of a request. ``kind`` is its name in the service's file."""

    kind: str
    type: str
    date: date
    text: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence with the element and state, or the exclusion, it tells."""

    about: str
    state: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Packet:
    """The documents of a request and every sentence in them that tells something of the story."""

    drafts: tuple[Draft, ...]
    spoken: tuple[Spoken, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    where: tuple[str, ...]
    phrases: tuple[str, ...]
    about: str = ""
    state: str = ""


class _Sheet:
    """One document being written: its pen, its day, its sections."""

    def __init__(self, name: str, kind: DocumentKind, day: date, pen: Pen) -> None:
        self.name, self.kind, self.day, self.pen = name, kind, day, pen
        self.sections: dict[str, list[str]] = {}

    def add(self, section: str, sentence: str, *, first: bool = False) -> None:
        """Put a sentence into a section, at its end or at its start."""
        sentences = self.sections.setdefault(section, [])
        sentences.insert(0 if first else len(sentences), sentence)


def write(random: Random, story: Story, bank: BankName, typos: float = TYPOS) -> Packet:
    """The packet of ``story`` in the phrases and styles of ``bank``."""
    everyday = load_everyday(bank)
    values = {**_everyday_values(random, story), **story.values}
    sheets: dict[str, _Sheet] = {}
    spoken: list[Spoken] = []

    def sheet(name: str) -> _Sheet:
        if name not in sheets:
            sheets[name] = _sheet(random, story, everyday, name, values, typos)
        return sheets[name]

    for told in _told(random, story, bank):
        name, section = random.choice(told.where).split(".")
        page = sheet(name)
        sentence = page.pen.say(told.phrases)
        page.add(section, sentence)
        if told.about:
            spoken.append(Spoken(told.about, told.state, name, sentence))
    for name, kind in story.service.documents.items():
        if kind.share and name not in sheets and random.random() < kind.share:
            sheet(name)
    written = [sheets[name] for name in story.service.documents if name in sheets][:MOST_DOCUMENTS]
    drafts = [_finish(random, story, everyday, page) for page in written]
    if len(drafts) < MOST_DOCUMENTS:
        drafts += _copies(random, story, everyday, written, values, typos)
    if random.random() < 0.4:
        drafts.sort(key=lambda draft: draft.date, reverse=random.random() < 0.5)
    return Packet(tuple(drafts), tuple(spoken))


def _told(random: Random, story: Story, bank: BankName) -> list[_Told]:
    """What is said, in the order of the file: elements, the exclusion, harmless lines."""
    service, told = story.service, []
    for name, state_name in story.states.items():
        element = service.elements[name]
        state = element.state(state_name)
        phrases = state.bank(bank)
        if phrases:
            told.append(_Told(state.where or element.where, phrases, name, state_name))
        for statement in state.also:
            if random.random() < statement.share and _applies(statement.when, statement.unless, story):
                told.append(_Told(statement.where, statement.bank(bank), name, state_name))
    if story.exclusion is not None:
        exclusion = service.exclusions[story.exclusion]
        told.append(_Told(exclusion.where, exclusion.bank(bank), story.exclusion, "exclusion"))
    for statement in service.harmless:
        fits = story.person.fits(story.visit, statement.sex, statement.age)
        if random.random() < statement.share and fits and _applies(statement.when, statement.unless, story):
            told.append(_Told(statement.where, statement.bank(bank)))
    return told


def _applies(when: Sequence[str], unless: Sequence[str], story: Story) -> bool:
    return applies(when, unless, story.states, story.exclusion)


def _sheet(
    random: Random, story: Story, everyday: Everyday, name: str, values: Mapping[str, Drawn], typos: float
) -> _Sheet:
    kind = story.service.documents[name]
    anchor = story.values.get(kind.date) if kind.date else None
    if isinstance(anchor, date):
        day = anchor + timedelta(days=random.randint(*kind.days))
    else:
        day = story.visit - timedelta(days=random.randint(*kind.days_ago))
    day = min(day, story.visit)
    style = random.choice(everyday.styles[kind.layout])
    side = story.asked if kind.type == "order" else story.side
    shown: dict[str, Drawn] = dict(values) | _dated(story, day) | {"side": side}
    return _Sheet(name, kind, day, Pen(random, everyday, style, shown, typos))


def _finish(random: Random, story: Story, everyday: Everyday, page: _Sheet) -> Draft:
    """Clutter and an opening around what is told, then the layout."""
    kind, skip = page.kind, story.service.clutter_skip
    if kind.opening if kind.opening is not None else kind.layout == "note":
        fitting = [each for each in story.service.problem if _applies(each.when, each.unless, story)]
        problem = page.pen.say((fitting or story.service.problem)[0].bank(everyday.name))
        opening = random.choice(everyday.phrases["opening"]).replace("{problem}", problem)
        page.add("hpi", page.pen.fill(opening), first=True)
    if kind.clutter if kind.clutter is not None else kind.layout == "note":
        _add_clutter(random, everyday, page, skip)
    title = _title(page.pen, kind.title, everyday)
    text = page.pen.lay_out(page.sections, title)
    if kind.signed is not None:
        signature = page.pen.say(everyday.phrases["signature"])
        text += "\n" + signature.replace("[who]", page.pen.say(everyday.phrases[kind.signed]))
    return Draft(page.name, kind.type, page.day, text)


def _add_clutter(random: Random, everyday: Everyday, page: _Sheet, skip: tuple[str, ...]) -> None:
    for section, key, share in _CLUTTER:
        phrases = clutter(everyday.name, key, skip)
        if phrases and random.random() < share:
            phrase = page.pen.say(phrases)
            if phrase not in page.sections.get(section, ()):
                page.add(section, phrase, first=section != "plan" and random.random() < 0.5)


def _title(pen: Pen, title: Phrases, everyday: Everyday) -> str:
    phrases = title.bank(everyday.name)
    return pen.say(phrases) if phrases else ""


def _copies(
    random: Random,
    story: Story,
    everyday: Everyday,
    written: Sequence[_Sheet],
    values: Mapping[str, Drawn],
    typos: float,
) -> list[Draft]:
    """Text carried forward: an earlier visit with the same background, or a later one that repeats the visit's words."""
    notes = [page for page in written if page.kind.layout == "note" and page.sections.get("hpi")]
    if not notes:
        return []
    source = notes[0]
    if random.random() < _EARLIER_NOTE:
        day = source.day - timedelta(days=random.randint(60, 200))
        pen = Pen(random, everyday, random.choice(everyday.styles["note"]), {**values, **_dated(story, day)}, typos)
        same = {name: source.sections[name] for name in ("allergies", "social", "family") if name in source.sections}
        sections: dict[str, list[str]] = {"hpi": [pen.say(everyday.phrases["earlier_opening"])]} | same
        return [Draft("earlier", "progress_note", day, pen.lay_out(sections))]
    if random.random() < _CARRIED_FORWARD:
        day = source.day + timedelta(days=random.randint(0, 1))
        dated = {**values, **_dated(story, day), "visit": source.day}
        pen = Pen(random, everyday, random.choice(everyday.styles["note"]), dated, typos)
        # The opening gives the age, which the later note states itself.
        repeated = source.sections["hpi"][1:] or source.sections["hpi"]
        sections = {"hpi": [pen.say(everyday.phrases["carried_forward"]), *repeated]}
        return [Draft("carried_forward", "progress_note", day, pen.lay_out(sections))]
    return []


def _dated(story: Story, day: date) -> dict[str, Drawn]:
    return {"today": day, "age": str(story.person.age_on(day))}


BUILT_IN = frozenset({
    "side", "other_side", "asked", "today", "visit", "age", "sex_word", "sex_letter", "pronoun", "possessive", "pain",
    "systolic", "diastolic", "pulse", "bmi", "code", "diagnosis", "icd", "service",
})  # fmt: skip
"""Placeholders every phrase may use."""


def _everyday_values(random: Random, story: Story) -> dict[str, Drawn]:
    return {
        "visit": story.visit,
        **sex_words(random, story.person),
        "pain": random.randint(5, 8),
        "systolic": random.randint(108, 138),
        "diastolic": random.randint(64, 86),
        "pulse": random.randint(58, 92),
        "bmi": f"{random.uniform(22, 29.5):.1f}",
        "code": story.request.code,
        "service": sided(random.choice(story.request.description), story.asked),
        "diagnosis": sided(story.diagnosis.description, story.asked),
        "icd": sided(story.diagnosis.code, story.asked),
    }


def sex_words(random: Random, person: Person) -> dict[str, Drawn]:
    """How notes speak of the person."""
    female = person.sex == "female"
    return {
        "sex_word": random.choice(("woman", "female") if female else ("man", "male")),
        "sex_letter": "F" if female else "M",
        "pronoun": "she" if female else "he",
        "possessive": "her" if female else "his",
    }


def sided(text: str, side: str) -> str:
    """Text of the request with its side: ``{side}`` in words, ``{1r2l}`` or ``{1r4l}`` as the last digit of many codes."""
    for right, left in (("1", "2"), ("1", "4")):
        text = text.replace(f"{{{right}r{left}l}}", right if side == "right" else left)
    return text.replace("{side}", side)
