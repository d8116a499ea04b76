"""Values of one measurement that follow each other, and which of them is the present one.

"ODI decreased from 48% to 30%", "TUG 22 s, was 31 s", "Berg 38 (eval 31)", "LEFS 30 (8/4), 37 (9/22), 46 (11/3)", and
tables with a column for each day. What a value looks like is the caller's pattern; which words may stand between two
values and what they say about them is data (``moved`` in lexicon/measurements.yaml). Every search has a window of fixed
size, so cost is linear in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

_STRETCH = 64
"""Most characters between two values of one series."""
_MOST_VALUES = 6
_QUALIFIER = 40
_BEGINNING = 160
"""Characters before a name in which its sentence may begin with "At initial evaluation"."""
_GOAL_WITHIN = 320
_SHORTLY = 24

_MONTHS = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}"


def _date(totals: Sequence[int] = ()) -> str:
    """A day, or a visit by its number; a fraction of one of ``totals`` is a score."""
    scores = rf"(?!(?:{'|'.join(str(total) for total in sorted(totals))})(?![\d/]))" if totals else ""
    return (
        r"(?:\d{1,2}[/-]\d{1,2}[/-](?:20)?\d{2}(?!\d)|20\d{2}-\d{2}-\d{2}"
        rf"|(?<![\d/])(?:1[0-2]|0?[1-9])/{scores}(?:3[01]|[12]\d|0?[1-9])(?![\d/]|\s?[a-z]{{0,2}}%)"
        rf"|{_MONTHS}\.?\s\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s20\d{{2}})?(?!\d)"
        r"|(?:visit|session|week|wk|day|month)\s?#?\d{1,2}(?!\d))"
    )


_DATE = _date()
_ARROW = r"(?:-{1,3}>|={1,2}>|→|➔|➜|⇒|(?<=[\d%°\s)])>(?=\s?\d)|&gt;)"
_DELTA = (
    r"(?:(?:by\s|(?<!to\s)(?<!from\s)(?<!is\s)(?<!was\s)(?<!now\s)(?<!of\s)(?<!at\s))(?:an?\s)?\+?\d{1,3}(?:\.\d)?[\s-]?(?:points?|pts?)"
    r"|by\s\d{1,3}(?:\.\d)?\s?(?:%|percent|degrees|deg|°|ft|feet|meters|m|s|sec|seconds))(?![a-z])"
)
"""By how much a value moved: "improved 15 points to 47"."""


class Role(Enum):
    """What the words around a value say about when it was so."""

    EARLIER = "earlier"
    NOW = "now"
    DATED = "dated"
    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True)
class MovedWords:
    """The words of ``moved`` as patterns. ``moves`` are verbs of a change that took place, ``ranges`` words that say that
    two values are the ends of a range."""

    earlier: re.Pattern[str]
    now: re.Pattern[str]
    moves: re.Pattern[str]
    ranges: re.Pattern[str]
    wished: re.Pattern[str]
    eased: re.Pattern[str]
    mark: re.Pattern[str]
    before_name: re.Pattern[str]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """The patterns for one kind of value: ``value`` one value, ``glue`` what may stand between a name and a value or
    between two values. ``once``: nobody gives a range of it, so "32 to 47" are two values."""

    value: re.Pattern[str]
    glue: re.Pattern[str]
    once: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """A value of a series; ``earlier`` where a later one stands beside it."""

    match: re.Match[str]
    earlier: bool


def read_moved_words(data: Mapping[str, Any]) -> MovedWords:
    """The patterns from the parsed entry; a list that is missing holds no words. Raises TypeError where one is no list."""
    keys = ("first", "earlier", "now", "moves", "ranges", "wished", "eased_by", "between")
    listed = {key: [str(word) for word in data.get(key, ())] for key in keys}
    listed["earlier"] += listed["first"]
    whole = {key: _alternatives(words) for key, words in listed.items()}
    return MovedWords(
        earlier=_whole(whole["earlier"]),
        now=_whole(whole["now"]),
        moves=_whole(whole["moves"]),
        ranges=_whole(whole["ranges"]),
        # "To increase", not "an increase in".
        wished=re.compile(rf"(?<![a-z])(?:{whole['wished']})(?![a-z])(?!\s(?:in|of)\s)"),
        eased=re.compile(
            r"[\s,]{0,2}(?:with|w/|after|when|while|by|on|following|upon|at)\s(?:her\s|his\s|taking\s|the\s|use\sof\s|prn\s)?"
            rf"(?:{whole['eased_by']})(?![a-z])(?!\s(?:only|alone))"
        ),
        mark=re.compile(
            r"[\s,]{0,2}[(\[]?\s?(?:(?:at|on|in|from|as of|during|per)\s)?(?:the\s|her\s|his\s|time of\s){0,2}"
            rf"(?:(?P<earlier>{whole['earlier']})|(?P<now>{whole['now']})|(?P<date>{_DATE}))(?![a-z])"
        ),
        before_name=re.compile(rf"(?<![a-z])(?<!re-)(?<!re\s)(?:{whole['first']})[\s:]{{1,2}}$"),
        words=tuple(dict.fromkeys(word for key in keys if key not in ("wished", "eased_by") for word in listed[key])),
    )


def _alternatives(words: Sequence[str]) -> str:
    ordered = sorted(set(words), key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\ ", r"[\s-]") for word in ordered) or "(?!)"


def _whole(alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?<!re-)(?<!re\s)(?:{alternatives})(?![a-z])")


def glue_pattern(words: Sequence[str], marks: MovedWords, totals: Sequence[int]) -> re.Pattern[str]:
    """What may stand between a name and its first value, or between two values, when ``words`` may too."""
    return re.compile(
        rf"(?:{_DELTA}|{_date(totals)}|(?:{_alternatives([*words, *marks.words])})(?![a-z0-9])|{_ARROW}"
        r"|\.\s(?=(?:it|this|that|now|today|currently|current)(?![a-z])|\d{1,3}\S{0,4}\s(?:now|today|currently)(?![a-z]))|[\s:=,;()~\[\]–—-]){0,20}+"
    )


@cache
def _direction_pattern() -> re.Pattern[str]:
    return re.compile(rf"(?:(?P<arrow>{_ARROW})|(?<![a-z])to)\s*(?:an?\s|about\s|only\s|score\sof\s)?[(\[]?\s*$")


@cache
def _arrow_pattern() -> re.Pattern[str]:
    return re.compile(_ARROW)


@cache
def _cut_pattern() -> re.Pattern[str]:
    """Where what is said of one value ends and what is said of the next begins."""
    return re.compile(rf"[,;(\[]|\.\s|{_ARROW}|(?<![a-z])(?:and|but|vs|versus|to|from|was|is|up|down)(?![a-z])")


@cache
def _closed_pattern() -> re.Pattern[str]:
    return re.compile(r"\s?[(\[][^()\[\]]*[)\]]")


def read_series(
    lower: str,
    name_start: int,
    name_end: int,
    hi: int,
    series: Series,
    words: MovedWords,
    first: re.Match[str] | None = None,
) -> list[Placed] | None:
    """The values of a series that begins under the name at ``lower[name_start:name_end]``, at least two, exactly one of
    them the present one; empty where the words do not say that a value moved, None where they say that it shall.

    ``first`` is the first value where it stands before the name ("20 headache days a month, now 8").
    """
    head = series.glue.match(lower, name_end, min(hi, name_end + _STRETCH))
    if head is None:
        return []
    values: list[re.Match[str]] = [first] if first is not None else []
    stretches: list[str] = [head.group()] if first is not None else []
    at = head.end()
    while len(values) < _MOST_VALUES:
        value = series.value.match(lower, at, min(hi, at + _STRETCH))
        if value is None:
            break
        if values and len(stretches) < len(values):
            stretches.append(lower[values[-1].end() : at])
        if values and _side_pattern().search(stretches[-1]):
            # "38 -> 52 lb (R 60)": the value of the other side.
            break
        values.append(value)
        following = series.glue.match(lower, value.end(), min(hi, value.end() + _STRETCH))
        if following is None or following.end() == value.end() or "\n\n" in following.group():
            break
        at = following.end()
    if len(values) < 2:
        return []
    begin = first.start() if first is not None else name_start
    before = _sentence_pattern().split(lower[max(begin - 40, 0) : begin])[-1]
    if words.wished.search(before):
        return None
    own = before[-24:] if first is not None else head.group()
    return _placed(lower, hi, values, stretches[: len(values) - 1], f"{before} {own}", own, series, words)


@cache
def _sentence_pattern() -> re.Pattern[str]:
    return re.compile(r"\.\s|[;\n]")


@cache
def _side_pattern() -> re.Pattern[str]:
    return re.compile(r"(?<![a-z])(?:left|right|lt|rt|l|r|other side|contralateral|uninvolved)(?![a-z])")


def _placed(
    lower: str,
    hi: int,
    values: list[re.Match[str]],
    stretches: list[str],
    said: str,
    head: str,
    series: Series,
    words: MovedWords,
) -> list[Placed]:
    sure = bool(words.moves.search(said)) or bool(_arrow_pattern().search(head))
    roles: list[Role] = []
    first = _role_in(head, words)
    roles.append(first)
    linked = 1
    directed = False
    for index, stretch in enumerate(stretches):
        behind, ahead = _parted(stretch)
        own = _role_in(behind, words)
        if own is not Role.UNSAID and (roles[index] is not Role.NOW or own is Role.NOW):
            roles[index] = own
        leading = _role_in(ahead, words)
        direction = None if leading is Role.EARLIER else _direction_pattern().search(stretch)
        if direction is not None:
            arrow = direction["arrow"] is not None
            told = arrow or sure or series.once or leading is Role.NOW or own is not Role.UNSAID
            if not (told or _falls(values[index], values[index + 1])) or (not arrow and words.ranges.search(said)):
                break
            if roles[index] is not Role.NOW:
                roles[index] = Role.EARLIER
            roles.append(Role.NOW if leading is Role.UNSAID else leading)
            directed = True
        elif roles[index] is Role.NOW and leading is Role.UNSAID:
            # "Was 8/10, now 4/10, 5/10 at night": the series ends with the present value.
            break
        else:
            roles.append(leading)
        linked += 1
    values, roles = values[:linked], roles[:linked]
    trailing = words.mark.match(lower, values[-1].end(), min(hi, values[-1].end() + _QUALIFIER))
    if (
        trailing is not None
        and roles[-1] in (Role.UNSAID, Role.NOW)
        and _names_no_value(lower, trailing.end(), hi, series)
    ):
        roles[-1] = _role_of(trailing)
    if words.eased.match(lower, values[-1].end(), min(hi, values[-1].end() + _QUALIFIER)):
        return []
    present = _present(lower, values, roles, directed)
    if present is None or len(values) < 2:
        return []
    return [Placed(value, index != present) for index, value in enumerate(values)]


def _falls(one: re.Match[str], other: re.Match[str]) -> bool:
    """A range is written with its lower end first."""
    try:
        return float(other["value"]) < float(one["value"])
    except ValueError:
        return False


def _names_no_value(lower: str, at: int, hi: int, series: Series) -> bool:
    """Whether the mark behind a value is not the one of a value after it ("45 (was" a date or nothing)."""
    following = series.glue.match(lower, at, min(hi, at + _QUALIFIER))
    return following is None or series.value.match(lower, following.end(), min(hi, following.end() + 12)) is None


def _parted(stretch: str) -> tuple[str, str]:
    """What is said of the value before and of the one behind, in the stretch between them."""
    closed = _closed_pattern().match(stretch)
    if closed is not None:
        return closed.group(), stretch[closed.end() :]
    cut = _cut_pattern().search(stretch)
    if cut is None:
        # "48% at eval 30%": with a preposition it is said of the value before.
        return (stretch, "") if re.match(r"\s?(?:at|on|in)\s", stretch) else ("", stretch)
    return stretch[: cut.start()], stretch[cut.start() :]


def _role_in(stretch: str, words: MovedWords) -> Role:
    last: tuple[int, Role] = (-1, Role.UNSAID)
    for pattern, role in ((words.earlier, Role.EARLIER), (words.now, Role.NOW)):
        for match in pattern.finditer(stretch):
            # "was on October 1", "is now": of two marks the later says it; "(IE 10/5)" stays the evaluation.
            if match.end() > last[0]:
                last = (match.end(), role)
    if last[1] is Role.UNSAID and _date_pattern().search(stretch):
        return Role.DATED
    return last[1]


def _role_of(match: re.Match[str]) -> Role:
    return Role.EARLIER if match["earlier"] else Role.NOW if match["now"] else Role.DATED


@cache
def _date_pattern() -> re.Pattern[str]:
    return re.compile(_DATE)


def _present(lower: str, values: Sequence[re.Match[str]], roles: Sequence[Role], directed: bool) -> int | None:
    """Which value is the present one; None where the words leave it open."""
    now = [index for index, role in enumerate(roles) if role is Role.NOW]
    if now:
        return now[-1]
    open_ = [index for index, role in enumerate(roles) if role is not Role.EARLIER]
    if directed or len(open_) == len(roles):
        unsaid = [index for index in open_ if roles[index] is Role.UNSAID]
        if directed or len(unsaid) == len(roles):
            return len(values) - 1 if directed else None
        if unsaid:
            return unsaid[0] if len(unsaid) == 1 else None
        return _latest(lower, values)
    unsaid = [index for index in open_ if roles[index] is Role.UNSAID]
    if len(open_) == 1 or len(unsaid) == 1:
        return (unsaid or open_)[0]
    return _latest(lower, values) if open_ and not unsaid else None


def _latest(lower: str, values: Sequence[re.Match[str]]) -> int:
    """Of values with days before or behind them the last by those days; without days, the last that stands there."""
    leads = _direct(lower, values[0].start()) is not None
    days = []
    for value in values:
        day = (
            _direct(lower, value.start())
            if leads
            else _month_day_pattern().search(lower, value.end(), value.end() + 24)
        )
        if day is None:
            return len(values) - 1
        days.append((int(day["month"]), int(day["day"])))
    # Over the turn of the year December stands before January.
    if days == sorted(days, reverse=True) and days != sorted(days) and days[0][0] - days[-1][0] < 6:
        return 0
    return len(values) - 1


def _direct(lower: str, start: int) -> re.Match[str] | None:
    """The day directly before a value: "8/3: 32"."""
    days = list(_month_day_pattern().finditer(lower, max(start - 20, 0), start))
    last = days[-1] if days else None
    return last if last is not None and lower[last.end() : start].strip(" :(=-") == "" else None


@cache
def _month_day_pattern() -> re.Pattern[str]:
    return re.compile(r"(?<![\d/])(?P<month>\d{1,2})/(?P<day>\d{1,2})(?:/\d{2,4})?(?![\d/])")


def has_moved(lower: str, start: int, lo: int, one: float, other: float, words: MovedWords) -> bool:
    """Whether "20 to 8" at ``start`` are two values one after the other and not the ends of a range."""
    before = _sentence_pattern().split(lower[max(lo, start - 40) : start])[-1]
    if words.ranges.search(before) or words.wished.search(before):
        return False
    return other < one or words.moves.search(before) is not None


def says_earlier(
    lower: str, name_start: int, name_end: int, value_start: int, value_end: int, lo: int, hi: int, words: MovedWords
) -> bool:
    """Whether the words at a single value, or those its sentence begins with, say that it is the one of the first visit."""
    between = lower[name_end:value_start]
    own = _role_in(between, words)
    if own is Role.NOW:
        return False
    behind = words.mark.match(lower, value_end, min(hi, value_end + _QUALIFIER))
    if behind is not None:
        return behind["earlier"] is not None
    if own is Role.EARLIER or words.before_name.search(lower, max(lo, name_start - 32), name_start):
        return True
    begin = max(lo, name_start - _BEGINNING)
    window = lower[begin:name_start]
    ends = [match.end() for match in re.finditer(r"[.;]\s|\n", window)]
    sentence = window[ends[-1] :] if ends else (window if begin == lo else "")
    started = words.mark.match(sentence)
    return bool(started and started["earlier"] and words.now.search(sentence, started.end()) is None)


@cache
def _goal_label_pattern() -> re.Pattern[str]:
    return re.compile(
        r"[\s\d.)(*•#-]*(?:(?:the|her|his|current|unmet|open|remaining|outstanding|new|updated|functional|pt|therapy|patient|all|one|two|three|four|five"
        r"|short[- ]term|long[- ]term|short|long|term)\s){0,4}(?:goals?|ltgs?|stgs?)(?![a-z])"
    )


@cache
def _item_pattern() -> re.Pattern[str]:
    """A line of a list: "2) flexion 120", "- LEFS 60"."""
    return re.compile(r"[ \t]*(?:\d{1,2}[.)]|[-*•])")


def is_goal(lower: str, start: int, end: int, lo: int, words: MovedWords) -> bool:
    """Whether a value is one to be reached: its sentence, or the list it stands in, begins with "goals"."""
    begin = max(lo, start - _GOAL_WITHIN)
    window = lower[begin:start]
    cuts = [match.end() for match in re.finditer(r"\n|(?<!\d)[.]\s", window)]
    sentence = window[cuts[-1] :] if cuts else window
    label = _goal_label_pattern().match(sentence)
    if label is None:
        lines = window.split("\n")
        if not _item_pattern().match(lines[-1]):
            return False
        heading = next((line for line in reversed(lines[:-1]) if not _item_pattern().match(line)), "")
        if _goal_label_pattern().match(heading) is None:
            return False
        sentence = lines[-1]
    behind = words.mark.match(lower, end, end + _QUALIFIER)
    if behind is not None and behind["now"]:
        return False
    now = [match.end() for match in words.now.finditer(sentence) if match.group() not in ("is", "current")]
    return not (now and len(sentence) - now[-1] <= _SHORTLY)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table whose columns are different days: its label and the start of each cell with its role."""

    start: int
    label_end: int
    end: int
    cells: tuple[tuple[int, int, bool], ...]
    """Start and end of a cell, and whether a later column has the present value."""
    others: tuple[tuple[int, int], ...]
    """Cells of columns for goals and differences."""


class Tables:
    """The rows of a text's tables of values over time."""

    def __init__(self, lower: str, lo: int, hi: int, words: MovedWords) -> None:
        self._rows = find_rows(lower, lo, hi, words)
        self._starts = [row.start for row in self._rows]

    def row_of(self, position: int) -> Row | None:
        """The row in whose label ``position`` stands."""
        index = bisect_right(self._starts, position) - 1
        return self._rows[index] if index >= 0 and position < self._rows[index].label_end else None

    def is_goal(self, position: int) -> bool:
        """Whether ``position`` stands in a column of goals or differences."""
        index = bisect_right(self._starts, position) - 1
        return index >= 0 and any(start <= position < end for start, end in self._rows[index].others)


@cache
def _cell_pattern() -> re.Pattern[str]:
    return re.compile(r"[^\s|](?:[^\s|]|[ ](?![ |]))*")


@cache
def _gap_pattern() -> re.Pattern[str]:
    """What parts two cells."""
    return re.compile(r"  |[^\S ]|\|")


@cache
def _label_pattern() -> re.Pattern[str]:
    return re.compile(r"(?:goals?|target|change|mcid|mdc|norm(?:al)?|diff(?:erence)?|delta|status|ltg|\+/-)(?![a-z])")


def find_rows(lower: str, lo: int, hi: int, words: MovedWords) -> list[Row]:
    """Rows under a line that holds nothing but days and words such as "Initial" and "Current", in at least two columns."""
    rows: list[Row] = []
    columns: list[bool | None] | None = None
    at = lo
    while at < hi:
        stop = lower.find("\n", at, hi)
        stop = hi if stop == -1 else stop
        if columns is None and _gap_pattern().search(lower[at:stop].strip()) is None:
            # One cell at most, as nearly every line of a note: neither heading nor row.
            at = stop + 1
            continue
        if stop - at <= 200:
            cells = [(match.start(), match.end()) for match in _cell_pattern().finditer(lower, at, stop)]
            rule = all(set(lower[start:end]) <= set("-=:+ ") for start, end in cells)
            heads = None if rule else _columns([lower[start:end] for start, end in cells], words)
            if heads is not None and columns is not None and all(_is_score(lower[a:b]) for a, b in cells[1:]):
                heads = None
            if heads is not None:
                columns = heads
            elif cells and rule:
                pass
            elif columns is None or len(cells) < 2:
                columns = None
            else:
                placed = list(zip(cells[1:], columns, strict=False))
                values = tuple((start, end, flag) for (start, end), flag in placed if flag is not None)
                others = tuple(cell for cell, flag in placed if flag is None)
                rows.append(Row(at, cells[0][1], stop, values, others))
        else:
            columns = None
        at = stop + 1
    return rows


def _is_score(cell: str) -> bool:
    """ "8/10", "4/5": under a heading no day."""
    return cell.endswith(("/10", "/5"))


def _heading(cell: str, words: MovedWords) -> re.Match[str] | None:
    mark = words.mark.match(cell)
    return mark if mark is not None and _rest_pattern().fullmatch(cell, mark.end()) else None


@cache
def _rest_pattern() -> re.Pattern[str]:
    return re.compile(rf"[\s():,#]*(?:{_DATE})?[\s():,]*(?:value|score|visit)?")


def _columns(cells: Sequence[str], words: MovedWords) -> list[bool | None] | None:
    """For each column of values whether it is an earlier one, None for a goal; None where the line is no such heading."""
    if len(cells) < 2:
        return None
    marks = [_heading(cell, words) for cell in cells]
    others = [_label_pattern().match(cell) is not None for cell in cells]
    skip = 0 if marks[0] is not None else 1
    valued = [index for index in range(skip, len(cells)) if marks[index] is not None]
    if len(valued) < 2 or any(marks[index] is None and not others[index] for index in range(skip, len(cells))):
        return None
    now = [index for index in valued if (mark := marks[index]) is not None and mark["now"]]
    present = now[-1] if now else valued[-1]
    if not now and all((mark := marks[index]) is not None and mark["date"] for index in valued):
        days = [_month_day_pattern().search(cells[index]) for index in valued]
        numbers = [(int(day["month"]), int(day["day"])) for day in days if day is not None]
        if len(numbers) == len(valued) and numbers != sorted(numbers) and numbers[0][0] - numbers[-1][0] < 6:
            present = valued[0]
    return [index != present if marks[index] is not None else None for index in range(skip, len(cells))]
