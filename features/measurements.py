"""Values with units: what was measured, how much, in which unit, with which bound. Kinds are data: lexicon/measurements.yaml.

A name is looked for first and its value after it, within a window of fixed size, through a list of words that may stand
between ("BMI today is 41.7"). Values that say by their form what they are ("7/10" beside pain words, "4+/5" beside
muscles, "20/50", "92% RA", "139 events") are found from the number. Cost is linear in the text.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any, Literal

from features.errors import LexiconError
from features.field_limits import FIELD_UNITS
from features.glucose_lows import UNIT as GLUCOSE_UNIT
from features.glucose_lows import find_glucose_lows
from features.headache_days import HEADACHE_UNITS, find_headache_days, find_headache_hours, find_injection_intervals
from features.lesion_sizes import LESION_UNIT, LesionWords, find_lesion_sizes, read_lesion_words
from features.moved_values import (
    MovedWords,
    Row,
    Series,
    Tables,
    glue_pattern,
    has_moved,
    is_goal,
    read_moved_words,
    read_series,
    says_earlier,
)
from features.numbers import WORD_NUMBER, lowered, to_number
from features.oximetry import (
    arrival_of_panel,
    conditions,
    gas_of_panel,
    oxygen_flows,
    time_below,
    time_recorded,
    unnamed_saturations,
)

Comparator = Literal["=", "<", ">", "<=", ">="]

_WINDOW = 72


@dataclass(frozen=True, slots=True)
class Measurement:
    """``text[start:end]`` holds the name and the value, ``text[value_start:value_end]`` the value and its unit.

    ``value`` is in ``unit`` (UCUM). Of a range ("6-7/10", "KL 2-3", "EF 35-40%") it is the lower end and ``high`` the
    upper one. ``comparator`` other than "=" means a bound, not a measured number ("AHI >= 15", "AHI must be at least 15",
    "eGFR >60"). ``computed`` is a BMI from height and weight, whose spans are in ``parts``. ``context`` is how it was
    measured: ``room_air``, ``on_oxygen``, ``right_eye``, ``left_eye``, ``both_eyes``, ``worst``, ``best``,
    or ``earlier``: a later value of the same measurement stands in the text.

    Visual acuity is in ``{20/x}``: 50 is 20/50 (more is worse), from Snellen fractions in feet or metres and logMAR.
    Muscle strength "4+" is 4.5 and "4-" 3.75, so that 3+ < 4- < 4.
    """

    concept: str
    start: int
    end: int
    value_start: int
    value_end: int
    value: float
    unit: str
    comparator: Comparator = "="
    computed: bool = False
    context: str | None = None
    high: float | None = None
    parts: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Variant:
    concept: str | None
    context: str | None
    before: tuple[str, ...]
    between: frozenset[str]
    after: tuple[str, ...]
    clause: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    concept: str
    form: str
    unit: str
    factors: Mapping[str, tuple[float, float]]
    assume: tuple[tuple[float, float, float, float], ...]
    unit_required: bool
    low: float
    high: float
    totals: frozenset[int]
    head: re.Pattern[str]
    tail: re.Pattern[str]
    variants: tuple[_Variant, ...]
    exact: frozenset[str]
    exact_after: frozenset[str]
    skip_volume: bool
    oxygen: bool
    head_unit: re.Pattern[str]
    series: Series | None
    only_moving: frozenset[str]
    before_name: re.Pattern[str] | None
    at_least: bool


@dataclass(frozen=True, slots=True)
class _Anchored:
    unit: str
    words: re.Pattern[str] | None
    not_words: re.Pattern[str] | None


_CONTEXTS_BY_FORM = frozenset({"right_eye", "left_eye", "both_eyes", "room_air", "on_oxygen", "earlier", "limit"})
"""Contexts read from the way a value is written, whatever its kind."""


@dataclass(frozen=True, slots=True)
class MeasurementLexicon:
    """The kinds of measurement, ready to match; :func:`measurement_lexicon` loads the packaged one.

    ``units`` is the UCUM unit of each concept's values, ``contexts`` every context a value can have; ``moving`` are the
    concepts of which an earlier and a present value are told apart, ``fractions`` what those found without a name look like.
    """

    names: re.Pattern[str]
    by_name: Mapping[str, _Kind]
    foreign: re.Pattern[str]
    anchored: Mapping[str, _Anchored]
    lesions: LesionWords
    moved: MovedWords
    concepts: frozenset[str] = field(default_factory=frozenset)
    units: Mapping[str, str] = field(default_factory=dict)
    contexts: frozenset[str] = _CONTEXTS_BY_FORM
    moving: frozenset[str] = field(default_factory=frozenset)
    fractions: Mapping[str, Series] = field(default_factory=dict)


_COMPARATORS: dict[str, Comparator] = {
    ">=": ">=", "=>": ">=", "≥": ">=", "at least": ">=", "no less than": ">=", "not less than": ">=", "minimum": ">=",
    "minimum of": ">=", ">": ">", "over": ">", "above": ">", "more than": ">", "greater than": ">", "higher than": ">",
    "exceeding": ">", "exceeds": ">", "greater than or equal to": ">=", "equal to or greater than": ">=", "<=": "<=",
    "=<": "<=", "≤": "<=", "at most": "<=", "no more than": "<=", "not more than": "<=", "up to": "<=", "maximum": "<=",
    "less than or equal to": "<=", "equal to or less than": "<=", "<": "<", "under": "<", "below": "<",
    "less than": "<", "lower than": "<", "fewer than": "<", "not to exceed": "<=", "&gt;": ">", "&lt;": "<",
}  # fmt: skip
_COMPARATOR_WORDS = "|".join(re.escape(word) for word in sorted(_COMPARATORS, key=len, reverse=True))
_MODAL = (
    r"(?:must|should|needs? to|has to|have to|required?|requires?|requirement|criteri(?:a|on)|threshold|goal|target|if)"
)
_FLOW = r"\d{1,2}(?:\.\d)?\s?(?:l|lpm|liters?|litres?)(?:\s?/\s?min(?:ute)?|pm| per minute)?(?![a-z0-9/])"
"""Oxygen by the litre: "2 L", "4L/min"."""
_NUMBER = r"\d{1,3},\d{3}(?![\d,])|\d{1,4}(?:\.\d{1,3})?|\.\d{1,2}"


def _words_pattern(words: Sequence[str]) -> str:
    ordered = sorted(set(words), key=len, reverse=True)
    # "at least 15" is a bound: its first word is not one to skip.
    return "|".join("at(?! least| most)" if word == "at" else re.escape(word) for word in ordered)


@cache
def measurement_lexicon() -> MeasurementLexicon:
    """The packaged lexicon. Raises LexiconError, naming the entry, where the file is broken."""
    import yaml

    source = resources.files("features").joinpath("lexicon/measurements.yaml")
    return read_measurement_lexicon(yaml.safe_load(source.read_text(encoding="utf-8")))


def read_measurement_lexicon(data: Any) -> MeasurementLexicon:
    """A lexicon from the parsed file. Raises LexiconError, naming the entry, where something is missing or malformed."""
    try:
        connectors = [str(word) for word in data["connectors"]]
        foreign = re.compile(
            rf"\s?-?\s?(?:{_words_pattern([str(word) for word in data['foreign_units']])})(?![a-z])|\s?%|/\d"
            rf"|[:]\d|-?[a-z]|\.\d|\d|,\d{{3}}|['’]"
        )
        entries = list(data["measurements"])
        anchored = {str(key): _read_anchored(entry) for key, entry in data["anchored"].items()}
        moved = read_moved_words(data.get("moved", {}))
    except (KeyError, TypeError, AttributeError) as error:
        raise LexiconError(f"measurements.yaml: missing or malformed top level entry ({error})") from error
    kinds: dict[str, _Kind] = {}
    units = {name: anchor.unit for name, anchor in anchored.items()}
    units |= {str(name): str(unit) for name, unit in dict(data.get("calendar", {})).items()}
    contexts = set(_CONTEXTS_BY_FORM)
    for index, entry in enumerate(entries):
        try:
            kind = _read_kind(entry, connectors, moved)
            names = [str(name) for key in ("names", "exact", "moving") for name in entry.get(key, [])]
            if not names:
                raise KeyError("names")
        except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
            name = entry.get("concept", f"entry {index + 1}") if isinstance(entry, dict) else f"entry {index + 1}"
            raise LexiconError(f"measurements.yaml: {name}: missing or malformed field ({error})") from error
        units |= dict.fromkeys([kind.concept, *(v.concept for v in kind.variants if v.concept)], kind.unit)
        if kind.form == "arc":
            units[f"{kind.concept}_start"] = kind.unit
        contexts |= {variant.context for variant in kind.variants if variant.context}
        for name in names:
            kinds[_normal(name.lower())] = kind
    try:
        lesions = read_lesion_words(data["lesions"])
    except (KeyError, TypeError, AttributeError) as error:
        raise LexiconError(f"measurements.yaml: lesions: missing or malformed ({error})") from error
    units |= dict.fromkeys(lesions.all_concepts, LESION_UNIT)
    units |= OXIMETRY_UNITS | FIELD_UNITS | dict.fromkeys(_ACUITY.values(), "{20/x}")
    units |= HEADACHE_UNITS
    return MeasurementLexicon(
        _name_pattern(kinds),
        kinds,
        foreign,
        anchored,
        lesions,
        moved,
        frozenset(units),
        units,
        frozenset(contexts),
        frozenset(kind.concept for kind in kinds.values() if kind.series is not None),
        _fraction_series(kinds),
    )


def _read_anchored(entry: Any) -> _Anchored:
    def near(words: Sequence[str]) -> re.Pattern[str] | None:
        return re.compile(rf"(?<![a-z])(?:{_words_pattern([str(word) for word in words])})(?![a-z])") if words else None

    return _Anchored(str(entry["unit"]), near(entry.get("words", [])), near(entry.get("not_words", [])))


def _factor(value: Any) -> tuple[float, float]:
    return (float(value[0]), float(value[1])) if isinstance(value, list) else (float(value), 0.0)


_DATE_BETWEEN = (
    r"|(?:on|from|dated|drawn|collected)\s(?:(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]{0,6}\.?\s\d{1,2}"
    r"(?:,?\s\d{4})?|\d{1,2}/\d{1,2}(?:/\d{2,4})?)(?![\d/.%])"
)
"""A date that stands between a name and its value: "TSH on October 8 was 1.7"."""


def _read_kind(entry: Any, connectors: Sequence[str], moved: MovedWords) -> _Kind:
    between = [str(word) for word in entry.get("between", [])]
    # Possessive: what may stand between is never given back, so nothing here can backtrack.
    # A unit that says nothing about its scale ("degrees") has no factor: what the value means is then assumed.
    spelled = {str(spelling).strip(): value for spelling, value in entry.get("units", {}).items()}
    factors = {spelling: _factor(value) for spelling, value in spelled.items() if value is not None}
    oxygen = bool(entry.get("oxygen", False))
    head = (
        rf"(?:{_head_unit(list(factors))}{f'|{_FLOW}' if oxygen else ''}"
        rf"{_DATE_BETWEEN if entry['form'] == 'number' else ''}"
        rf"|(?:{_words_pattern([*connectors, *between])}|{_MODAL})(?![a-z0-9])|[\s:=,()!~\[\]–—;|-])"
    )
    units = (
        rf"(?:\s{{0,2}}-?(?P<unit>{_words_pattern(list(spelled))})(?![a-z0-9]|/(?!(?:ht|wt|height|weight)(?![a-z]))[a-z]))?"
        if spelled
        else "(?P<unit>(?!))?"
    )
    form = str(entry["form"])
    series = None
    if form in _ONE_VALUE and entry.get("moves", True):
        series = Series(
            re.compile(_ONE_VALUE[form].replace("UNITS", rf"{units}(?:\s(?:points|pts)(?![a-z]))?")),
            glue_pattern([*connectors, *between], moved, [int(total) for total in entry.get("totals", [])]),
            bool(entry.get("once", False)),
        )
    low, high = entry["range"]
    assume = tuple((float(a), float(b), *_factor(c)) for a, b, c in entry.get("assume", []))
    return _Kind(
        concept=str(entry["concept"]),
        form=form,
        unit=str(entry["unit"]),
        factors=factors,
        assume=assume,
        unit_required=bool(entry.get("unit_required", False)),
        low=float(low),
        high=float(high),
        totals=frozenset(int(total) for total in entry.get("totals", [])),
        head=re.compile(
            rf"(?:{head}){{0,24}}+(?:(?P<cmp>{_COMPARATOR_WORDS})\s?(?:or equal to\s)?(?:a\s"
            rf"|an\s)?(?:score of\s|of\s)?)?"
        ),
        tail=re.compile(_FORMS[form].replace("UNITS", units)),
        variants=tuple(_read_variant(variant) for variant in entry.get("variants", [])),
        exact=frozenset(str(name) for name in entry.get("exact", [])),
        exact_after=frozenset(str(name) for name in entry.get("exact_after", [])),
        skip_volume=bool(entry.get("skip_volume", False)),
        oxygen=oxygen,
        # A pattern of its own: groups inside a possessive repeat are not reliable in Python's re.
        head_unit=re.compile(_head_unit(list(factors))),
        series=series,
        only_moving=frozenset(_normal(str(name).lower()) for name in entry.get("moving", [])),
        before_name=_before_patterns()[str(entry.get("before", False)).lower()](),
        at_least=bool(entry.get("at_least", False)),
    )


def _head_unit(units: Sequence[str]) -> str:
    """A unit between name and value: in brackets ("Weight (kg): 88"), or written out ("FEV1 % predicted 47")."""
    if not units:
        return "(?!)"
    written_out = [unit for unit in units if len(unit) > 3]
    bare = rf"|(?:{_words_pattern(written_out)})(?![a-z0-9/])" if written_out else ""
    return rf"[(\[]\s?(?:{_words_pattern(units)})\s?[)\]]{bare}"


def _read_variant(entry: Any) -> _Variant:
    return _Variant(
        entry.get("concept"),
        entry.get("context"),
        tuple(str(word) for word in entry.get("before", [])),
        frozenset(str(word) for word in entry.get("between", [])),
        tuple(str(word) for word in entry.get("after", [])),
        tuple(str(word) for word in entry.get("clause", [])),
    )


_RANGE = r"(?:\s?(?:-|–|—|to)\s?(?P<high>{}))?"
_VALUE = rf"(?P<value>{_NUMBER}|{WORD_NUMBER}(?![a-z]))"
_FORMS = {
    "number": rf"{_VALUE}{_RANGE.format(_NUMBER)}UNITS",
    "fraction": (
        rf"{_VALUE}(?:\s?(?:-|–|to)\s?(?P<high>\d{{1,2}}|{WORD_NUMBER}(?![a-z])))?"
        r"(?:\s?(?:/|out of|of)\s?(?:a possible\s)?(?P<total>\d{1,3}|ten))?UNITS"
    ),
    "grade": (
        r"(?P<value>[0-4]|iv|i{1,3}|one|two|three|four)(?:\s?(?:-|–|to|/)\s?(?P<high>[0-4](?!\d)|iv|i{1,3}))?"
        r"(?:/4)?(?![a-z0-9])UNITS"
    ),
    "pressure": (
        r"(?P<value>\d{2,3})(?:(?:-|–| to )(?P<high>\d{2,3}))?\s?(?:/|over)\s?(?P<low>\d{2,3})"
        r"(?:(?:-|–| to )(?P<low_high>\d{2,3}))?(?![\d/]|\.\d)UNITS"
    ),
    "before": r"(?!)UNITS",
    "time": rf"{_VALUE}UNITS(?:\s?(?:,|and)?\s?(?P<minutes>\d{{1,2}})\s?(?:minutes?|mins?|m)(?![a-z0-9]))?",
    "height": (
        r"(?P<feet>[3-7])\s?(?:'|’|′|ft\.?|feet|foot|-foot)[\s,-]{0,2}"
        r"(?:(?P<inches>\d{1,2}(?:\.\d{1,2})?)(?:\s?(?:\"|''|”|″|inches|inch|in\.?)|(?![\d%])))?"
        r"|(?P<value>\d{1,3}(?:\.\d{1,2})?)UNITS"
    ),
    "arc": r"(?P<value>-?\d{1,3})(?:(?:\s?(?:deg(?:rees)?|°|º))?\s?(?:-|–|—|to|/)\s?(?P<high>\d{1,3}))?UNITS",
}

_ONE_VALUE = {
    "number": rf"(?P<value>{_NUMBER})UNITS",
    "fraction": (
        rf"(?P<value>{_NUMBER}|{WORD_NUMBER}(?![a-z]))"
        r"(?:\s?(?:/|out of|of)\s?(?:a possible\s)?(?P<total>\d{1,3}|ten))?UNITS"
    ),
    "arc": r"(?P<value>-?\d{1,3})(?:\s?(?:deg(?:rees)?|°|º))?(?:\s?(?:-|–|—)\s?(?P<high>\d{1,3}))?UNITS",
    "graded": r"(?P<value>[0-5])(?P<sign>[+-](?![\d>-]))?(?:\s?/\s?(?P<total>5)(?!\d|/))?UNITS",
}
"""A value of a series: without the range a single value may have."""
_FORMS["ratio"] = (
    r"(?P<value>\d{1,3})\s?(?:/|of|out of)\s?(?:(?:the|her|his|a|total)\s){0,2}(?P<total>\d{1,3})(?![\d/]|\.\d)UNITS"
)
_FORMS["graded"] = _ONE_VALUE["graded"]


_SPACES_OR_HYPHENS = re.compile(r"[\s-]+")


def _normal(name: str) -> str:
    return name if name.isalnum() else _SPACES_OR_HYPHENS.sub(" ", name)


def _name_pattern(kinds: Mapping[str, _Kind]) -> re.Pattern[str]:
    """All names of two letters and more at once, as a tree: what they share is tried once."""
    return re.compile(rf"(?<![a-z0-9]){_tree_pattern([name for name in kinds if len(name) > 1])}(?![a-z])")


def _tree_pattern(rests: Sequence[str]) -> str:
    by_letter: dict[str, list[str]] = {}
    for rest in rests:
        if rest:
            by_letter.setdefault(rest[0], []).append(rest[1:])
    if not by_letter:
        return ""
    branches = [
        (r"[\s-]{1,3}" if letter == " " else re.escape(letter)) + _tree_pattern(following)
        for letter, following in sorted(by_letter.items())
    ]
    return rf"(?:{'|'.join(branches)})" + ("?" if "" in rests else "")


@cache
def _letter_pattern() -> re.Pattern[str]:
    return re.compile(r"(?:T|P|R|K)(?<![A-Za-z0-9].)(?=[\s:=]{0,2}\d)")


def find_measurements(text: str, lo: int = 0, hi: int | None = None) -> list[Measurement]:
    """The measurements in ``text[lo:hi]``, in order; offsets are into ``text``.

    A BMI is computed from height and weight only where none is stated. Values outside the plausible range of their kind
    are not read. Raises LexiconError when the packaged lexicon is broken.
    """
    return _find(measurement_lexicon(), lowered(text), text, lo, len(text) if hi is None else hi)


def _find(lexicon: MeasurementLexicon, lower: str, text: str, lo: int, hi: int) -> list[Measurement]:
    found: list[Measurement] = []
    tables = Tables(lower, lo, hi, lexicon.moved)
    read_to = lo
    match = lexicon.names.search(lower, lo, hi)
    while match is not None:
        resume = match.end()
        # "LEFS 22 at eval, ODI ..." ends before the next name; a name inside a series is one of its words.
        if match.start() >= read_to:
            moved = _moved(lexicon, lower, text, match, tables.row_of(match.start()), lo, hi)
            if moved:
                found += moved
                read_to = max(one.value_end for one in moved)
            elif moved is not None:
                named = _named(lexicon, lower, text, match, lo, hi)
                found += named
                if not named:
                    # "Knee pain averages 8": the longer name has no value, the one that begins inside it may have.
                    resume = match.start() + 1
        match = lexicon.names.search(lower, resume, hi)
    found += _single_letters(lexicon, lower, text, lo, hi, found)
    taken = _Taken(found)
    found += _in_order(lexicon, lower, _fractions(lexicon, lower, lo, hi, taken), lo, hi)
    found = _oximetry(lower, lo, hi, found, taken)
    taken = _Taken(found)
    found += _events(lexicon, lower, lo, hi, taken)
    found += _body_size(lower, lo, hi, taken)
    found += _computed_bmi(found, lower, lo, hi)
    found += _computed_events(found)
    found += [
        Measurement(one.concept, one.start, one.end, one.start, one.end, one.value, LESION_UNIT, context=one.context)
        for one in find_lesion_sizes(lexicon.lesions, lower, lo, hi)
        if not taken.overlaps(one.start, one.end)
    ]
    first = {(one.concept, one.value_start): one for one in reversed(found)}
    found = [
        one
        for one in found
        if first[one.concept, one.value_start] is one
        and not tables.is_goal(one.value_start)
        and not (one.concept in lexicon.moving and is_goal(lower, one.start, one.value_end, lo, lexicon.moved))
    ]
    found += _low_glucoses(lower, lo, hi, found)
    found = _headaches(lower, lo, hi, found)
    found.sort(key=lambda measurement: (measurement.start, measurement.value_start))
    return _with_earlier(lexicon, lower, found, lo, hi)


def _moved(
    lexicon: MeasurementLexicon, lower: str, text: str, name: re.Match[str], row: Row | None, lo: int, hi: int
) -> list[Measurement] | None:
    """The values of a measurement that moved, all but the present one with the context "earlier".

    None where the words say that it shall move: nothing was measured ("goal: LEFS 32 to 50").
    """
    kind = lexicon.by_name[_normal(name.group()).lower()]
    if kind.series is None or not _is_written_so(kind, text, name):
        return []
    start, end = name.span()
    if row is not None:
        cells = [(kind.series.value.match(lower, begin, stop), earlier) for begin, stop, earlier in row.cells]
        placed = [(match, earlier) for match, earlier in cells if match is not None]
        if len(placed) < 2 or all(earlier for _, earlier in placed):
            return []
    else:
        first = None
        if kind.before_name is not None:
            # What ends where the search ends: the number directly before the name.
            first = kind.before_name.search(lower, max(lo, start - 32), start)
        series = read_series(lower, start, end, hi, kind.series, lexicon.moved, first)
        if series is None:
            return None
        placed = [(one.match, one.earlier) for one in series]
    written = next((unit for match, _ in placed if (unit := match.groupdict().get("unit"))), None)
    if kind.unit_required and written is None and kind.unit != "deg":
        return []
    concept: str | None = None
    found: list[Measurement] = []
    for match, earlier in placed:
        if match.re is kind.before_name:
            number = _plain(match["value"])
            if number is None or match["high"] or not kind.low <= number <= kind.high:
                return []
            begin, last = match.start("value"), match.end("value")
            context = "earlier" if earlier else None
            found.append(Measurement(kind.concept, begin, end, begin, last, number, kind.unit, context=context))
            continue
        read = _value(lexicon, kind, lower, match, min(hi, match.end() + _WINDOW), written, unit_required=False)
        if read is None:
            return []
        value, high, value_end = read
        if concept is None:
            concept, _ = _variant(kind, lower, start, end, end, value_end, lo, hi)
        begin = match.start() if found else start
        value = high if kind.form == "arc" and high is not None else value
        context = "earlier" if earlier else None
        found.append(
            Measurement(concept, begin, value_end, match.start(), value_end, value, kind.unit, "=", False, context)
        )
    # "Flexion from 5 to 90 degrees" is an arc of motion: nobody bent a joint by five degrees and then by ninety.
    if kind.unit == "deg" and kind.form != "arc" and row is None and _is_an_arc(lower, found):
        return []
    return found


@cache
def _between_ends_pattern() -> re.Pattern[str]:
    return re.compile(r"[°\s]*(?:deg(?:rees)?\s)?to\s")


def _is_an_arc(lower: str, found: Sequence[Measurement]) -> bool:
    return (
        len(found) == 2
        and found[0].value <= 20
        and _between_ends_pattern().fullmatch(lower, found[0].value_end, found[1].value_start) is not None
    )


def _is_written_so(kind: _Kind, text: str, name: re.Match[str]) -> bool:
    """Whether an abbreviation that counts only in one case stands in it."""
    if not kind.exact or text[name.start() : name.end()] in kind.exact:
        return True
    return _normal(name.group()).lower() not in {_normal(word.lower()) for word in kind.exact}


def _in_order(lexicon: MeasurementLexicon, lower: str, found: list[Measurement], lo: int, hi: int) -> list[Measurement]:
    """Fractions that follow each other as values of one thing: "quads 3+/5, now 4/5"."""
    ordered = sorted(found, key=lambda one: one.start)
    earlier: set[Measurement] = set()
    taken = 0
    for index, one in enumerate(ordered):
        series = lexicon.fractions.get(one.concept)
        if index < taken or series is None:
            continue
        # The words before the first value say what was done to it: "improved from".
        head = _words_before(lower, one.start, lo, series)
        placed = read_series(lower, head, head, hi, series, lexicon.moved) or []
        starts = {value.match.start(): value.earlier for value in placed}
        if one.start not in starts:
            continue
        together = [later for later in ordered[index : index + len(starts)] if later.start in starts]
        earlier.update(later for later in together if starts[later.start])
        taken = index + len(together)
    return [replace(one, context="earlier") if one in earlier and one.context is None else one for one in found]


@cache
def _fraction_patterns() -> dict[str, re.Pattern[str]]:
    return {
        "pain_score": re.compile(_ONE_VALUE["fraction"].replace("UNITS", "(?P<unit>(?!))?")),
        "muscle_strength": re.compile(_ONE_VALUE["graded"].replace("UNITS", "(?P<unit>(?!))?")),
    }


def _fraction_series(kinds: Mapping[str, _Kind]) -> dict[str, Series]:
    patterns = _fraction_patterns()
    return {
        kind.concept: Series(patterns[kind.concept], kind.series.glue, once=False)
        for kind in kinds.values()
        if kind.series is not None and kind.concept in patterns
    }


@cache
def _word_pattern() -> re.Pattern[str]:
    return re.compile(r"(?<![a-z])[a-z]+\.?\s+$")


def _words_before(lower: str, start: int, lo: int, series: Series) -> int:
    """Where the words before a value begin that may stand between a name and it, at most six of them."""
    at = start
    for _ in range(6):
        word = _word_pattern().search(lower[max(lo, at - 16) : at])
        if word is None:
            break
        begin = max(lo, at - 16) + word.start()
        glue = series.glue.match(lower, begin, at)
        if glue is None or glue.end() != at:
            break
        at = begin
    return at


def _with_earlier(
    lexicon: MeasurementLexicon, lower: str, found: list[Measurement], lo: int, hi: int
) -> list[Measurement]:
    """Single values that words at them place at the first visit, where another value of the same thing is not."""
    marked = {
        one
        for one in found
        if one.concept in lexicon.moving
        and one.context is None
        and not one.computed
        and says_earlier(lower, one.start, one.start, one.value_start, one.value_end, lo, hi, lexicon.moved)
    }
    if not marked:
        return found
    unmarked = {one.concept for one in found if one not in marked and one.context is None and one.comparator == "="}
    return [replace(one, context="earlier") if one in marked and one.concept in unmarked else one for one in found]


def _headaches(lower: str, lo: int, hi: int, found: list[Measurement]) -> list[Measurement]:
    """Headaches as they are counted take the place of what the number nearest to the name would say."""
    counted = {
        (one.concept, one.start, one.end): one
        for find in (find_headache_days, find_headache_hours, find_injection_intervals)
        for one in find(lower, lo, hi)
    }.values()
    days = [(one.start, one.end) for one in counted if one.unit == HEADACHE_UNITS["headache_days"]]
    # "From 20 to 8 headache days": two values told one after the other are both known already.
    unit = HEADACHE_UNITS["headache_days"]
    moved = sorted((one.start, one.end) for one in found if one.context == "earlier" and one.unit == unit)
    kept = [
        one
        for one in found
        if one.unit != HEADACHE_UNITS["headache_days"]
        or _overlaps(one.start, one.end, moved)
        or not any(start < one.value_end and one.value_start < end for start, end in days)
    ]
    return kept + [
        Measurement(
            c.concept, c.start, c.end, c.start, c.end, c.value, c.unit, context="earlier" if c.earlier else None
        )
        for c in counted
        if not _overlaps(c.start, c.end, moved)
    ]


def _overlaps(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether one of ``spans``, in order, lies partly within ``start`` to ``end``."""
    place = bisect.bisect_left(spans, (end, 0))
    return any(start < last for _, last in spans[max(place - 3, 0) : place])


def _low_glucoses(lower: str, lo: int, hi: int, found: Sequence[Measurement]) -> Iterator[Measurement]:
    values = {(one.value_start, one.value_end) for one in found}
    for low in find_glucose_lows(lower, lo, hi):
        if (low.start, low.end) not in values:
            values.add((low.start, low.end))
            yield Measurement("glucose", low.start, low.end, low.start, low.end, low.value, GLUCOSE_UNIT)


def _single_letters(
    lexicon: MeasurementLexicon, lower: str, text: str, lo: int, hi: int, found: Sequence[Measurement]
) -> list[Measurement]:
    """ "T 39.3", "P 76", "R 18": vital signs only in a row of them, another within 40 characters, or in degrees."""
    doubtful: dict[Measurement, frozenset[str]] = {}
    for match in _letter_pattern().finditer(text, lo, hi):
        concepts = lexicon.by_name[match.group().lower()].exact_after
        for one in _named(lexicon, lower, text, match, lo, hi):
            doubtful[one] = concepts
    if not doubtful:
        return []
    row = sorted([*found, *doubtful], key=lambda one: one.start)
    return [
        one
        for index, one in enumerate(row)
        if one in doubtful
        and (_in_degrees(lower, one) or _is_beside(one, row[max(index - 3, 0) : index + 4], doubtful[one]))
    ]


@cache
def _degrees_pattern() -> re.Pattern[str]:
    return re.compile(r"\d\s?(?:°|deg(?:rees)?)?\s?(?:[cf]|celsius|fahrenheit)\b")


def _in_degrees(lower: str, one: Measurement) -> bool:
    """Whether a temperature says so by its unit: "T 38.6 C"."""
    return one.concept == "body_temperature" and _degrees_pattern().search(lower, one.value_start, one.end) is not None


def _named(
    lexicon: MeasurementLexicon, lower: str, text: str, name: re.Match[str], lo: int, hi: int
) -> list[Measurement]:
    """What was measured under the name at ``name``; empty where no value follows."""
    start, end = name.span()
    if lower[max(lo, start - 1) : start] == "/" and not lower[max(lo, start - 2) : start - 1].isalpha():
        # "24.2 /hr" ends with a unit; no name begins there.
        return []
    stop = min(hi, end + _WINDOW)
    named = _normal(name.group()).lower()
    kind = lexicon.by_name[named]
    if kind.form == "fraction" and kind.totals and (scored := _score_before_its_name(kind, lower, start, end, lo)):
        return scored
    head = kind.head.match(lower, end, stop)
    if head is None:
        return []
    if not _is_written_so(kind, text, name):
        return []
    volume = _volume_pattern().match(lower, head.end(), stop) if kind.skip_volume else None
    value = kind.tail.match(lower, volume.end() if volume else head.end(), stop)
    if named in kind.only_moving:
        return []
    if value is None:
        return _before_its_name(lexicon, kind, lower, start, end, lo, hi)
    bound = head.group("cmp")
    if bound == ">" and lower[head.start("cmp") - 1] == "-":
        bound = None  # an arrow
    comparator = _comparator(bound, lower, value.end(), stop)
    if kind.at_least and comparator in (">", ">="):
        comparator = "="
    between = lower[end : head.end()]
    if "\n\n" in between or (comparator == "=" and _modal_pattern().search(between)):
        return []
    headed = kind.head_unit.search(lower, end, head.end())
    read = _value(lexicon, kind, lower, value, stop, headed.group().strip("()[] ") if headed else None)
    if read is None:
        return []
    number, high, value_end = read
    concept, context = _variant(kind, lower, start, end, head.end(), value_end, lo, hi)
    if concept == kind.concept and _goal_pattern().search(lower[max(lo, start - 16) : start]):
        return []
    base = Measurement(
        concept, start, value_end, value.start(), value_end, number, kind.unit, comparator, False, context, high
    )
    if kind.form == "pressure":
        diastolic, upper = float(value.group("low")), _plain(value.group("low_high"))
        if not kind.low <= diastolic < number:
            return []
        return [
            replace(base, concept="blood_pressure_systolic"),
            replace(base, concept="blood_pressure_diastolic", value=diastolic, high=upper),
        ]
    if kind.form == "arc" and high is not None:
        return [replace(base, concept=f"{base.concept}_start", high=None), replace(base, value=high, high=None)]
    if kind.concept == "visual_acuity":
        return [_log_acuity(lower, start, value_end, value.start(), value_end, number, comparator, lo, hi)]
    return [base]


@cache
def _volume_pattern() -> re.Pattern[str]:
    return re.compile(r"\d(?:\.\d{1,2})?\s?(?:liters?|litres?|l)(?![a-z])[\s,;(/]{0,3}")


@cache
def _goal_pattern() -> re.Pattern[str]:
    return re.compile(r"(?<![a-z])(?:goals?|target|desired|ltgs?|stgs?)(?:\s?#?\d)?\s?:?\s$")


@cache
def _grade_before_pattern() -> re.Pattern[str]:
    return re.compile(r"(?<![a-z])(?:grade|stage|class)\s(?P<value>[0-4]|iv|i{1,3})\s\(?$")


@cache
def _log_before_pattern() -> re.Pattern[str]:
    return re.compile(r"(?<![\d./-])(?P<value>-?[0-3]?\.\d{1,2})\s$")


@cache
def _score_before_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![\d./-])(?P<value>\d{1,3})\s?(?:/|of|out\sof)\s?(?P<total>\d{1,3})\s(?:points\s)?(?:on|in|by|for)\s"
        r"(?:(?:the|a|an|his|her|their|another|today's|repeat|our)\s){0,2}$"
    )


def _score_before_its_name(kind: _Kind, lower: str, start: int, end: int, lo: int) -> list[Measurement]:
    """A score told before the name of its scale: "scored 19 of 30 on the MoCA"."""
    offset = max(lo, start - 40)
    before = _score_before_pattern().search(lower[offset:start])
    if before is None or int(before["total"]) not in kind.totals or not kind.low <= int(before["value"]) <= kind.high:
        return []
    begin, first, last = offset + before.start(), offset + before.start("value"), offset + before.end("total")
    return [Measurement(kind.concept, begin, end, first, last, float(before["value"]), kind.unit)]


def _before_its_name(
    lexicon: MeasurementLexicon, kind: _Kind, lower: str, start: int, end: int, lo: int, hi: int
) -> list[Measurement]:
    """What stands before its name: "grade 3 Kellgren-Lawrence", "0.3 logMAR", "15 headache days"."""
    if kind.before_name is not None:
        return _number_before(kind, lexicon.moved, lower, start, end, lo)
    if kind.form == "before":
        return _followed_by_name(kind, lower, start, end, lo)
    if kind.form != "grade" and kind.concept != "visual_acuity":
        return []
    pattern = _grade_before_pattern() if kind.form == "grade" else _log_before_pattern()
    offset = max(lo, start - 16)
    before = pattern.search(lower[offset:start])
    number = _plain(before.group("value")) if before is not None else None
    if before is None or number is None or not kind.low <= number <= kind.high:
        return []
    begin, first, last = offset + before.start(), offset + before.start("value"), offset + before.end("value")
    if kind.concept == "visual_acuity":
        return [_log_acuity(lower, begin, end, first, last, number, "=", lo, hi)]
    return [Measurement(kind.concept, begin, end, first, last, number, kind.unit)]


@cache
def _number_before_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![\d./-])(?P<value>\d{{1,2}}(?:\.\d)?|{WORD_NUMBER})"
        r"(?:\s?(?:-|–|or|(?P<to>to|->|→|down to))\s?(?P<high>\d{1,2}))?(?P<more>\+)?"
        r"\s(?:or more\s)?(?:total\s|monthly\s|average\s)?$"
    )


def _before_patterns() -> dict[str, Callable[[], re.Pattern[str] | None]]:
    """How a value looks that stands before its name, by the word in the lexicon."""
    return {
        "false": lambda: None,
        "true": _number_before_pattern,
        "percent": _percent_before_pattern,
        "ratio": _ratio_before_pattern,
    }


_FEWEST_COUNTED = 3
"""A share of fewer than so many says little: "1 of 2"."""


@cache
def _counted_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:visits?|sessions?|scheduled|appointments?|appts?|booked|attendance|tx|treatments?)(?![a-z])"
    )


@cache
def _ratio_before_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![\d./-])(?P<value>\d{1,3})\s?(?:/|of|out of)\s?(?:(?:the|her|his|total)\s){0,2}(?P<total>\d{1,3})"
        r"(?P<high>(?!))?(?P<more>(?!))?\s"
        r"(?:(?:pt|scheduled|booked|planned|visits|sessions|appointments|appts|therapy)\s){0,3}$"
    )


@cache
def _percent_before_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![\d./-])(?P<value>\d{1,3})(?:\s?%?\s?(?:-|–|or|(?P<to>to))\s?(?P<high>\d{1,3}))?"
        r"\s?(?:%|percent|pct)(?P<more>\+)?\s?(?:(?:or more|or better|sustained|pain|overall|subjective|total|of|symptom"
        r"|symptomatic|significant|good|excellent|initial)\s){0,2}$"
    )


def _number_before(kind: _Kind, moved: MovedWords, lower: str, start: int, end: int, lo: int) -> list[Measurement]:
    before = kind.before_name.search(lower, max(lo, start - 32), start) if kind.before_name is not None else None
    number = _plain(before["value"]) if before is not None else None
    if before is not None and number is not None and kind.form == "ratio":
        total = float(before["total"])
        number = round(100 * number / total, 1) if total >= max(number, _FEWEST_COUNTED) else None
    if before is None or number is None or not kind.low <= number <= kind.high:
        return []
    comparator: Comparator = ">=" if before["more"] else _bound_before(lower, before.start(), lo)
    if kind.at_least and comparator in (">", ">="):
        comparator = "="
    high = _plain(before["high"])
    one = Measurement(
        kind.concept, before.start("value"), end, before.start("value"), before.end(), number, kind.unit, comparator
    )
    if high is None:
        return [one]
    if not kind.low <= high <= kind.high:
        return []
    if before["to"] and has_moved(lower, before.start(), lo, number, high, moved):
        # "From 20 to 8 headache days"
        now = replace(one, value=high, value_start=before.start("high"), comparator="=")
        return [replace(one, value_end=before.end("value"), comparator="=", context="earlier"), now]
    return [replace(one, value=min(number, high), high=max(number, high))]


@cache
def _followed_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![\d./,])(?P<value>\d{{1,2}},\d{{3}}|{_NUMBER})(?:\s?(?:-|–|to)\s?\d{{1,4}})?\s?(?P<unit>%|percent)?\s{{0,2}}"
        r"(?:(?:total|daily|his|her|the|full|about|water|formula)\s)?$"
    )


def _followed_by_name(kind: _Kind, lower: str, start: int, end: int, lo: int) -> list[Measurement]:
    """A number whose name follows it; of a range its lower end."""
    offset = max(lo, start - 28)
    before = _followed_pattern().search(lower[offset:start])
    if before is None or (kind.unit_required and before["unit"] is None):
        return []
    number = float(before["value"].replace(",", ""))
    if not kind.low <= number <= kind.high:
        return []
    first = offset + before.start("value")
    return [Measurement(kind.concept, first, end, first, offset + before.end("value"), number, kind.unit)]


def _log_acuity(
    lower: str, start: int, end: int, first: int, last: int, number: float, comparator: Comparator, lo: int, hi: int
) -> Measurement:
    """A logMAR as the Snellen fraction it means: 0 is 20/20, 1 is 20/200."""
    acuity = _acuity(lower, start, end, round(20 * 10**number, 1), lo, hi)
    return replace(acuity, value_start=first, value_end=last, comparator=comparator)


@cache
def _modal_pattern() -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z]){_MODAL}(?![a-z])")


def _is_beside(one: Measurement, others: Sequence[Measurement], concepts: frozenset[str]) -> bool:
    return any(
        other.concept in concepts
        and other is not one
        and (0 <= one.start - other.end <= 40 or 0 <= other.start - one.end <= 40)
        for other in others
    )


@cache
def _or_more_pattern() -> re.Pattern[str]:
    return re.compile(
        r"\s?(?:(?P<more>\+(?![\w/])|(?:or|and) (?:more|greater|higher|above|over|worse)|and up)"
        r"|(?P<less>(?:or|and) (?:less|lower|below|under|fewer)))"
    )


def _comparator(words: str | None, lower: str, end: int, stop: int) -> Comparator:
    if words:
        return _COMPARATORS[words.strip()]
    after = _or_more_pattern().match(lower, end, stop)
    if after is None:
        return "="
    return ">=" if after.group("more") else "<="


_ROMAN = {"i": 1.0, "ii": 2.0, "iii": 3.0, "iv": 4.0}


def _plain(words: str | None) -> float | None:
    if not words:
        return None
    if words in _ROMAN:
        return _ROMAN[words]
    if words.startswith((".", "-")):
        return float(words)
    return to_number(words.replace(",", ""))


def _value(
    lexicon: MeasurementLexicon,
    kind: _Kind,
    lower: str,
    match: re.Match[str],
    stop: int,
    head_unit: str | None,
    *,
    unit_required: bool | None = None,
) -> tuple[float, float | None, int] | None:
    """(value, upper end, end of the value) in the kind's unit; None where it is implausible or in another unit."""
    end = match.end()
    if kind.form == "height" and match.group("feet"):
        centimetres = int(match.group("feet")) * 30.48 + float(match.group("inches") or 0) * 2.54
        return (round(centimetres, 1), None, end) if kind.low <= centimetres <= kind.high else None
    number = _plain(match.group("value"))
    if number is None:
        return None
    groups = match.groupdict()
    high = _plain(groups.get("high"))
    if kind.form == "ratio":
        whole = to_number(groups["total"] or "")
        if not whole or whole < max(number, _FEWEST_COUNTED):
            return None
        if "/" in match.group() and number < whole and number <= 12 and whole <= 31:
            # "Attended 9/14" is a day unless visits are spoken of.
            around = lower[max(0, match.start() - 16) : match.start()], lower[end : min(end + 24, stop)]
            if around[0].endswith(" on ") or around[1][:1] == "-" or not any(map(_counted_pattern().search, around)):
                return None
        return round(100 * number / whole, 1), None, end
    if groups.get("total"):
        total = to_number(groups["total"] or "")
        if total is None or int(total) not in kind.totals:
            return None
    unit = groups.get("unit")
    known = kind.factors.get(unit or head_unit or "")
    if unit is None and head_unit and lexicon.foreign.match(lower, end, stop):
        return None
    if known is not None:
        factor, offset = known
    else:
        needed = kind.unit_required if unit_required is None else unit_required
        if needed or kind.form == "height" or (kind.form == "arc" and high is None):
            return None
        if unit is None and not groups.get("total") and lexicon.foreign.match(lower, end, stop):
            return None
        factor, offset = 1.0, 0.0
        if kind.assume:
            for low, top, assumed, shift in kind.assume:
                if low <= number <= top:
                    factor, offset = assumed, shift
                    break
            else:
                return None
    number = number * factor + offset
    if groups.get("sign"):
        number = max(number + (0.5 if groups["sign"] == "+" else -0.25), 0.0)
    if groups.get("minutes"):
        if factor != 60:
            return None
        number += float(groups["minutes"] or 0)
    high = None if high is None else high * factor + offset
    if not kind.low <= number <= kind.high or (high is not None and not kind.low <= high <= kind.high):
        return None
    if high is not None and high < number and kind.form != "arc":
        number, high = high, number
    return round(number, 4), None if high is None else round(high, 4), end


@cache
def _sentence_start_pattern() -> re.Pattern[str]:
    return re.compile(r"[.!?;]\s|\n")


def _variant(
    kind: _Kind, lower: str, start: int, end: int, head_end: int, value_end: int, lo: int, hi: int
) -> tuple[str, str | None]:
    concept, context = kind.concept, None
    if not kind.variants:
        return concept, context
    before = lower[max(lo, start - 24) : start].rstrip(" \n-(:,")
    between = f" {lower[end:head_end]} "
    after = lower[value_end : min(hi, value_end + 32)].lstrip(" ,;)\n")
    sentence: str | None = None
    for variant in kind.variants:
        if (variant.concept and concept != kind.concept) or (variant.context and context is not None):
            continue
        if (
            any(_ends_with_word(before, words) for words in variant.before)
            or any(_holds(between, words) for words in variant.between)
            or any(_starts_with_word(after, words) for words in variant.after)
        ):
            matched = True
        elif variant.clause:
            if sentence is None:
                sentence = _sentence_before(lower, start, lo)
            matched = any(words in sentence for words in variant.clause)
        else:
            matched = False
        if matched:
            concept, context = variant.concept or concept, variant.context or context
    if kind.oxygen:
        if _flow_pattern().search(between) or _flow_pattern().match(after):
            context = "on_oxygen"
        elif context is None and _air_before_pattern().search(lower[max(lo, start - 12) : start]):
            context = "room_air"
    return concept, context


@cache
def _flow_pattern() -> re.Pattern[str]:
    return re.compile(rf"(?:(?:on|with|via|at)\s)?(?<![\d.]){_FLOW}")


@cache
def _air_before_pattern() -> re.Pattern[str]:
    return re.compile(r"(?<![a-z])(?:room air|ra|r\.a\.)\s$")


def _sentence_before(lower: str, start: int, lo: int) -> str:
    window = lower[max(lo, start - 100) : start]
    last = 0
    for match in _sentence_start_pattern().finditer(window):
        last = match.end()
    return window[last:]


def _ends_with_word(words: str, ending: str) -> bool:
    return words.endswith(ending) and (len(words) == len(ending) or not words[-len(ending) - 1].isalnum())


def _starts_with_word(words: str, beginning: str) -> bool:
    if not words.startswith(beginning):
        return False
    rest = words[len(beginning) :]
    # "AHI 9.4 /hr   supine 17.2": words with a value of their own begin the next item of a list.
    return not (rest[:1].isalpha() and beginning[-1].isalnum()) and not rest.lstrip(" :=")[:1].isdigit()


def _holds(words: str, sought: str) -> bool:
    at = words.find(sought)
    return at > 0 and not words[at - 1].isalnum() and not words[at + len(sought) : at + len(sought) + 1].isalnum()


# Scans start at what is rare ("/", " of 10", "%") and look back in a window of fixed size.
@cache
def _total_pattern() -> re.Pattern[str]:
    return re.compile(r"/\s?(?P<below>\d{1,3})(?![\d/%]|\.\d|-\d|[a-z+]|\s?mm|-(?!\s|>))")


@cache
def _spoken_total_pattern() -> re.Pattern[str]:
    return re.compile(r"of (?:a (?:possible|maximum) )?(?P<below>10|ten|5)(?![\d/%]|\.\d|[a-z])")


@cache
def _letters_pattern() -> re.Pattern[str]:
    """ "20/40+1", "20/30-2": a line read but for a few letters."""
    return re.compile(r"/(?P<below>\d{2,3})\s?[+-][1-5](?![\d/.%-])")


@cache
def _strength_pattern() -> re.Pattern[str]:
    """Five is scored of many things, so in words only what is said to be strength."""
    return re.compile(r"(?<![a-z])(?:strength|motor|power|mmt)(?![a-z])[^.\n]*$")


@cache
def _above_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![\d./,])(?<![a-z])(?P<value>\d{{1,2}}(?:\.\d)?|{WORD_NUMBER})(?:\s?(?:-|–|to"
        rf"|or)\s?(?P<high>\d{{1,2}}(?:\.5)?|{WORD_NUMBER}))?"
        r"(?P<sign>[+-])?\s?(?:out\s)?$"
    )


@cache
def _scale_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?:on|in) an? (?:(?:pain )?scale (?:of |from )?)?(?:(?:0|1|zero|one) ?(?:-|–|to|through) ?)?(?:10"
        r"|ten)(?![\d/])(?: scale| point scale|-point scale)?"
    )


_TOTALS = frozenset({5, 10})
_SNELLEN = frozenset(
    {
        10,
        12,
        13,
        15,
        16,
        20,
        25,
        30,
        32,
        35,
        40,
        45,
        50,
        60,
        63,
        70,
        80,
        100,
        125,
        150,
        160,
        200,
        250,
        300,
        320,
        400,
        500,
        600,
        640,
        800,
    }
)


class _Taken:
    """The spans of values already read, in order, so that no number is read twice."""

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        self._spans = sorted({(one.value_start, one.value_end) for one in measurements})

    def overlaps(self, start: int, end: int) -> bool:
        index = bisect.bisect_right(self._spans, (start, end))
        return any(low < end and start < high for low, high in self._spans[max(index - 2, 0) : index + 1])

    def add(self, measurements: Sequence[Measurement]) -> None:
        for one in measurements:
            bisect.insort(self._spans, (one.value_start, one.value_end))


def _fractions(lexicon: MeasurementLexicon, lower: str, lo: int, hi: int, taken: _Taken) -> list[Measurement]:
    """ "7/10" beside pain words, "4+/5" beside muscles, "20/50"."""
    more: list[Measurement] = []
    totals = [
        *_total_pattern().finditer(lower, lo, hi),
        *_letters_pattern().finditer(lower, lo, hi),
        *_spoken_total_pattern().finditer(lower, lo, hi),
    ]
    if "scale" in lower:
        totals += _scale_pattern().finditer(lower, lo, hi)
    for match in totals:
        below = match.groupdict().get("below") or "10"
        total = int(below) if below.isdigit() else 10
        if total not in _TOTALS and total not in _SNELLEN and total not in _METRES:
            continue
        window = lower[max(lo, match.start() - 24) : match.start()]
        above = _above_pattern().search(window)
        if above is None:
            continue
        start, end = match.start() - len(window) + above.start(), match.end()
        if taken.overlaps(start, end):
            continue
        read = _scored(lexicon, lower, start, end, above, total, lo, hi)
        if read is not None:
            more.append(read)
            taken.add([read])
    return more


def _scored(
    lexicon: MeasurementLexicon, lower: str, start: int, end: int, above: re.Match[str], below: int, lo: int, hi: int
) -> Measurement | None:
    """What a fraction with this total is, for the words around it; None where it is no measurement."""
    value, high = _plain(above.group("value")), _plain(above.group("high"))
    if value is None or (below != 20 and value > below and below in (5, 10)):
        return None
    sign = above.group("sign")
    if below == 10:
        pain = lexicon.anchored["pain_score"]
        if sign or _dated_before(lower, start, lo) or not _near(lower, start, end, lo, hi, pain):
            return None
        return _pain(start, end, value, high, pain.unit, _bound_before(lower, start, lo))
    if below == 5:
        strength = lexicon.anchored["muscle_strength"]
        if "of" in lower[start:end] and not _strength_pattern().search(lower[max(lo, start - 32) : start]):
            return None
        if _dated_before(lower, start, lo) or not (sign or _near(lower, start, end, lo, hi, strength)):
            return None
        graded = max(value + (0.5 if sign == "+" else -0.25 if sign == "-" else 0.0), 0.0)
        bound = _bound_before(lower, start, lo)
        return Measurement("muscle_strength", start, end, start, end, graded, strength.unit, bound, high=high)
    if value == 20 and below in _SNELLEN and high is None:
        # "On 20/12" is a date; nobody measures an acuity of a line that small.
        return (
            None if below < 15 and _dated_before(lower, start, lo) else _acuity(lower, start, end, float(below), lo, hi)
        )
    if value == 6 and below in _METRES and high is None and _names_acuity(lower, start, end, lo, hi):
        return _acuity(lower, start, end, round(below * 20 / 6, 1), lo, hi)
    return None


_METRES = frozenset({6, 9, 12, 18, 24, 36, 60})


@cache
def _acuity_before_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:(?P<sure>(?:visual )?acuity|bcva|ucva|vacc|vasc)|va|vision)"
        r"(?:[\s:=,]|is|was|of|(?P<named>od|os|ou|right|left|eye)(?![a-z])){1,8}$"
    )


@cache
def _eye_after_pattern() -> re.Pattern[str]:
    return re.compile(r"\s?\(?(?:(?:in|on|for)\s(?:(?:the|his|her)\s)?)?(?:od|os|ou|right eye|left eye)(?![a-z])")


def _names_acuity(lower: str, start: int, end: int, lo: int, hi: int) -> bool:
    """Whether a fraction in metres is an acuity: "6/12" alone is a date, so are "VA 6/12" and "OD 6/12"."""
    before = _acuity_before_pattern().search(lower[max(lo, start - 28) : start])
    if before is None:
        return False
    return bool(before["sure"] or before["named"] or _eye_after_pattern().match(lower, end, min(hi, end + 24)))


@cache
def _bound_pattern() -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z-])(?:{_COMPARATOR_WORDS})\s?$")


def _bound_before(lower: str, start: int, lo: int) -> Comparator:
    """The bound that stands directly before a value: "less than or equal to 2/10"."""
    match = _bound_pattern().search(lower[max(lo, start - 28) : start])
    return "=" if match is None else _COMPARATORS[match.group().strip()]


def _pain(start: int, end: int, value: float, high: float | None, unit: str, comparator: Comparator) -> Measurement:
    if high is not None and high < value:
        value, high = high, value
    return Measurement("pain_score", start, end, start, end, value, unit, comparator=comparator, high=high)


@cache
def _date_before_pattern() -> re.Pattern[str]:
    return re.compile(r"(?<![a-z])(?:since|dated?|until|through|thru|seen|visits?|attended|on)\s$")


def _dated_before(lower: str, start: int, lo: int) -> bool:
    return _date_before_pattern().search(lower[max(lo, start - 10) : start]) is not None


def _near(lower: str, start: int, end: int, lo: int, hi: int, anchored: _Anchored) -> bool:
    """One of the words stands in the same sentence: up to 120 characters before or 40 after."""
    before = lower[max(lo, start - 120) : start]
    cut = max(before.rfind(". "), before.rfind("\n\n"))
    before = before[cut + 1 :]
    after = lower[end : min(hi, end + 40)].split(". ", 1)[0]
    if anchored.not_words is not None and (
        anchored.not_words.search(before[-24:]) or anchored.not_words.search(after[:16])
    ):
        return False
    return anchored.words is None or bool(anchored.words.search(before) or anchored.words.search(after))


@cache
def _eye_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:(?P<right>od|right|re|r)|(?P<left>os|left|le|l)|(?P<both>ou|both eyes|bilateral(?:ly)?"
        r"|binocular)|(?P<fellow>(?:fellow|other|contralateral|opposite) eye))(?![a-z])"
    )


@cache
def _method_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:(?P<glare>bat|glare|brightness acuity)|(?P<uncorrected>uncorrected|ucva|vasc|sc"
        r"|without (?:correction|glasses))|(?P<pinhole>ph|pinhole|ni)"
        r"|(?P<near>near|jaeger)|(?P<corrected>bcva|mrx|mr|best[- ]corrected|corrected|corrects|cc|vacc"
        r"|with (?:best )?(?:correction|glasses|refraction)|w/ glasses|refraction|manifest))(?![a-z])"
    )


@cache
def _parenthesis_pattern() -> re.Pattern[str]:
    return re.compile(r"\([^()]{0,40}\)")


@cache
def _value_before_pattern() -> re.Pattern[str]:
    return re.compile(r"20/\d{2,3}(?:[+-]\d?)?\s?\(?(?:(?:in|on|for|with)\s(?:the|his|her)\s)?$")


@cache
def _in_the_eye_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?:[+-]\d?)?(?:\s\(?(?:in|on|for|with)\s(?:(?:the|his|her)\s)?(?=(?:right|left|both eyes|od|os|ou)(?![a-z]))"
        r"|,\s(?:the\s)?(?=(?:right|left)\seye(?=\s?(?:[.;)\n]|$))))"
    )


_OTHER_EYE = {"right": "left", "left": "right"}
_ACUITY = {
    "glare": "visual_acuity_glare", "uncorrected": "visual_acuity_uncorrected", "pinhole": "visual_acuity_pinhole",
    "near": "visual_acuity_near", "corrected": "visual_acuity_corrected",
}  # fmt: skip


def _acuity(lower: str, start: int, end: int, below: float, lo: int, hi: int) -> Measurement:
    """A Snellen fraction with its eye (the nearest named before it, else directly after) and how it was taken."""
    begin = max(lo, start - 100)
    window = _parenthesis_pattern().sub(lambda inside: " " * len(inside.group()), lower[begin:start])
    cut = max(window.rfind("\n"), window.rfind(". ")) + 1
    eye: str | None = None
    of_another = False
    for match in _eye_pattern().finditer(window, cut):
        # "right eye: 20/60; fellow eye 20/20": the other of the two.
        eye = _OTHER_EYE.get(eye or "") if match.lastgroup == "fellow" else match.lastgroup
        # "20/30 OD, 20/20 OS": the eye behind one value is not that of the next.
        of_another = _value_before_pattern().search(window, cut, match.start()) is not None
    stop = min(hi, end + 32)
    after = _eye_pattern().match(lower, end + 1, stop) if end + 1 < hi else None
    within = _in_the_eye_pattern().match(lower, end, stop)
    if within is not None:
        eye = _eye_pattern().match(lower, within.end(), stop).lastgroup  # type: ignore[union-attr]  # looked ahead
    elif after is not None and (eye is None or of_another or _eye_pattern().search(window[-8:]) is None):
        eye = after.lastgroup
    if eye is None and "\n" in lower[lo:start]:
        eye = _eye_of_column(lower, start, lo)
    method: str | None = None
    for match in _method_pattern().finditer(window, cut):
        method = match.lastgroup
    following = _method_pattern().match(lower, end + 1, min(hi, end + 20)) if end + 1 < hi else None
    if following is not None and following.lastgroup in ("corrected", "uncorrected"):
        method = following.lastgroup
    context = {"right": "right_eye", "left": "left_eye", "both": "both_eyes"}.get(eye or "")
    return Measurement(
        _ACUITY.get(method or "", "visual_acuity"), start, end, start, end, below, "{20/x}", context=context
    )


@cache
def _eyes_heading_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?P<first>od|re|right(?: eye)?|os|le|left(?: eye)?)[ \t|]+"
        r"(?P<second>od|re|right(?: eye)?|os|le|left(?: eye)?)"
        r"[ \t|]*$"
    )


def _eye_of_column(lower: str, start: int, lo: int) -> str | None:
    """The eye over the column a value stands in, where a line above names both eyes side by side and nothing after.

    Of two acuities in a line the first is under the first eye; one alone belongs to the eye whose word is nearer.
    """
    line = lower.rfind("\n", lo, start) + 1
    stop = lower.find("\n", start)
    row = lower[line : stop if stop >= 0 else len(lower)]
    values = [match.start() for match in re.finditer(r"\b20/\d{2,3}\b", row)]
    end = line - 1
    for _ in range(8):
        if end <= lo:
            return None
        begin = lower.rfind("\n", lo, end) + 1
        heading = _eyes_heading_pattern().search(lower[begin:end])
        if heading is not None:
            break
        end = begin - 1
    else:
        return None
    eyes = ["right" if heading[name][0] in "r" or heading[name] == "od" else "left" for name in ("first", "second")]
    if eyes[0] == eyes[1] or len(values) > 2:
        return None
    if len(values) == 2:
        return eyes[0] if start - line == values[0] else eyes[1]
    return (
        eyes[0]
        if abs(start - line - heading.start("first")) <= abs(start - line - heading.start("second"))
        else eyes[1]
    )


_CONVERTED = {
    "exertion": "spo2_exertion",
    "sleep": "spo2_sleep",
    "recovery": "spo2_recovery",
    "arrival": "spo2_arrival",
}
_SAME_PANEL = 48
_OF_OXIMETRY = frozenset({"spo2", "spo2_nadir", "spo2_exertion"})
OXIMETRY_UNITS = {
    "spo2_sleep": "%",
    "spo2_recovery": "%",
    "spo2_arrival": "%",
    "pao2_arrival": "mm[Hg]",
    "time_at_or_below_88": "min",
    "oxygen_flow": "L/min",
}
"""Concepts that only the surroundings of a value tell, and their units."""


def _oximetry(lower: str, lo: int, hi: int, found: Sequence[Measurement], taken: _Taken) -> list[Measurement]:
    """``found`` with saturations that have no name ("92% RA"), how each was measured, and the time below 88 %."""
    lows = list(time_below(lower, lo, hi))
    below = _Taken([Measurement("", a, b, a, b, 0.0, "") for a, b, _ in lows])
    named = [one for one in found if one.concept in _OF_OXIMETRY and not below.overlaps(one.value_start, one.value_end)]
    spans = sorted(
        [(one.value_start, one.value_end, None) for one in named]
        + [
            (one.start, one.end, one.value)
            for one in unnamed_saturations(lower, lo, hi)
            if not taken.overlaps(one.start, one.end) and not below.overlaps(one.start, one.end)
        ],
        key=lambda span: span[:2],
    )
    under = dict(
        zip([span[:2] for span in spans], conditions(lower, [span[:2] for span in spans], lo, hi), strict=True)
    )
    read = [
        one for one in found if one.concept not in _OF_OXIMETRY or not below.overlaps(one.value_start, one.value_end)
    ]
    gases = [one for one in read if one.concept == "pao2"]
    for place, one in enumerate(read):
        if one.concept in _OF_OXIMETRY and one.comparator == "=":
            condition = under[one.value_start, one.value_end]
            concept = one.concept
            if concept == "spo2" or (concept == "spo2_nadir" and condition.activity == "exertion"):
                concept = _CONVERTED.get(condition.activity or "", concept)
            panel = any(0 <= one.start - other.end <= _SAME_PANEL for other in gases)
            gas = one.context or condition.gas or (gas_of_panel(lower, one.start, lo) if panel else None)
            read[place] = replace(one, concept=concept, context=gas)
        elif one.concept == "pao2":
            gas = one.context or gas_of_panel(lower, one.start, lo)
            concept = "pao2_arrival" if arrival_of_panel(lower, one.start, lo) else "pao2"
            read[place] = replace(one, concept=concept, context=gas)
    for start, end, value in spans:
        condition = under[start, end]
        if value is not None and (condition.gas is not None or condition.activity == "exertion"):
            concept = _CONVERTED.get(condition.activity or "", "spo2")
            read.append(Measurement(concept, start, end, start, end, value, "%", context=condition.gas))
    read += [
        Measurement("oxygen_flow", a, b, a, b, value, "L/min", high=high)
        for a, b, value, high in oxygen_flows(lower, lo, hi)
    ]
    # "8 h 10 min recorded, 68 minutes below 88%": the minutes at a low saturation are no length of the recording.
    read = [one for one in read if one.concept != "sleep_time" or not below.overlaps(one.value_start, one.value_end)]
    known = _Taken([one for one in read if one.concept == "sleep_time"])
    read += [
        Measurement("sleep_time", a, b, a, b, minutes, "min")
        for a, b, minutes in time_recorded(lower, lo, hi)
        if not known.overlaps(a, b)
    ]
    read += [Measurement("time_at_or_below_88", a, b, a, b, minutes, "min") for a, b, minutes in lows]
    return read


def _events(lexicon: MeasurementLexicon, lower: str, lo: int, hi: int, taken: _Taken) -> list[Measurement]:
    """ "Total 139 events", "96 respiratory events"; "15 events per hour" is a rate, "adverse events" another thing."""
    more: list[Measurement] = []
    at = lower.find("events", lo, hi)
    while at != -1:
        end = at + 6
        before = _before_events_pattern().search(lower[max(lo, at - 40) : at])
        after = lower[end : min(hi, end + 16)].lstrip()
        if before is not None and not after.startswith(("/", "per ", "an hour", "a day", "each ")):
            start = at - len(before.group())
            number = float(before.group("value"))
            if 5 <= number <= 5000 and not taken.overlaps(start, end):
                more.append(
                    Measurement("event_count", start, end, start, end, number, lexicon.anchored["event_count"].unit)
                )
        elif before is None and not lower[max(lo, at - 3) : at].rstrip(" ")[-1:].isalnum():
            # "Events 65.": where the word begins an item of a report, the number follows it.
            counted = _after_events_pattern().match(lower, end, hi)
            if counted is not None and 5 <= int(counted["value"]) <= 5000:
                start, end = at, counted.end()
                if not taken.overlaps(start, end):
                    unit = lexicon.anchored["event_count"].unit
                    more.append(
                        Measurement(
                            "event_count", start, end, counted.start("value"), end, float(counted["value"]), unit
                        )
                    )
        at = lower.find("events", end, hi)
    if "hypopnea" in lower:
        for match in _sum_of_events_pattern().finditer(lower, lo, hi):
            value = float(match["value"])
            if 5 <= value <= 5000 and not taken.overlaps(match.start(), match.end()):
                unit = lexicon.anchored["event_count"].unit
                more.append(
                    Measurement("event_count", match.start(), match.end(), match.start(), match.end(), value, unit)
                )
    return more


@cache
def _sum_of_events_pattern() -> re.Pattern[str]:
    """ "141 apneas and hypopneas": what an index counts."""
    return re.compile(r"(?<![\d./])(?P<value>\d{1,4})\s(?:total\s)?apneas?\s?(?:and|\+|&|plus|/)\s?hypopneas?\b")


@cache
def _after_events_pattern() -> re.Pattern[str]:
    return re.compile(
        r"\s{0,3}[:=]?\s{1,3}(?P<value>\d{1,4})(?![\d/.]\d|\s?(?:/|per\b|an\b|%|days?\b|weeks?\b|months?\b|am\b|pm\b))"
    )


@cache
def _before_events_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z0-9./])(?P<value>\d{1,4})\s(?:(?:total|respiratory|obstructive|scored|apneic|combined"
        r"|disordered|breathing|sleep|hypopnea|apnea)\s){0,3}$"
    )


@cache
def _weight_pattern() -> re.Pattern[str]:
    return re.compile(r"\d[ -]?(?P<unit>kg|lbs?|pounds?|#)(?![a-z/])")


@cache
def _height_before_pattern() -> re.Pattern[str]:
    # "178 cm and 132 kg", "5 ft 3, 168 lb": a height beside a weight needs no names.
    return re.compile(
        r"(?<![\d./])(?P<height>(?P<feet>[3-7])[\s-]?(?:'|’|ft\.?|feet|foot)[\s-]?(?P<inches>\d{1,2})?\s?(?:\"|”|''|inches|in\.?)?"
        r"|(?P<in>[4-8]\d(?:\.5)?)\s?(?:\"|”|''|inches|in\.?)(?=,|\sand\s|\s?[/;&])"
        r"|(?P<cm>\d{2,3}(?:\.\d)?)\s?cm)(?:\s?(?:,|and|/|;|&|tall,?(?: and)?)\s?(?:weighs\s|weight\s|wt\s)?|\s)"
        r"(?P<weight>\d{2,3}(?:\.\d)?)$"
    )


def _body_size(lower: str, lo: int, hi: int, taken: _Taken) -> list[Measurement]:
    more: list[Measurement] = []
    for match in _weight_pattern().finditer(lower, lo, hi):
        at = match.start() + 1
        offset = max(lo, at - 48)
        size = _height_before_pattern().search(lower[offset:at])
        if size is None:
            continue
        feet = size.group("feet")
        if feet:
            height = int(feet) * 30.48 + int(size.group("inches") or 0) * 2.54
        else:
            height = float(size.group("in")) * 2.54 if size.group("in") else float(size.group("cm"))
        weight = float(size.group("weight")) * (1 if match.group("unit") == "kg" else 0.45359237)
        if 50 <= height <= 250 and 10 <= weight <= 400:
            start, middle = offset + size.start("height"), offset + size.end("height")
            if not taken.overlaps(start, middle):
                more.append(Measurement("body_height", start, middle, start, middle, round(height, 1), "cm"))
            begin, end = offset + size.start("weight"), match.end()
            if not taken.overlaps(begin, end):
                more.append(Measurement("body_weight", begin, end, begin, end, round(weight, 4), "kg"))
    named = [one for one in more if one.concept == "body_height"]
    at = lower.find("tall", lo, hi)
    while at != -1:
        offset = max(lo, at - 28)
        size = _tall_pattern().search(lower[offset:at])
        alone = not lower[at + 4 : min(at + 5, hi)].isalpha()
        if size is not None and alone and not any(one.start <= offset + size.start() < one.end for one in named):
            height = _tall(size)
            start, end = offset + size.start(), at + 4
            if 50 <= height <= 250 and not taken.overlaps(start, end - 5):
                more.append(Measurement("body_height", start, end, start, end - 5, round(height, 1), "cm"))
        at = lower.find("tall", at + 4, hi)
    return more


@cache
def _tall_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![\d./])(?:(?P<feet>[3-7])\s?(?:'|’|ft\.?|feet|foot)[\s,]{0,2}"
        r"(?:(?P<inches>\d{1,2}(?:\.5)?)\s?(?:\"|”|''|inches|inch|in\.?)?)?"
        r"|(?P<cm>\d{2,3}(?:\.\d)?)\s?(?:cm|centimeters)|(?P<m>[12]\.\d{1,2})\s?(?:m|meters)"
        r"|(?P<in>\d{2}(?:\.5)?)\s?(?:inches|in\.?|\"))\s$"
    )


def _tall(size: re.Match[str]) -> float:
    if size["feet"]:
        return int(size["feet"]) * 30.48 + float(size["inches"] or 0) * 2.54
    if size["cm"]:
        return float(size["cm"])
    return float(size["m"]) * 100 if size["m"] else float(size["in"]) * 2.54


def _computed_events(found: Sequence[Measurement]) -> Iterator[Measurement]:
    """How many events the diagnostic index means over the hours recorded, where the report does not count them.

    An index is events per hour (NCD 240.4), so index times hours is the count; the shortest time the report gives is
    taken, and fractions are dropped, so that the count is never too high.
    """
    if any(one.concept == "event_count" for one in found):
        return
    hours = [one for one in found if one.concept == "sleep_time" and one.comparator == "="]
    for index in found:
        if index.concept in ("ahi", "rdi") and index.comparator == "=" and hours:
            time = min(hours, key=lambda one: one.value)
            yield Measurement(
                "event_count", index.start, index.end, index.value_start, index.value_end,
                float(math.floor(index.value * time.value / 60)), "{events}",
                computed=True, parts=((index.start, index.end), (time.start, time.end)),
            )  # fmt: skip
            return


@cache
def _someone_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:(?P<other>mother|father|mom|dad|parents?|sisters?|brothers?|siblings?|twin|sons?|daughters?|aunt|uncle"
        r"|cousin|grand(?:mother|father|parents?|son|daughter)|husband|wife|spouse|partner|boyfriend|girlfriend|roommate"
        r"|infant|newborn|bab(?:y|ies)|neonate|fetus|donor)|(?P<self>patient|pt|he|she|himself|herself))(?![a-z])"
    )


@cache
def _another_time_pattern() -> re.Pattern[str]:
    return re.compile(
        r"[\s,(]{0,2}(?:(?:back )?in (?:19|20)\d\d|last (?:year|month|spring|summer|fall|winter)|(?:at|before|prior to|after)"
        r" (?:birth|surgery|pregnancy|delivery|the (?:surgery|operation|accident|pregnancy)|(?:his|her|my|their) \w{3,10})"
        r"|(?:about |around |over )?(?:\d{1,2}|an?|one|two|three|four|five|six|ten|several|few) (?:weeks?|months?|years?|yrs?"
        r"|mos?|wks?) ago|postpartum|as a (?:child|teen|teenager))(?![a-z])"
    )


def _is_own_and_current(one: Measurement, lower: str, lo: int, hi: int) -> bool:
    """Whether a height or weight is not said of a relative ("mother's height 62 in") or of another time."""
    who = None
    for match in _someone_pattern().finditer(_sentence_before(lower, one.start, lo)):
        who = match.lastgroup
    return who != "other" and not _another_time_pattern().match(lower, one.end, min(hi, one.end + 40))


def _computed_bmi(found: Sequence[Measurement], lower: str, lo: int, hi: int) -> Iterator[Measurement]:
    """The BMI of the height and the weight that stand closest together, where no BMI is stated."""
    if any(one.concept == "bmi" for one in found):
        return
    heights = [one for one in found if one.concept == "body_height" and one.comparator == "="]
    weights = [one for one in found if one.concept == "body_weight" and one.comparator == "="]
    if not heights or not weights:
        return
    heights = [one for one in heights[:8] if _is_own_and_current(one, lower, lo, hi)]
    weights = [one for one in weights[:8] if _is_own_and_current(one, lower, lo, hi)]
    if not heights or not weights:
        return
    height, weight = min(
        ((h, w) for h in heights for w in weights), key=lambda pair: abs(pair[0].start - pair[1].start)
    )
    value = weight.value / (height.value / 100) ** 2
    if 8 <= value <= 120 and math.isfinite(value):
        yield Measurement(
            "bmi", weight.start, weight.end, weight.value_start, weight.value_end, round(value, 1), "kg/m2",
            computed=True, parts=((height.start, height.end), (weight.start, weight.end)),
        )  # fmt: skip
