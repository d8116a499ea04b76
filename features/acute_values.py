"""Values of acute illness that follow from two numbers or from the way blood gases and oxygen flows are written.

``creatinine_rise`` and ``hemoglobin_fall``: "Cr 2.4 (base 1.6)", "Hgb 8.9 -> 6.6", "creatinine up to 3.4 from 1.1".
``blood_ph``, ``paco2``, ``pao2`` of "ABG 7.24/58/61". ``oxygen_flow_above_home`` in litres a minute where
the same document says what is used at home. Windows are of fixed size, so cost is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from features.measurements import Measurement
from features.numbers import lowered
from features.stretches import matches_near, places

_REACH = 56
_VALUE = (
    r"(?P<other>\d{1,2}(?:\.\d{1,2})?)(?![\d/%]|\.\d|\s?(?:mg/kg|days?|d\b|h\b|hrs?\b|wks?|units?|u\b|l\b|ml|yrs?))"
)
_TIME = r"(?:\s?(?:\([^()\n]{0,24}\)|(?:on|at|this am|today|now|here)\s?(?:\d{1,2}/\d{1,2})?))?"
_EARLIER = re.compile(
    rf"{_TIME}[\s,;]{{0,2}}(?:\(\s?)?(?:up|down|increased|decreased|rising|risen|dropped|dropping|falling|fallen|worse|fell)?\s?"
    rf"(?:base(?:line)?|b/l|bl|usual(?:ly)?|normal(?:ly)?|prior|previously|previous|was|from|<-+|←|last)\s?(?:cr|creatinine|hgb|hb)?\s?"
    rf"(?:of|is|was|at|about|around|~|:|=)?\s?~?{_VALUE}"
)
_LATER = re.compile(rf"{_TIME}\s?(?:-+>|=>|→|>|to|then|now)\s?{_VALUE}")
_BRACKET = re.compile(
    rf"\s?\(\s?{_VALUE}(?:\s(?:on|in|at|yest|yesterday|adm|admission|last|before|\d)[^()\n]{{0,20}})?\s?\)"
)
_MOVED_TO = re.compile(r"(?P<first>\d{1,2}(?:\.\d{1,2})?)\s?to\s?(?P<last>\d{1,2}(?:\.\d{1,2})?)[^\d]*")
_CHRONIC_BEFORE = re.compile(r"(?:from|baseline|base|prior|previous|goal)\s?(?:of|cr|creatinine|hgb)?\s?$")
_GAS = re.compile(
    r"(?<![a-z])(?P<kind>abg|vbg)s?(?![a-z])[^;\n]{0,28}?(?<![\d.])(?P<ph>[67]\.\d{1,2})"
    r"(?:\s?/\s?(?:pa?co2\s)?(?P<co2>\d{2,3})(?:\s?/\s?(?:pa?o2\s)?(?P<o2>\d{2,3}))?)?"
)
# A pattern that begins with a plain set of characters scans fastest, so the lookbehind stands after the first digit.
_FLOW = re.compile(
    r"(?P<flow>\d(?<![\d.,/].)\d?(?:\.\d)?)\s?-?(?:l(?:pm)?|liters?|litres?)(?![a-z])(?:\s?/\s?min(?:ute)?| per minute)?"
)
_FLOW_WORD = re.compile(
    r"(?:(?<![a-z])(?:on|o2|oxygen|nc|cannula|hfnc|optiflow|flow|needs?|needing|requires?|requiring|required|up to|at|to|via"
    r"|continues?|home|setting|wears?|baseline)\s?(?:of|at|is|:|about|currently|still|now)?\s?(?:\+)?|%[\s,]{0,2})$"
)
_FLOW_AFTER = re.compile(
    r"\s?(?:of\s)?(?:by\s|via\s|on\s)?(?:nc|n/c|nasal|o2|oxygen|hfnc|oxymizer|supplemental|simple|mask|high)(?![a-z])|\s?\(?home"
)
_NOT_OXYGEN = re.compile(
    r"^\s?(?:lr|ns|saline|of (?:lr|ns|fluid|crystalloid|urine|iv)|iv|bolus|fluid|fluids|urine|uop|net|positive|negative"
    r"|crystalloid|ringer)"
)
_HOME_FLOW = re.compile(
    r"(?<![a-z])(?:home|baseline|base|chronic|chronically|usual|usually|normally|always|own|hers|dependent"
    r"|around the clock|all day|at night)(?![a-z])"
)
_HOME_AFTER = re.compile(
    r"(?:[\s(]|nc|n/c|o2|oxygen|via|by|nasal|cannula|/min)*(?:at\s)?(?:her\s|his\s)?(?:home|baseline|chronic(?:ally)?)(?![a-z])"
    r"(?!\s(?:is\s)?(?:ra|room air)(?![a-z]))|[\s,(]{0,3}(?:all day|around the clock|24/7)(?![a-z])"
)
_PAST_FLOW = re.compile(
    r"(?<![a-z])(?:was|from|initially|yesterday|yest|earlier|trial|if|goal|wean to|until)\s?(?:on\s|at\s)?$"
)
_ROOM_AIR_AT_HOME = re.compile(
    r"(?:no|not on|without|never|denies)\s(?:any\s)?(?:home|chronic|baseline)\s(?:o2|oxygen)"
    r"|home\s(?:o2|oxygen)\s?:?\s?(?:none|no)(?![a-z])"
    r"|(?:no|not on|without)\s(?:o2|oxygen)\s(?:at\s)?(?:home|baseline)|none at home"
    r"|(?:ra|room air)[\s(]{1,2}(?:at\s)?(?:baseline|base|home)"
    r"|(?<![a-z])(?:baseline|base|at home|home)[\s:(]{1,2}(?:is\s|on\s)?(?:ra|room air)(?![a-z])"
    r"|(?:ra|room air)\s(?:is\s)?(?:his|her)?\s?baseline"
)
OF_THE_DAY = frozenset(
    {
        "body_temperature", "heart_rate", "respiratory_rate", "blood_pressure_systolic", "blood_pressure_diastolic",
        "mean_arterial_pressure", "lactate", "creatinine", "hemoglobin", "sodium", "potassium", "bicarbonate", "anion_gap",
        "blood_ph", "paco2", "blood_ketones", "white_count", "neutrophil_count", "creatinine_rise", "hemoglobin_fall",
    }
)  # fmt: skip
"""Values that change within a day, so that those of the arrival in hospital are not those of a later day."""
_ARRIVAL = re.compile(
    r"(?<![a-z])(?:admitted|admit (?:on|with)|adm (?:on|with|w/)|presented|presenting|presentation|arrival|arrived"
    r"|on admission|at admission|adm:|initial(?:ly)?|came (?:in|to|with|by)|brought (?:in|to)|in (?:the )?(?:ed|er)"
    r"|(?:ed|er)(?=[\s:])|triage|field|ems)(?![a-z])",
    re.IGNORECASE,
)
_SINCE_THEN = re.compile(
    r"(?<![a-z])(?:now|today|todays|today's|currently|current|this (?:am|morning|afternoon)|since|overnight"
    r"|(?:last|past) 24|24 ?h|vs|vitals|obj|o:|hd|improved to|down to)(?![a-z])|->|→|;",
    re.IGNORECASE,
)
_LOOK_BACK = 140


def is_of_arrival(text: str, start: int, sentence: int) -> bool:
    """Whether a value at ``start`` is told of the arrival in hospital: "admitted with T 39.4, HR 124; now 37.0, 82"."""
    before = text[max(sentence, start - _LOOK_BACK) : start]
    last = None
    for match in _ARRIVAL.finditer(before):
        last = match
    return last is not None and _SINCE_THEN.search(before, last.end()) is None


def find_acute_values(text: str, measured: Sequence[Measurement]) -> list[Measurement]:
    """Every such value in ``text``; ``measured`` are the values already read from it."""
    lower = lowered(text)
    found: list[Measurement] = []
    for one in measured:
        if one.comparator == "=" and one.concept in ("creatinine", "hemoglobin"):
            found += _moved(lower, one)
    if "bg" in lower:
        found += _gases(lower, measured)
    found += _flows(lower)
    found.sort(key=lambda one: (one.start, one.concept))
    return found


def _moved(lower: str, one: Measurement) -> Iterator[Measurement]:
    """The change between a value and the one told beside it; only a change for the worse is one."""
    if _CHRONIC_BEFORE.search(lower, max(0, one.value_start - 16), one.value_start):
        return
    if one.high is not None:
        # "Cr 1.1 to 3.4" has moved, "Cr 1.1-1.4" is a range.
        words = _MOVED_TO.fullmatch(lower, one.value_start, one.value_end)
        if words is not None:
            yield _change(one, float(words["first"]), float(words["last"]), one.value_end)
        return
    stop = min(len(lower), one.value_end + _REACH)
    for pattern, later in ((_EARLIER, False), (_BRACKET, False), (_LATER, True)):
        match = pattern.match(lower, one.value_end, stop)
        if match is None:
            continue
        other = float(match["other"])
        low, high = (0.2, 20.0) if one.concept == "creatinine" else (3.0, 20.0)
        if not low <= other <= high:
            return
        first, last = (one.value, other) if later else (other, one.value)
        yield _change(one, first, last, match.end())
        return


def _change(one: Measurement, first: float, last: float, end: int) -> Measurement:
    """How much worse: a rise of creatinine, a fall of hemoglobin."""
    rises = one.concept == "creatinine"
    change = round(last - first if rises else first - last, 2)
    name = "creatinine_rise" if rises else "hemoglobin_fall"
    return Measurement(name, one.start, end, one.value_start, end, change, one.unit, computed=True)


def _gases(lower: str, measured: Sequence[Measurement]) -> Iterator[Measurement]:
    taken = [(one.value_start, one.value_end) for one in measured if one.concept == "blood_ph"]
    for match in _GAS.finditer(lower):
        for name, group, unit, low, high in (
            ("blood_ph", "ph", "[pH]", 6.6, 7.8), ("paco2", "co2", "mm[Hg]", 10, 180), ("pao2", "o2", "mm[Hg]", 20, 600),
        ):  # fmt: skip
            if match[group] is None or (name == "pao2" and match["kind"] == "vbg"):
                continue
            start, end = match.span(group)
            value = float(match[group])
            if low <= value <= high and not any(a < end and start < b for a, b in taken):
                yield Measurement(name, match.start(), end, start, end, value, unit)


def _is_on_room_air_at_home(lower: str) -> bool:
    around = places(("home", "base", "chronic"), lower, 0, len(lower))
    near = matches_near(_ROOM_AIR_AT_HOME, around, lower, _REACH, _REACH, 0, len(lower))
    return next(near, None) is not None


def _flows(lower: str) -> Iterator[Measurement]:
    home: float | None = None
    current: list[Measurement] = []
    for match in _FLOW.finditer(lower):
        before, after = lower[max(0, match.start() - 40) : match.start()], lower[match.end() : match.end() + 24]
        if _NOT_OXYGEN.match(after) or not (_FLOW_WORD.search(before) or _FLOW_AFTER.match(after)):
            continue
        value = float(match["flow"])
        near = before[max(before.rfind("."), before.rfind("\n"), before.rfind(";")) + 1 :][-26:]
        if _HOME_FLOW.search(near) or _HOME_AFTER.match(after):
            home = value if home is None else max(home, value)
            continue
        if _PAST_FLOW.search(before) or not 0.25 <= value <= 70:
            continue
        current.append(
            Measurement("oxygen_flow", match.start(), match.end(), match.start(), match.end(), value, "L/min")
        )
    if current and home is None and _is_on_room_air_at_home(lower):
        home = 0.0
    if home is not None:
        for one in current:
            yield Measurement(
                "oxygen_flow_above_home",
                one.start,
                one.end,
                one.start,
                one.end,
                round(one.value - home, 2),
                "L/min",
                computed=True,
            )
