"""The cue lexicon (``lexicon/cues.yaml``): read, checked and written out, one rule for each literal.

A :class:`CueRule` maps one to one to medspaCy's ``ConTextRule``:

=============  ===========================================================================================
ours           medspaCy
=============  ===========================================================================================
``literal``    ``literal`` (``a|b``, ``word?`` and ``<class>`` written out, one rule each)
``flag``       ``category``: NEGATED_EXISTENCE, POSSIBLE_EXISTENCE, HISTORICAL, HYPOTHETICAL, FAMILY
``direction``  ``direction``: FORWARD, BACKWARD, BIDIRECTIONAL, PSEUDO, TERMINATE
``scope``      ``max_scope``, in tokens
``targets``    ``allowed_types``
``ends``       a TERMINATE rule of each of those categories
=============  ===========================================================================================

``<number>`` (digits or a number word), ``<year>`` and ``<end>`` (the end of the sentence) are ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import yaml

from features.errors import LexiconError
from features.tokens import tokenize

Flag = Literal["negated", "uncertain", "historical", "hypothetical", "family"]
Direction = Literal["forward", "backward", "bidirectional", "pseudo", "terminate"]

FLAGS: tuple[Flag, ...] = get_args(Flag)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

NUMBER, YEAR, SENTENCE_END = "<number>", "<year>", "<end>"
_MOST_VARIANTS = 3000


@dataclass(frozen=True, slots=True)
class CueRule:
    """One cue of the lexicon. ``words`` are its tokens, hyphens between words left out.

    ``flag`` is None for pseudo and terminate cues; ``ends`` are the flags a terminate cue ends; ``scope`` is how many
    tokens it reaches (None: to the end of the sentence; for a terminate cue: how many tokens before it it also protects
    a finding from a forward cue); ``targets`` are the concept categories it applies to (empty: all).
    """

    literal: str
    words: tuple[str, ...]
    direction: Direction
    flag: Flag | None = None
    ends: frozenset[str] = frozenset()
    scope: int | None = None
    targets: frozenset[str] = frozenset()


class ContextRuleLike(Protocol):
    """What is read of a medspaCy ``ConTextRule``."""

    literal: str
    category: str
    direction: str
    pattern: object
    max_scope: int | None
    allowed_types: Collection[str] | None
    excluded_types: Collection[str] | None


_CATEGORIES: Mapping[str, Flag] = {
    "NEGATED_EXISTENCE": "negated",
    "POSSIBLE_EXISTENCE": "uncertain",
    "HISTORICAL": "historical",
    "HYPOTHETICAL": "hypothetical",
    "FAMILY": "family",
}


def cue_from_context_rule(rule: ContextRuleLike) -> CueRule:
    """The cue of a medspaCy ``ConTextRule``, so that its users can bring their rules.

    Raises LexiconError naming the rule's literal for what a literal cue cannot say: a pattern, another category,
    excluded types.
    """
    flag = _CATEGORIES.get(rule.category)
    direction = rule.direction.lower()
    if flag is None or direction not in DIRECTIONS:
        raise LexiconError(f"{rule.literal!r}: category or direction is not one of ConText's")
    if rule.pattern is not None or rule.excluded_types:
        raise LexiconError(f"{rule.literal!r}: patterns and excluded types are not supported, only literals")
    sets = direction in ("forward", "backward", "bidirectional")
    return CueRule(
        literal=rule.literal.lower(),
        words=_literal_words(rule.literal, rule.literal),
        direction=direction,
        flag=flag if sets else None,
        ends=frozenset({flag}) if direction == "terminate" else frozenset(),
        scope=rule.max_scope,
        targets=frozenset(kind.lower() for kind in rule.allowed_types or ()),
    )


def load_cues(path: Path | None = None) -> tuple[CueRule, ...]:
    """Read a cue lexicon, the packaged one by default. Raises LexiconError naming the group and the cue."""
    if path is None:
        return _packaged_cues()
    return _parse_cues(path.read_text("utf-8"), path.name)


@lru_cache(maxsize=1)
def _packaged_cues() -> tuple[CueRule, ...]:
    return _parse_cues(files("features").joinpath("lexicon/cues.yaml").read_text("utf-8"), "cues.yaml")


def _parse_cues(content: str, source: str) -> tuple[CueRule, ...]:
    try:
        data = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # a safe loader
    except yaml.YAMLError as error:
        raise LexiconError(f"{source}: not readable as YAML") from error
    groups = data.get("cues") if isinstance(data, dict) else None
    if not isinstance(groups, list):
        raise LexiconError(f"{source}: cues must be a list of groups")
    classes = data.get("words", {})
    if not isinstance(classes, dict) or not all(isinstance(words, list) for words in classes.values()):
        raise LexiconError(f"{source}: words must map names to lists")
    rules: dict[tuple[object, ...], CueRule] = {}
    for number, group in enumerate(groups, 1):
        for rule in _group_rules(group, classes, f"{source}: group {number}"):
            key = (rule.words, rule.direction, rule.flag)
            known = rules.get(key)
            # One word may end the reach of several flags, each in its own group.
            rules[key] = rule if known is None else replace(rule, ends=rule.ends | known.ends)
    return tuple(rules.values())


def _group_rules(group: Any, classes: Mapping[str, list[str]], where: str) -> Iterable[CueRule]:
    if not isinstance(group, dict) or not isinstance(group.get("literals"), list):
        raise LexiconError(f"{where} must hold literals")
    unknown = set(group) - {"about", "flag", "direction", "scope", "targets", "ends", "literals"}
    if unknown:
        raise LexiconError(f"{where}: unknown field {sorted(unknown)[0]}")
    direction, flag, scope = group.get("direction"), group.get("flag"), group.get("scope")
    if direction not in DIRECTIONS:
        raise LexiconError(f"{where}: direction must be one of {', '.join(DIRECTIONS)}")
    if (flag is None) != (direction in ("pseudo", "terminate")) or (flag is not None and flag not in FLAGS):
        raise LexiconError(f"{where}: flag must be one of {', '.join(FLAGS)}, and absent for pseudo and terminate")
    if scope is not None and (not isinstance(scope, int) or scope < 1):
        raise LexiconError(f"{where}: scope must be a number of tokens")
    ends = frozenset(group.get("ends", ()))
    if ends - set(FLAGS) or bool(ends) != (direction == "terminate"):
        raise LexiconError(f"{where}: ends must list flags, for terminate only")
    targets = frozenset(group.get("targets", ()))
    for literal in group["literals"]:
        if not isinstance(literal, str):
            raise LexiconError(f"{where}: {literal!r} must be text (quote it)")
        for words in _variants(literal, classes, where):
            yield CueRule(" ".join(words), words, direction, flag, ends, scope, targets)


def _variants(literal: str, classes: Mapping[str, list[str]], where: str) -> list[tuple[str, ...]]:
    """``literal`` written out: ``a|b`` are alternatives, ``word?`` may be missing, ``<name>`` any word of a class."""
    found: list[tuple[str, ...]] = [()]
    for part in literal.split():
        optional = len(part) > 1 and part.endswith("?")
        written = [
            word
            for choice in (part[:-1] if optional else part).split("|")
            for word in (classes.get(choice[1:-1], [choice]) if choice.startswith("<") else [choice])
        ]
        choices = [_literal_words(choice, where) for choice in written]
        found = [words + choice for words in found for choice in ([*choices, ()] if optional else choices)]
        if len(found) > _MOST_VARIANTS:
            raise LexiconError(f"{where}: {literal!r} has too many variants")
    if not all(found):
        raise LexiconError(f"{where}: {literal!r} needs at least one word that must be there")
    return found


def _literal_words(part: str, where: str) -> tuple[str, ...]:
    if part in (NUMBER, YEAR, SENTENCE_END):
        return (part,)
    if part.startswith("<") and len(part) > 1:
        raise LexiconError(f"{where}: {part} is no class of words")
    words = tokenize(part).words
    between = [word for index, word in enumerate(words) if word != "-" or index in (0, len(words) - 1)]
    return tuple(between)
