"""The pen that writes a story down: phrases from a bank, dates and durations in one hand, sections in one style."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from datetime import date
from random import Random

from training.synthetic.banks import Bank
from training.synthetic.story import Person

_NUMBER_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DATE_STYLES = {
    "seen": ("iso", "us_short", "us_long", "month_day_year"),
    "unseen": ("us_year", "day_month_year", "short_month"),
}


class Pen:
    """Writes one document: one style, one way to put dates. ``fields`` fill the phrases' placeholders."""

    def __init__(self, random: Random, bank: Bank, person: Person, visit: date) -> None:
        self._random = random
        self._bank = bank
        self._style = random.choice(bank.styles)
        self._date_style = random.choice(_DATE_STYLES[bank.name])
        self._spells_numbers = random.random() < 0.3
        self._week_word = random.choice(("weeks", "weeks", "wks"))
        female = person.sex == "female"
        self.fields: dict[str, str] = {
            "age": str(person.age_on(visit)),
            "sex_word": random.choice(("woman", "female") if female else ("man", "male")),
            "sex_letter": "F" if female else "M",
            "Pronoun": "She" if female else "He",
            "visit": self.day(visit),
            "pain": str(random.randint(5, 8)),
            "systolic": str(random.randint(108, 148)),
            "diastolic": str(random.randint(64, 92)),
            "pulse": str(random.randint(58, 92)),
            "bmi": f"{random.uniform(22, 38):.1f}",
        }

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
        return _NUMBER_WORDS[value] if self._spells_numbers and value < len(_NUMBER_WORDS) else str(value)

    def weeks(self, weeks: int) -> str:
        """A number of weeks."""
        return f"{self.number(weeks)} {self._week_word if weeks != 1 else 'week'}"

    def lasting(self, weeks: int) -> str:
        """How long something has lasted: weeks up to ten, from then on whole months, rounded down."""
        return self.weeks(weeks) if weeks <= 10 else f"{self.number(int(weeks / 4.345))} months"

    def set(self, **fields: str) -> None:
        """Set placeholders. A name also gives its Capitalized and, for ``side``, its UPPER form."""
        for name, value in fields.items():
            self.fields[name] = value
            self.fields[name.capitalize()] = value[:1].upper() + value[1:]
            self.fields[name.upper()] = value.upper()

    def say(self, key: str) -> str:
        """One phrase of that key, its placeholders filled."""
        return self._random.choice(self._bank.phrases[key]).format_map(self.fields)

    def sometimes(self, share: float, key: str) -> list[str]:
        """A phrase of that key in ``share`` of the cases, else nothing."""
        return [self.say(key)] if self._random.random() < share else []

    def lay_out(self, sections: Mapping[str, Sequence[str]], header: str = "") -> str:
        """The note: ``sections`` (name to sentences) under this style's headings, empty ones left out."""
        style = self._style
        written = [
            style.headings[name] + style.join.join(self._shorten(sentence) for sentence in sections[name])
            for name in style.order
            if sections.get(name)
        ]
        text = style.between.join(([header] if header else []) + written)
        if not style.wrap:
            return text
        return "\n".join(
            line for paragraph in text.split("\n") for line in (textwrap.wrap(paragraph, style.wrap) or [""])
        )

    def _shorten(self, sentence: str) -> str:
        share = self._style.abbreviate
        if not share:
            return sentence
        for long, short in self._bank.abbreviations:
            if long in sentence and self._random.random() < share:
                sentence = re.sub(rf"\b{re.escape(long)}\b", short, sentence)
        return sentence
