"""A coverage policy made ready for judging: its nodes numbered, each leaf's evidence as a requirement.

The policy file is checked by Pydantic; what is done for every request goes over these plain nodes, made once per policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from features.lexicon import first_small
from features.policy import CoveragePolicy, Criterion, Evidence, HumanReview
from features.requirement import Requirement, requirement_of


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One criterion of a policy's tree, with all of it that judging needs.

    ``within_sentence`` is its statement as part of one; ``place`` its number in the tree, parents first; ``leaves`` has a
    bit for every leaf at or below it that facts can show; ``at_least`` is how many of its children must be met,
    ``asks_all`` says that it is every one, ``negates`` that its child must not be so.
    """

    criterion_id: str
    statement: str
    within_sentence: str
    ask: str | None
    human: str | None
    place: int
    parent: str | None
    children: tuple[Node, ...]
    required: Requirement | None
    leaves: int
    at_least: int
    asks_all: bool
    negates: bool

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, eq=False)
class Exclusion:
    """Something that always goes to a human, with what shows it and what settles it."""

    message: str
    required: Requirement
    unless: Requirement | None


@dataclass(frozen=True, slots=True, eq=False)
class PolicyTree:
    """A policy's nodes and exclusions.

    ``evidence_of`` has what each leaf asks for, ``leaves_of`` for every concept the bits of the leaves it can show,
    ``exclusions_of`` the numbers of the exclusions it can show.
    """

    root: Node
    exclusions: tuple[Exclusion, ...]
    evidence_of: Mapping[str, Evidence]
    leaves_of: Mapping[str, int]
    exclusions_of: Mapping[str, tuple[int, ...]]


@lru_cache(maxsize=256)
def tree_of(policy: CoveragePolicy) -> PolicyTree:
    """The tree of a policy, made once."""
    places = {node.id: place for place, node in enumerate(policy.criteria.walk())}
    root = _node(policy.criteria, None, places)
    leaves_of: dict[str, int] = {}
    for node in root.walk():
        for concept in node.required.concepts if node.required else ():
            leaves_of[concept] = leaves_of.get(concept, 0) | node.leaves
    exclusions_of: dict[str, tuple[int, ...]] = {}
    for number, item in enumerate(policy.human_review):
        for concept in item.evidence.concepts:
            exclusions_of[concept] = (*exclusions_of.get(concept, ()), number)
    evidence_of = {node.criterion_id: node.required.evidence for node in root.walk() if node.required is not None}
    return PolicyTree(root, tuple(map(_exclusion, policy.human_review)), evidence_of, leaves_of, exclusions_of)


def _exclusion(item: HumanReview) -> Exclusion:
    unless = requirement_of(item.unless) if item.unless is not None else None
    return Exclusion(f"{item.statement}.", requirement_of(item.evidence), unless)


def _node(criterion: Criterion, parent: str | None, places: Mapping[str, int]) -> Node:
    children = tuple(_node(child, criterion.id, places) for child in criterion.children)
    place = places[criterion.id]
    leaves = 1 << place if criterion.evidence is not None else 0
    for child in children:
        leaves |= child.leaves
    return Node(
        criterion_id=criterion.id,
        statement=criterion.statement,
        within_sentence=first_small(criterion.statement),
        ask=criterion.ask if criterion.is_leaf else None,
        human=criterion.human,
        place=place,
        parent=parent,
        children=children,
        required=requirement_of(criterion.evidence) if criterion.evidence is not None else None,
        leaves=leaves,
        at_least=len(children) if criterion.all_of else (criterion.at_least or 1),
        asks_all=criterion.all_of is not None,
        negates=criterion.none_of is not None,
    )
