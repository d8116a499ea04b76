"""Ticked and empty boxes of templates: "fever [ ]", "[x] low back", "Lachman: [x] neg [ ] pos", "MRI: [ ] yes [x] no".

A box belongs to the words after it where the line (or what follows its colon) begins with a box, else to the words before
it. What stands beside an empty box is not the case.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

_BOX = re.compile(r"\[(?P<mark>[ xX\u2713\u2714]?)\]|(?P<empty>[\u2610])|(?P<ticked>[\u2611\u2612])")
_BOXES_ALONE = re.compile(r"(?:\s|\[[ xX\u2713\u2714]?\]|[\u2610-\u2612])*+")
_NO = re.compile(
    r"\W*(?:no|n|none|neg|negative|never|absent|denies)\b"
    r"(?!\s(?:improvement|improved|benefit|help|change|gain|better|relief|response|difference|effect|longer))",
    re.IGNORECASE,
)
_YES = re.compile(r"\W*(?:yes|y|pos|positive|present)\b", re.IGNORECASE)
_NEAR = 40
_BREAK = re.compile(r"\s{2,}|;|\|")


@dataclass(frozen=True, slots=True)
class Checkbox:
    """A box at ``box_start`` to ``box_end`` and the words it belongs to, ``text[start:end]``."""

    box_start: int
    box_end: int
    start: int
    end: int
    ticked: bool


def find_checkboxes(text: str) -> list[Checkbox]:
    """Every box of ``text`` that has words beside it, in order: one without says nothing. Linear in its length."""
    if "[" not in text and not any(sign in text for sign in "\u2610\u2611\u2612"):
        return []
    boxes: list[Checkbox] = []
    position = 0
    for line in text.splitlines(keepends=True):
        if _BOX.search(line) and not _BOXES_ALONE.fullmatch(line):
            boxes += _line(text, position, position + len(line.rstrip("\r\n")))
        position += len(line)
    return boxes


def _line(text: str, start: int, end: int) -> list[Checkbox]:
    found: list[Checkbox] = []
    marks = _BOX.finditer(text, start, end)
    mark = next(marks, None)
    previous, box_first, first = start, False, True
    while mark is not None:
        following = next(marks, None)
        begin, stop = mark.span()
        lead = text[previous:begin]
        colon = lead.rfind(":")
        if first or colon >= 0:
            # Every colon opens a new group of boxes.
            words_before = lead[colon + 1 :].strip()
            box_first = not words_before or (words_before.endswith(".") and _ends_in_words(text, stop, end))
            first = False
        after = following.start() if following is not None else end
        if box_first:
            if colon >= 0 and _stands_alone(text, stop, after) and _holds_word(text, previous, previous + colon):
                # "Hospice: [ ]  IRF candidate: [ ]": nothing follows but the next label, so the box answers its own.
                words: tuple[int, int] | None = (_last_gap(text, previous, previous + colon), previous + colon)
            else:
                words = (stop, _until_colon(text, stop, after)) if _holds_word(text, stop, after) else None
        else:
            words = (_last_gap(text, previous, begin), begin) if _holds_word(text, previous, begin) else None
        if words is not None:
            ticked = bool(mark["ticked"]) or bool((mark["mark"] or "").strip())
            found.append(Checkbox(begin, stop, *words, ticked))
        previous, mark = stop, following
    return found


def _ends_in_words(text: str, start: int, end: int) -> bool:
    """Whether words follow the last box of a line. "Home oxygen order. [x] concentrator [ ] portable": its first sentence
    belongs to no box."""
    last = max(text.rfind(sign, start, end) for sign in "]\u2610\u2611\u2612")
    return bool(text[max(last + 1, start) : end].strip())


def _holds_word(text: str, start: int, end: int) -> bool:
    return start < end and not text[start:end].isspace()


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether nothing stands between a box and the label of the next one, or the end of the line."""
    words = text[start:end].strip()
    if not words:
        return True
    return words.endswith(":") and not _NO.match(words) and not _YES.match(words) and words.count(":") == 1


def _until_colon(text: str, start: int, end: int) -> int:
    """Words after a box end where the label of the next group ("[x] pos   McMurray:") begins."""
    colon = text.find(":", start, end)
    if colon < 0:
        return end
    gap = None
    for match in _BREAK.finditer(text, start, colon):
        gap = match.start()
    return gap if gap is not None else end


def _last_gap(text: str, start: int, end: int) -> int:
    """Words before a box begin after the last wide gap; what a ticked box before it says more about stays outside."""
    first = start
    for match in _BREAK.finditer(text, start, end):
        if text[match.end() : end].strip():
            first = match.end()
    return max(first, text.rfind(":", start, end) + 1)


def unticked(boxes: list[Checkbox]) -> list[Checkbox]:
    """The boxes that say that something is not the case."""
    return [box for box in boxes if not box.ticked]


def answered_no(text: str, boxes: list[Checkbox]) -> list[tuple[int, int, Checkbox]]:
    """(start, end, box) of labels whose yes/no boxes say no: "Prior MRI this knee: [ ] yes [x] no"."""
    found: list[tuple[int, int, Checkbox]] = []
    label = scanned = 0
    colon = -1
    for number, box in enumerate(boxes):
        # Each stretch of text is looked at once: the line, the last label and the last colon are carried along.
        newline = text.rfind("\n", scanned, box.box_start)
        if newline >= 0:
            label = newline + 1
        colon = max(colon, text.rfind(":", scanned, box.box_start))
        scanned = box.box_start
        says_no = (box.ticked and _NO.match(text, box.start, box.end)) or (
            not box.ticked and _YES.match(text, box.start, box.end) and not _other_ticked_yes(text, boxes, number)
        )
        if says_no and colon > 0 and colon >= label:
            found.append((_last_gap(text, label, colon), colon, box))
        if not _answer(text, box):
            label = max(label, box.end)
    return found


def _answer(text: str, box: Checkbox) -> bool:
    return bool(_NO.match(text, box.start, box.end) or _YES.match(text, box.start, box.end))


def _other_ticked_yes(text: str, boxes: list[Checkbox], number: int) -> bool:
    box = boxes[number]
    low = bisect_left(boxes, box.box_start - _NEAR + 1, key=lambda other: other.box_start)
    high = bisect_left(boxes, box.box_start + _NEAR, key=lambda other: other.box_start)
    return any(
        other.ticked
        and _YES.match(text, other.start, other.end)
        and "\n" not in text[min(other.end, box.end) : max(other.start, box.start)]
        for other in boxes[low:high]
    )


def blank_unticked(text: str, boxes: list[Checkbox]) -> str:
    """``text`` of the same length with the words of empty boxes blanked out, so that only what was ticked is read."""
    pieces: list[str] = []
    position = 0
    for start, end in sorted((box.start, box.end) for box in unticked(boxes)):
        if end <= position:
            continue
        start = max(start, position)
        pieces += (text[position:start], " " * (end - start))
        position = end
    return "".join((*pieces, text[position:]))
