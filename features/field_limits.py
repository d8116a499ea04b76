"""Upper visual fields with the lids at rest and taped: "OD untaped 18 deg, taped 44", "62% loss", tables of both eyes.

The numbers say little alone: each belongs to an eye and to a state of the lids, named before it (also once for several:
"Untaped: OD 18, OS 20") or right after it ("18 degrees untaped"), or by the column of a table. What the
field gains when the lids are taped is computed from both. Where both eyes have a value, the worse stands for both. Cost is
linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

from features.stretches import matches_near, places, places_of

AT_REST = "superior_field_at_rest"
TAPED = "superior_field_taped"
LOST_AT_REST = "superior_field_lost_at_rest"
LOST_TAPED = "superior_field_lost_taped"
GAIN = "superior_field_gain"
GAIN_PERCENT = "superior_field_gain_percent"
FIXATION_LOSSES = "fixation_losses"
FIELD_UNITS = {
    AT_REST: "deg",
    TAPED: "deg",
    LOST_AT_REST: "%",
    LOST_TAPED: "%",
    GAIN: "deg",
    GAIN_PERCENT: "%",
    FIXATION_LOSSES: "%",
}
_WIDEST = 80.0
_MOST_TOKENS = 400


@dataclass(frozen=True, slots=True)
class FieldValue:
    """``text[start:end]`` gives ``value`` of ``concept``; ``eye`` is ``right_eye``, ``left_eye`` or ``both_eyes``."""

    concept: str
    start: int
    end: int
    value: float
    eye: str | None


@cache
def _anchor() -> re.Pattern[str]:
    return re.compile(
        r"\b(?:untaped|taped|taping|visual fields?|superior fields?|perimetry|goldmann|humphrey|hvf|octopus)\b"
        r"|\bfields?\b[^.\n]{0,60}\b(?:tape|rest|lids?)\b"
    )


_LONGEST_ANCHOR = 100
_ANCHORS = ("tape", "taping", "field", "perimetry", "goldmann", "humphrey", "hvf", "octopus")
"""One of these stands in all that :func:`_anchor` finds."""


@cache
def _words() -> re.Pattern[str]:
    """Eyes, states of the lid and values, in one pass."""
    return re.compile(
        r"(?P<both>\b(?:ou|both eyes|each eye|both sides|bilaterally|each side|both lids|either eye)\b)"
        r"|(?P<right>\b(?:od|re|rt|r|right)\b(?!\s(?:half|hand|homonymous|hemi)))"
        r"|(?P<left>\b(?:os|le|lt|l|left)\b(?!\s(?:half|hand|homonymous|hemi)))"
        r"|(?P<rest>\b(?:untaped|un-taped|not taped|without tap(?:e|ing)|(?:(?:lids?|eyelids?) )?at rest|resting|rest|no tape"
        r"|lids? down|natural position|before taping)\b)"
        r"|(?P<taped>\b(?:taped|with (?:lids? )?tap(?:e|ing)|taping|tape"
        r"|lids? (?:are )?(?:elevated|lifted|raised)|after taping)\b)"
        r"|(?P<gain>\b(?:gain(?:s|ed|ing)?|improve[ds]?|improvement|improving|increase[ds]?|difference)\b(?!\s(?:up\s)?to\b))"
        r"|(?P<points>(?<![\d./])(?P<missed>\d{1,3})\s?(?:of|/|out of)\s?(?P<total>\d{2})\b"
        r"(?=[^.;\n]{0,12}\b(?:points?|pts|missed|seen|lost)\b|\s?\())"
        r"|(?P<percent>(?<![\d./])(?P<share>\d{1,3}(?:\.\d)?)\s?(?:%|percent\b))"
        r"|(?P<number>(?<![\d./:-])(?P<degrees>\d{1,2})(?P<unit>\s?(?:degrees?|degs?|°|º))?"
        r"(?!\d|[./:]\d|\s?(?:%|percent|mm|weeks?|months?|years?|yo|minutes?|points?|pts|y/o|of\b|normal)))"
    )


_BEGINNINGS = (
    "both ", "bilateral", "each ", "either ", "right", "left", "untape", "un-tape", "not tape", "without tap", "at rest",
    "lid", "eyelid", "rest", "no tape", "natural ", "before tap", "tap", "with tap", "with lid", "after tap", "gain",
    "improv", "increase", "difference",
)  # fmt: skip
"""How everything begins that :func:`_words` finds, but :func:`_short_beginnings`. Plain words are scanned for fastest."""


@cache
def _short_beginnings() -> re.Pattern[str]:
    return re.compile(r"[orl](?<!\w.)[udestr]?\b")


@cache
def _number_beginnings() -> re.Pattern[str]:
    return re.compile(r"\d(?<![\d./].)")


def _found_words(lower: str, begin: int, end: int) -> Iterator[re.Match[str]]:
    """What ``_words().finditer(lower, begin, end)`` gives, tried only where it may begin."""
    beginnings = places(_BEGINNINGS, lower, begin, end)
    beginnings += places_of(_short_beginnings(), lower, begin, end)
    beginnings += places_of(_number_beginnings(), lower, begin, end)
    word = _words()
    read_to = begin
    for beginning in sorted(beginnings):
        if beginning >= read_to and (found := word.match(lower, beginning, end)):
            read_to = found.end()
            yield found


@cache
def _loss_words() -> re.Pattern[str]:
    return re.compile(r"\b(?:loss|lost|defect|missed|depress\w+|obstruct\w+|constrict\w+)\b")


@cache
def _joint() -> re.Pattern[str]:
    return re.compile(r"(?:[\s:=>(,-]|superior|limit(?:ed)?|to|at|field|extent|is|was|test|only){0,10}")


@cache
def _loss_before() -> re.Pattern[str]:
    return re.compile(r"\b(?:loss|lost|defect|loses|depression)(?: of| is|:)?\s?$")


@cache
def _loss_after() -> re.Pattern[str]:
    return re.compile(r"\s?(?:of )?(?:superior )?(?:field )?(?:loss|lost|defect|depression|gain|improvement)\b")


@cache
def _state_after() -> re.Pattern[str]:
    """Words between a value and its state: "13 degrees with the lid taped", "57% of the field lost at rest"."""
    return re.compile(
        r"\s?\(?(?:(?:of )?(?:the )?(?:superior |upper )?field )?(?:(?:loss|lost) )?(?:(?:when|with) )?(?:the )?(?:lids? )?"
    )


@cache
def _fixation() -> re.Pattern[str]:
    return re.compile(
        r"f(?<!\w.)(?:l|ixation loss(?:es)?)\b(?: rate)?\s?(?:of|were|was|at|[:=,])?\s?"
        r"(?:(?P<lost>\d{1,2})\s?/\s?(?P<checks>\d{1,2})\b|(?P<share>\d{1,3}(?:\.\d)?)\s?(?:%|percent\b|per cent\b))"
    )


def _share_lost(found: re.Match[str]) -> float:
    """Percent of the checks in which fixation was lost, from the share or the counts."""
    return float(found["share"]) if found["share"] else round(100 * int(found["lost"]) / int(found["checks"]), 1)


def find_field_values(lower: str) -> list[FieldValue]:
    """The upper field limits, losses and gains in ``lower`` (a whole document in lower case), in order."""
    whole = (0, len(lower))
    anchors = matches_near(_anchor(), places(_ANCHORS, lower, *whole), lower, _LONGEST_ANCHOR, _LONGEST_ANCHOR, *whole)
    if next(anchors, None) is None:
        return []
    found = [
        FieldValue(FIXATION_LOSSES, m.start(), m.end(), _share_lost(m), None)
        for m in _fixation().finditer(lower)
        if m["share"] or int(m["checks"])
    ]
    read = _Fields()
    for begin, end in _lines(lower):
        read.line(lower, begin, end)
    found += read.values()
    return sorted(found, key=lambda one: (one.start, one.concept))


def _lines(lower: str) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < len(lower):
        end = lower.find("\n", begin)
        end = len(lower) if end < 0 else end
        yield begin, end
        begin = end + 1


class _Fields:
    """What is known while the lines are read: the columns of a table, and the values by eye and state."""

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.eye: str | None = None
        self.state: str | None = None
        self.degrees: dict[tuple[str, str], tuple[float, int, int]] = {}
        self.lost: dict[tuple[str, str], tuple[float, int, int]] = {}

    def line(self, lower: str, begin: int, end: int) -> None:
        words = list(islice(_found_words(lower, begin, end), _MOST_TOKENS))
        kinds = [m.lastgroup if m.lastgroup in _KINDS else _kind(m) for m in words]
        states = [k for k in kinds if k in ("rest", "taped")]
        values = [k for k in kinds if k == "number"]
        if len(states) == 2 and set(states) == {"rest", "taped"} and {"number", "percent", "points"}.isdisjoint(kinds):
            self.columns = states
            self.state = None
            return
        if not states and len(values) == 2 and self.columns and kinds and kinds[0] in _EYES:
            for state, match in zip(
                self.columns, [m for m, k in zip(words, kinds, strict=True) if k == "number"], strict=True
            ):
                self._keep(self.degrees, _EYES[kinds[0]], state, float(match["degrees"]), match)
            return
        if not lower[begin:end].strip():
            self.columns = []
        own_state: str | None = None
        used: set[int] = set()
        for place, (match, kind) in enumerate(zip(words, kinds, strict=True)):
            if place and ". " in lower[words[place - 1].end() : match.start()]:
                own_state = None
            if kind in _EYES:
                if self._is_behind_value(lower, words, kinds, place):
                    continue
                self.eye = _EYES[kind]
            elif kind in ("rest", "taped"):
                if (
                    place
                    and kinds[place - 1] in ("number", "percent", "points")
                    and self._says_state_before(lower, words[place - 1], match, own_state)
                ):
                    used.add(place)
                    continue
                self.state = own_state = kind
            elif kind in ("number", "percent", "points"):
                if place and kinds[place - 1] == "gain":
                    continue
                self._value(lower, words, kinds, place, begin, end, place - 1 in used)

    def _says_state_before(self, lower: str, value: re.Match[str], state: re.Match[str], own: str | None) -> bool:
        """Whether a state right behind a value was that value's: "18 degrees untaped"."""
        if value.lastgroup == "number" and value["unit"] is None:
            return False
        return own is None and _state_after().fullmatch(lower, value.end(), state.start()) is not None

    def _is_behind_value(self, lower: str, words: list[re.Match[str]], kinds: list[str], place: int) -> bool:
        """Whether an eye stands right behind a value that has no eye before it in its line: "18 degrees OD"."""
        if not place or kinds[place - 1] not in ("number", "percent"):
            return False
        gap = lower[words[place - 1].end() : words[place].start()]
        if re.fullmatch(r"\s\(?(?:(?:in|on|for) (?:the )?)?", gap) is None:
            return False
        return not (place >= 2 and kinds[place - 2] in _EYES)

    def _value(
        self, lower: str, words: list[re.Match[str]], kinds: list[str], place: int, begin: int, end: int, used: bool
    ) -> None:
        match, kind = words[place], kinds[place]
        following = kinds[place + 1] if place + 1 < len(kinds) else ""
        gap = lower[match.end() : words[place + 1].start()] if following else ""
        eye, state = self.eye, self.state
        near = re.fullmatch(r"\s?\(?(?:(?:in|on|for|with|when|the) ){0,2}", gap) is not None
        said_after = near or _state_after().fullmatch(gap) is not None
        if following in _EYES and near and not (place and kinds[place - 1] in _EYES):
            eye = _EYES[following]
        elif (
            following in ("rest", "taped")
            and said_after
            and (kind != "number" or match["unit"])
            and (place == 0 or used or kinds[place - 1] not in ("rest", "taped"))
        ):
            state = following
        if eye is None or state is None:
            return
        if kind == "number":
            stated = match["unit"] is not None
            direct = place > 0 and kinds[place - 1] in ("rest", "taped", *_EYES)
            if not stated and not (direct and _joint().fullmatch(lower, words[place - 1].end(), match.start())):
                return
            lost = _loss_before().search(lower[max(begin, match.start() - 16) : match.start()])
            if lost is None and _loss_after().match(lower, match.end(), end) is None:
                self._keep(self.degrees, eye, state, float(match["degrees"]), match)
        else:
            share = (
                float(match["share"]) if kind == "percent" else 100 * int(match["missed"]) / max(1, int(match["total"]))
            )
            around = lower[max(begin, match.start() - 24) : min(end, match.end() + 30)]
            if _loss_words().search(around) and share <= 100:
                self._keep(self.lost, eye, state, round(share, 1), match)

    def _keep(
        self,
        kept: dict[tuple[str, str], tuple[float, int, int]],
        eye: str,
        state: str,
        value: float,
        match: re.Match[str],
    ) -> None:
        if kept is self.degrees and not 0 <= value <= _WIDEST:
            return
        kept.setdefault((eye, state), (value, match.start(), match.end()))

    def values(self) -> list[FieldValue]:
        """Every value with its eye, the worse of both eyes for both, and what taping gains."""
        found: list[FieldValue] = []
        for kept, names, gain, worse in (
            (self.degrees, {"rest": AT_REST, "taped": TAPED}, GAIN, {"rest": max, "taped": min}),
            (self.lost, {"rest": LOST_AT_REST, "taped": LOST_TAPED}, GAIN_PERCENT, {"rest": min, "taped": max}),
        ):
            gains: dict[str, tuple[float, int, int]] = {}
            for state, concept in names.items():
                for eye in ("right_eye", "left_eye", "both_eyes"):
                    if (eye, state) in kept:
                        value, start, end = kept[eye, state]
                        found.append(FieldValue(concept, start, end, value, eye))
                pair = [kept[eye, state] for eye in ("right_eye", "left_eye") if (eye, state) in kept]
                if len(pair) == 2:
                    value, start, end = worse[state](pair)
                    found.append(FieldValue(concept, start, end, value, "both_eyes"))
            for eye in ("right_eye", "left_eye", "both_eyes"):
                rest, taped = kept.get((eye, "rest")), kept.get((eye, "taped"))
                if rest and taped:
                    moved = taped[0] - rest[0] if gain == GAIN else rest[0] - taped[0]
                    gains[eye] = (round(moved, 1), taped[1], taped[2])
            if "right_eye" in gains and "left_eye" in gains:
                gains["both_eyes"] = min(gains["right_eye"], gains["left_eye"])
            found += [FieldValue(gain, start, end, value, eye) for eye, (value, start, end) in gains.items()]
        return found


_EYES = {"right": "right_eye", "left": "left_eye", "both": "both_eyes"}
_KINDS = frozenset({*_EYES, "rest", "taped", "gain", "points", "percent", "number"})


def _kind(match: re.Match[str]) -> str:
    return next(kind for kind in _KINDS if match[kind] is not None)
