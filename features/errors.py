"""The errors of this room. Each message is one line for the person who sees it and never holds note text."""

from __future__ import annotations


class FeaturesError(Exception):
    """Something about a request, a lexicon or a policy cannot be used; the message says what and where."""


class RequestRefusedError(FeaturesError):
    """A request does not follow the contract.

    ``problems`` lists (field, what to do) pairs, the field as a dotted path such as ``member.birth_date``.
    Values are never repeated: they may be a name, a birth date or note text.
    """

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{field}: {message}" for field, message in problems))


class LexiconError(FeaturesError):
    """A file of the lexicon is broken; the message names the file and the entry."""


class PolicyError(FeaturesError):
    """A coverage policy is broken; the message names the file and the criterion."""


class OffsetError(FeaturesError):
    """A span lies outside its text, is empty, or is not in order."""
