"""The pen that writes a document: values in one hand, sections in one style, with the slips of someone in a hurry."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from datetime import date
from random import Random
from string import Formatter

from training.synthetic.banks import Everyday, Style
from training.synthetic.service import SECTIONS
from training.synthetic.values import Drawn, Length

_NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DATE_STYLES = {
    "seen": ("iso", "us_short", "us_long", "month_day_year"),
    "unseen": ("us_year", "day_month_year", "short_month"),
}
_SHORT_UNITS = {"day": ("days", "d"), "week": ("weeks", "wks"), "month": ("months", "mos"), "year": ("years", "yrs")}
_SHORTEST_MISTYPED = 6
TYPOS = 0.004
"""Share of longer words mistyped: about one word in a page and a half."""


class _Fields(dict[str, str]):
    """Placeholders as written: ``{name}``, ``{Name}`` with a capital, ``{NAME}`` in capitals; values written on demand."""

    def __init__(self, pen: Pen) -> None:
        super().__init__()
        self._pen = pen

    def __missing__(self, key: str) -> str:
        text = self._pen.write(self._pen.values[key.lower()])
        if key.isupper():
            text = text.upper()
        elif key[0].isupper():
            text = text[:1].upper() + text[1:]
        self[key] = text
        return text


class Pen:
    """Writes one document: one style, one way to put dates and numbers."""

    def __init__(
        self, random: Random, everyday: Everyday, style: Style, values: Mapping[str, Drawn], typos: float = TYPOS
    ) -> None:
        self._random = random
        self._everyday = everyday
        self.style = style
        self._typos = typos * style.typos
        self._date_style = random.choice(_DATE_STYLES[everyday.name])
        self._spells_numbers = random.random() < 0.3
        self._short_units = random.random() < 0.3
        self.values = values
        self._fields = _Fields(self)

    def write(self, value: Drawn) -> str:
        """A value the way this document writes it."""
        if isinstance(value, date):
            return self.day(value)
        if isinstance(value, Length):
            long, short = _SHORT_UNITS[value.unit]
            unit = value.unit if value.number == 1 else short if self._short_units else long
            return f"{self.number(value.number)} {unit}"
        return str(value)

    def day(self, day: date) -> str:
        """A date, the way this document writes dates."""
        month = _MONTHS[day.month - 1]
        match self._date_style:
            case "iso":
                return day.isoformat()
            case "us_short":
                return f"{day.month}/{day.day}/{day.year % 100:02d}"
            case "us_long":
                return f"{day.month:02d}/{day.day:02d}/{day.year}"
            case "month_day_year":
                return f"{month} {day.day}, {day.year}"
            case "us_year":
                return f"{day.month}/{day.day}/{day.year}"
            case "day_month_year":
                return f"{day.day} {month} {day.year}"
            case _:
                return f"{month[:3]} {day.day}, {day.year}"

    def number(self, value: int) -> str:
        """A whole number in digits or, in some documents, in words up to twelve."""
        return _NUMBER_WORDS[value] if self._spells_numbers and 0 < value < len(_NUMBER_WORDS) else str(value)

    def say(self, phrases: Sequence[str]) -> str:
        """One of the phrases, its placeholders filled."""
        return self.fill(self._random.choice(phrases))

    def fill(self, phrase: str) -> str:
        """The phrase with its placeholders filled."""
        return phrase.format_map(self._fields)

    def lay_out(self, sections: Mapping[str, Sequence[str]], title: str = "") -> str:
        """The document: ``sections`` (name to sentences) under this style's headings, empty ones left out."""
        style = self.style
        order = [*style.order, *(name for name in SECTIONS if name not in style.order)]
        parts = [self.fill(self._random.choice(style.header))] if style.header else []
        parts += [title] if title else []
        for name in order:
            sentences = sections.get(name)
            if sentences:
                written = [style.line + self._mistype(self._shorten(sentence)) for sentence in sentences]
                parts.append(style.headings[name] + style.join.join(written))
        if style.unticked:
            parts.append(
                "\n".join(f"[ ] {each}" for each in self._random.sample(self._everyday.phrases["unticked"], 2))
            )
        if style.footer:
            parts.append(self.fill(self._random.choice(style.footer)))
        text = style.between.join(parts)
        if style.capitals:
            text = text.upper()
        if not style.wrap:
            return text
        return "\n".join(
            line for paragraph in text.split("\n") for line in (textwrap.wrap(paragraph, style.wrap) or [""])
        )

    def _shorten(self, sentence: str) -> str:
        share = self.style.abbreviate
        if share:
            for long, short in self._everyday.abbreviations:
                if long.search(sentence) and self._random.random() < share:
                    sentence = long.sub(short, sentence)
        return sentence

    def _mistype(self, sentence: str) -> str:
        """Now and then two letters of a longer word change places, one is lost, or one is struck twice."""
        if not self._typos:
            return sentence
        words = sentence.split(" ")
        for position, word in enumerate(words):
            if len(word) >= _SHORTEST_MISTYPED and self._random.random() < self._typos and word.isalpha():
                at = self._random.randrange(1, len(word) - 2)
                slip = self._random.randrange(3)
                words[position] = (
                    word[:at] + word[at + 1] + word[at] + word[at + 2 :]
                    if slip == 0
                    else word[:at] + word[at + 1 :]
                    if slip == 1
                    else word[:at] + word[at] + word[at:]
                )
        return " ".join(words)


def placeholders(phrase: str) -> list[str]:
    """The names in braces, as written. Raises ValueError for a brace left open."""
    return [name for _, name, _, _ in Formatter().parse(phrase) if name is not None]
