"""Hospital stays, starts of care and how often a nurse or therapist comes, as numbers.

``inpatient_midnights`` (d): stated ("six inpatient midnights") or counted from the day of the inpatient order to the day of
discharge, which is not itself counted (42 CFR 409.30(a)). ``days_from_discharge_to_facility`` (d): from the hospital's
discharge to the first day in a skilled facility, the document's date where that day is not named.
``days_from_encounter_to_start`` (d): from the face-to-face encounter to the start of home care, negative where the
encounter came later. ``nursing_visits_per_week`` and ``therapy_sessions_per_week`` (1/wk): "SN 3w6", "PT 5x/wk",
"nursing twice weekly", "SN 1 visit q 28 days".

Every pattern looks at a window of fixed size around a word that is rare, so cost is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache

from features.dates import DateMention
from features.measurements import Measurement
from features.numbers import WORD_NUMBER, lowered, to_number
from features.stretches import matches_near, places, places_of

ORDERED = frozenset({"nursing_visits_per_week", "therapy_sessions_per_week"})
"""Numbers that are orders: that they lie ahead takes nothing from them."""

_LONGEST_STAY = 200
_LONGEST_GAP = 400
_BEFORE_DATE = 48
"""Characters before a date in which the word stands that says what happened on that day."""
_STAY_REACH = 320
"""Characters from the beginning of a stay to its end."""
_SERVICE_BEFORE = 44
_SERVICE_AFTER = 44
_FEWEST_COUNTED_DAYS = 4
"""A stay told in fewer days may count the day of discharge; from here on one day less still is three midnights."""

_NUMBER = rf"(?:\d{{1,3}}|{WORD_NUMBER})"
_INPATIENT = r"(?:in-?patient|inpt|i\.?p\.?)"


@cache
def _midnights() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![a-z0-9./-])(?P<n>{_NUMBER})(?:\s?(?:-|–|to)\s?(?P<high>{_NUMBER}))?[\s-](?:full\s|consecutive\s|qualifying\s|acute\s)*"
        rf"(?:{_INPATIENT}[\s-]|hospital\s)?(?:midnights?|mns?|nights?\s(?:as\s(?:an\s)?)?{_INPATIENT})(?![a-z])"
        rf"|(?<![a-z]){_INPATIENT}\s(?:midnights?|mns?|nights?)\s?(?::|=|were|was|counted)\s?(?P<told>{_NUMBER})(?![a-z0-9]|[./]\d)"
    )


@cache
def _days_inpatient() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![a-z0-9./-])(?P<n>{_NUMBER})[\s-]days?\s(?:of\s|as\s(?:an\s)?)?(?:acute\s)?{_INPATIENT}(?![a-z])"
        rf"|(?<![a-z]){_INPATIENT}\s(?:los\s|stay\s)?(?:of\s|x\s?|for\s|was\s|:\s?)?(?P<m>{_NUMBER})\s?(?:d|days?)(?![a-z])"
        rf"|(?<![a-z])los\s?:?\s(?:of\s|was\s)?(?P<los>{_NUMBER})\s?(?:d|days?),?\s{_INPATIENT}(?![a-z])"
        rf"|(?<![a-z]){_INPATIENT}\s(?:hd|hospital\sday|day)\s?#?(?P<hd>\d{{1,3}})(?!\d)"
    )


_NOT_A_STAY = re.compile(
    r"(?:expect\w*|anticipat\w*|estimat\w*|project\w*|requir\w*|need\w*|minimum|at least|must|observation|obs|goal|est)"
    r"[^.;\n]{0,24}$"
)
# A pattern that begins with a plain letter scans fastest, so the lookbehind stands after it.
_INPATIENT_WORD = re.compile(r"i(?<![a-z].)(?:n-?patient|npt|\.?p\.?)(?![a-z])")
_NIGHT_WORDS = ("night", "mn")
_LONGEST_NIGHTS = 120
"""More characters than the longest way to count nights or days in hospital has."""
_NOT_COUNTED = re.compile(
    r"(?<![a-z])(?<!no )(?<!zero )(?<!without )(?:obs(?:ervation|erved)?|required|needed|rule|requirement)(?![a-z])"
)
_ORDERED = re.compile(rf"(?<![a-z]){_INPATIENT}(?![a-z])[^.;\n]{{0,40}}$")
_NEVER_ORDERED = re.compile(rf"\b(?:not?|never|without|denied)\s(?:an?\s)?{_INPATIENT}")
_ENDED = re.compile(
    r"(?:(?<![a-z])(?:discharged?|d/?c(?:'?d|ed)?|transferred|transfer|to|until|through|thru|till)(?![a-z])|-+>?|–|—|→)"
    r"[^.;\n]{0,26}$"
)
_DISCHARGED = re.compile(r"(?<![a-z])(?:discharged?|d/?c(?:'?d|ed)?|left the hospital)(?![a-z])[^.;\n]{0,30}$")
_NOT_FROM_HOSPITAL = re.compile(r"(?:snf|facility|therapy|pt|drain|foley|line|picc|iv|meds?|drip|gtt)\b[^.;\n]{0,20}$")
_FACILITY = re.compile(
    r"(?<![a-z])(?:snf|skilled\s(?:nursing\s)?(?:facility|rehab)|nursing\sfacility)(?![a-z])[^.;\n]{0,30}$"
    r"|(?<![a-z])(?:admit|admitted|admission|transfer|start)\sto\s(?:snf|skilled)[^.;\n]{0,30}$"
)
_ENCOUNTER = re.compile(r"(?<![a-z])(?:f2f|ftf|face[\s-]to[\s-]face)(?![a-z])[^.;\n]{0,40}$")
_START_OF_CARE = re.compile(
    r"(?<![a-z])(?:soc|start of care|home health (?:started|start|began))(?![a-z])[^.;\n]{0,22}$"
)


def find_care_calendar(text: str, dates: Sequence[DateMention], today: date | None) -> list[Measurement]:
    """Every such number in ``text``, in order; ``dates`` are the text's dates, ``today`` the document's."""
    lower = lowered(text)
    days = [mention for mention in dates if mention.precision == "day"]
    found: list[Measurement] = []
    inpatient = places_of(_INPATIENT_WORD, lower, 0, len(lower))
    if inpatient:
        found += _stays(lower, days, inpatient)
    if "snf" in lower or "skilled" in lower or "nursing facility" in lower:
        found += _to_facility(lower, days, today)
    if "f2f" in lower or "ftf" in lower or "face" in lower:
        found += _encounter_to_start(lower, days)
    found += _frequencies(lower)
    found.sort(key=lambda one: (one.start, one.concept))
    return found


def _value(concept: str, start: int, end: int, value: float, unit: str = "d", *, computed: bool = False) -> Measurement:
    return Measurement(concept, start, end, start, end, value, unit, computed=computed)


def _stays(lower: str, days: Sequence[DateMention], inpatient: Sequence[int]) -> Iterator[Measurement]:
    nights = places(_NIGHT_WORDS, lower, 0, len(lower))
    for match in matches_near(_midnights(), nights, lower, _LONGEST_NIGHTS, _LONGEST_NIGHTS, 0, len(lower)):
        number = to_number(match["n"] or match["told"])
        if number is None or not 1 <= number <= _LONGEST_STAY:
            continue
        before, after = lower[max(0, match.start() - 100) : match.start()], lower[match.end() : match.end() + 30]
        if _NOT_A_STAY.search(before) or _NOT_COUNTED.search(after):
            continue
        if not _INPATIENT_WORD.search(before + match.group() + after):
            continue  # nights under observation and in the emergency department do not count
        yield _value("inpatient_midnights", match.start(), match.end(), number)
    for match in matches_near(_days_inpatient(), inpatient, lower, _LONGEST_NIGHTS, _LONGEST_NIGHTS, 0, len(lower)):
        number = to_number(match["n"] or match["m"] or match["los"] or match["hd"])
        if number is None or not _FEWEST_COUNTED_DAYS <= number <= _LONGEST_STAY:
            continue
        if _NOT_A_STAY.search(lower, max(0, match.start() - 60), match.start()):
            continue
        yield _value("inpatient_midnights", match.start(), match.end(), number - 1)
    for began, ended in _dated_stays(lower, days):
        stayed = (ended.first - began.first).days
        if 0 < stayed <= _LONGEST_STAY:
            yield _value("inpatient_midnights", began.start, ended.end, float(stayed), computed=True)


def _dated_stays(lower: str, days: Sequence[DateMention]) -> Iterator[tuple[DateMention, DateMention]]:
    """The day of each inpatient order with the day the stay ended."""
    words = _starts_of_words(days)
    for number, began in enumerate(days):
        before = lower[words[began.start] : began.start]
        if not _ORDERED.search(before) or _NEVER_ORDERED.search(before):
            continue
        for ended in days[number + 1 :]:
            if ended.start - began.end > _STAY_REACH:
                break
            leads = lower[max(words[ended.start], ended.start - 40) : ended.start]
            entry = _FACILITY.search(leads) and not _DISCHARGED.search(leads)
            if ended.first > began.first and _ENDED.search(leads) and not entry:
                yield began, ended
                break


def _starts_of_words(days: Sequence[DateMention]) -> dict[int, int]:
    """Where the words begin that say what a date is for: after the date before it, and not too far."""
    previous = 0
    begins: dict[int, int] = {}
    for mention in days:
        begins[mention.start] = max(previous, mention.start - _BEFORE_DATE, 0)
        previous = mention.end
    return begins


def _to_facility(lower: str, days: Sequence[DateMention], today: date | None) -> Iterator[Measurement]:
    discharges = [ended for _, ended in _dated_stays(lower, days)]
    starts = _starts_of_words(days)
    for mention in days:
        before = lower[starts[mention.start] : mention.start]
        said = _DISCHARGED.search(before)
        if said and not _NOT_FROM_HOSPITAL.search(before[: said.start()]):
            discharges.append(mention)
    entries = [m for m in days if _FACILITY.search(lower, starts[m.start], m.start)]
    entries = [m for m in entries if m not in discharges]
    entry = max((m.first for m in entries), default=today)
    if entry is None:
        return
    known = [m for m in discharges if (entry - m.first).days <= _LONGEST_GAP]
    if known:
        last = max(known, key=lambda m: m.first)
        yield _value(
            "days_from_discharge_to_facility",
            last.start,
            last.end,
            float(max((entry - last.first).days, 0)),
            computed=True,
        )


def _encounter_to_start(lower: str, days: Sequence[DateMention]) -> Iterator[Measurement]:
    words = _starts_of_words(days)
    encounters = [m for m in days if _ENCOUNTER.search(lower, words[m.start], m.start)]
    starts = [m for m in days if _START_OF_CARE.search(lower, words[m.start], m.start)]
    if encounters and starts:
        start = starts[0]
        for encounter in encounters:
            gap = (start.first - encounter.first).days
            if abs(gap) <= _LONGEST_GAP:
                yield _value("days_from_encounter_to_start", encounter.start, encounter.end, float(gap), computed=True)


@cache
def _often() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![a-z0-9./-])(?:"
        rf"(?P<code>[1-7])\s?w\s?\d{{1,2}}(?![a-z0-9])"
        rf"|(?P<n>{_NUMBER})(?:\s?(?:-|–|to)\s?\d{{1,2}})?\s?(?:x|times?|visits?|sessions?|days?|d)?\s?"
        rf"(?:/\s?|per\s|a\s|each\s|every\s|weekly|q\s?|(?<=x)\s?|(?<=x\s))(?:wk|week)?(?P<weekly>(?<=wk)|(?<=week)|(?<=weekly))(?![a-z])"
        rf"|(?P<once>once|twice|thrice)(?:\s?-?\s?weekly|\s(?:a|per|each|every)\s(?:wk|week))(?![a-z])"
        rf"|(?P<monthly>(?:once\s(?:a|per|every)\s|every\s|each\s|q\s?)month|monthly)(?![a-z])"
        rf"|(?:q|every)\s?(?P<every>\d{{1,3}}|two|three|four|other)\s?(?P<unit>d|days?|wks?|weeks?|mos?|months?)(?![a-z0-9])"
        rf"|(?P<days>m\s?[/,-]?\s?w\s?[/,-]?\s?f|mon(?:day)?\s?[/,]\s?wed(?:nesday)?\s?[/,]\s?fri(?:day)?)(?![a-z])"
        rf"|(?P<qod>qod|every\sother\sday)(?![a-z])"
        rf"|(?P<daily>daily|every\sday|each\sday|24\s?/\s?7)(?![a-z])"
        rf"|(?P<week>weekly|q\s?wk|q\s?week|every\sweek)(?![a-z])"
        r")"
    )


_NURSING = r"(?:s\.?n\.?|r\.?n\.?|lpn|skilled nurs(?:ing|e)|nursing|nurses?)"
_THERAPY = (
    r"(?:p\.?t\.?|o\.?t\.?|s\.?l\.?p\.?|physical therapy|occupational therapy|speech therapy|therapy|therapies|rehab)"
)
_OTHER = r"(?:aide|hha|msw|labs?|bmp|cbc|cmp|crp|weights?|photos?|measure\w*|foley|catheter|weigh)"
_SERVICE_WORD = re.compile(
    rf"(?<![a-z.])(?:(?P<nursing>{_NURSING})|(?P<therapy>{_THERAPY})|(?P<other>{_OTHER}))(?![a-z])"
)
_ONCE = {"once": 1.0, "twice": 2.0, "thrice": 3.0}
_CONCEPT = {"nursing": "nursing_visits_per_week", "therapy": "therapy_sessions_per_week"}


def _frequencies(lower: str) -> Iterator[Measurement]:
    """How often a nurse or a therapist comes; a code in a list ("SN 3w5, 2w2") belongs to the service that opens it."""
    carried: tuple[str, int] | None = None
    spoken_of = False
    for match in _said_often(lower):
        rate = _rate(match)
        if rate is None:
            continue
        if not spoken_of and _SERVICE_WORD.search(lower) is None:
            return
        spoken_of = True
        service = _service(lower, match.start(), match.end())
        if service is None and carried is not None and match.start() - carried[1] <= 24:
            between = lower[carried[1] : match.start()]
            service = carried[0] if not re.search(r"[.;\n]|(?<![a-z])(?:" + _OTHER + r")(?![a-z])", between) else None
        if service is None:
            continue
        carried = (service, match.end())
        yield _value(_CONCEPT[service], match.start(), match.end(), rate, "1/wk")


_OFTEN_WORDS = ("month", "daily", "every", "each", "24", "qod")
_OFTEN_W = re.compile(r"w(?:\s?\d|\s?[/,-]?\s?f|eek|k|ed)")
_OFTEN_Q = re.compile(r"q\s?(?:\d|t|f|o|m|w)")
_LONGEST_FREQUENCY = 60
"""More characters than the longest way to say how often has."""


def _said_often(lower: str) -> Iterator[re.Match[str]]:
    """Every place that says how often; searched for only around what each of them holds, which is rare."""
    whole = (lower, 0, len(lower))
    around = sorted([*places(_OFTEN_WORDS, *whole), *places_of(_OFTEN_W, *whole), *places_of(_OFTEN_Q, *whole)])
    return matches_near(_often(), around, lower, _LONGEST_FREQUENCY, _LONGEST_FREQUENCY, 0, len(lower))


def _rate(match: re.Match[str]) -> float | None:
    kind = match.lastgroup
    if match["code"]:
        return float(match["code"])
    if match["n"]:
        number = to_number(match["n"])
        return number if number is not None and 0 < number <= 21 else None
    if match["once"]:
        return _ONCE[match["once"]]
    if match["every"]:
        words = match["every"]
        count = 2.0 if words == "other" else to_number(words)
        if not count:
            return None
        days = {"d": 1.0, "w": 7.0, "m": 30.4375}[match["unit"][0]]
        return round(7.0 / (count * days), 3)
    return {"monthly": 0.23, "days": 3.0, "qod": 3.5, "daily": 7.0, "week": 1.0}.get(kind or "")


def _service(lower: str, start: int, end: int) -> str | None:
    """The service named last before the words (in their line), else first after them."""
    before = lower[max(0, start - _SERVICE_BEFORE) : start]
    before = before[max(before.rfind("\n"), before.rfind(";"), before.rfind(". ")) + 1 :]
    last = None
    for match in _SERVICE_WORD.finditer(before):
        last = match
    if last is not None and not _often().search(before, last.end()):
        return None if last["other"] else ("nursing" if last["nursing"] else "therapy")
    after = lower[end : end + _SERVICE_AFTER]
    after = after[
        : min(
            [at for at in (after.find("\n"), after.find(";"), after.find(". "), after.find(",")) if at >= 0],
            default=len(after),
        )
    ]
    first = _SERVICE_WORD.search(after)
    if first is None or first["other"]:
        return None
    return "nursing" if first["nursing"] else "therapy"
