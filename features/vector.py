"""The numbers the model sees. Nothing of sex, race, name, birth date, place of living or plan is among them.

Directions say what is known before any data: more criteria met never lowers the score, more contradictions never raise it.

How long the notes are and how many facts they hold are not among them: both change with the writer's style more than with
the case (over held-out styles their distributions moved by 0.18 and 0.25, Kolmogorov-Smirnov, most features by less than
0.08), and without them the score was as good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date

from features.margins import FAR, Margins
from features.types import (
    AuthorizationRequest,
    Course,
    CriterionResult,
    Fact,
    FeatureSchema,
    FeatureSpec,
    FeatureVector,
    Guard,
    Status,
)

_TREE = "the policy's tree after the facts were held against it"
_MARGINS = "the facts that met the tree, held against its limits"
_FACTS = "facts of the notes"
_REQUEST = "the request"

_FEATURES = (
    FeatureSpec("policy_met", "1 where the policy's tree as a whole is met", 1, _TREE),
    FeatureSpec("criteria_met_fraction", "share of the needed leaves that are met", 1, _TREE),
    FeatureSpec("criteria_not_met", "needed leaves with evidence against them", -1, _TREE),
    FeatureSpec("criteria_not_documented", "needed leaves without deciding evidence", -1, _TREE),
    FeatureSpec("criteria_conflicting", "leaves whose documents contradict each other, needed or not", -1, _TREE),
    FeatureSpec(
        "guards",
        "guards that hold the request back (exclusions, documents about someone else, ...)",
        -1,
        "guards and exclusions",
    ),
    FeatureSpec(
        "value_margin",
        "how far the measured values that meet the policy lie from their nearest limit, relative to that limit, 0 to 1",
        1,
        _MARGINS,
    ),
    FeatureSpec("change_margin", "the same of how far a value moved between two measurements", 1, _MARGINS),
    FeatureSpec("length_margin", "the same of how long something lasted, or had to lie back", 1, _MARGINS),
    FeatureSpec("recency_margin", "the same of how long ago it may have been", 1, _MARGINS),
    FeatureSpec("closest_margin", "the smallest of these four", 1, _MARGINS),
    FeatureSpec(
        "weakest_margin", "the smallest of any met leaf, also where another branch would have done", 1, _MARGINS
    ),
    FeatureSpec("evidence_per_met_leaf", "facts behind each met leaf, mean, at most 5", 1, _TREE),
    FeatureSpec("evidence_age_days", "age of the youngest evidence of met leaves in days, at most 730", -1, _TREE),
    FeatureSpec("branches_met", "alternative branches that are met on their own", 1, _TREE),
    FeatureSpec(
        "uncertain_share", "share of the patient's own problems and findings that are only suspected", -1, _FACTS
    ),
    FeatureSpec("planned_treatments", "treatments that are only planned", -1, _FACTS),
    FeatureSpec("treatments_done", "different treatments that took place", 1, _FACTS),
    FeatureSpec("undated_documents", "documents without a date", -1, _REQUEST),
    FeatureSpec("documents", "documents sent", 0, _REQUEST),
)


def _schema() -> FeatureSchema:
    content = "\n".join(f"{spec.name}|{spec.meaning}|{spec.direction}" for spec in _FEATURES)
    return FeatureSchema("greenlane-features", "3", _FEATURES, hashlib.sha256(content.encode()).hexdigest()[:16])


SCHEMA = _schema()


def build_vector(
    request: AuthorizationRequest,
    facts: Sequence[Fact],
    criteria: Sequence[CriterionResult],
    guards: Sequence[Guard],
    margins: Margins = FAR,
) -> FeatureVector:
    """The features of a request, in the order of :data:`SCHEMA`. ``margins``: see :mod:`features.margins`."""
    parents = {result.parent for result in criteria}
    leaves = [result for result in criteria if result.criterion_id not in parents]
    needed = [leaf for leaf in leaves if leaf.needed]
    met = [leaf for leaf in needed if leaf.status is Status.MET]
    root = criteria[0] if criteria else None
    own = [fact for fact in facts if fact.category in ("problem", "finding") and not fact.assertion.family]
    by_id = {fact.fact_id: fact for fact in facts}
    ages = [_age_days(by_id[fact_id], request) for leaf in met for fact_id in leaf.evidence if fact_id in by_id]
    values = {
        "policy_met": float(root is not None and root.status is Status.MET),
        "criteria_met_fraction": len(met) / len(needed) if needed else 0.0,
        "criteria_not_met": float(sum(leaf.status is Status.NOT_MET for leaf in needed)),
        "criteria_not_documented": float(sum(leaf.status is Status.NOT_DOCUMENTED for leaf in needed)),
        "criteria_conflicting": float(sum(leaf.status is Status.CONFLICTING for leaf in leaves)),
        "guards": float(len(guards)),
        "value_margin": margins.value,
        "change_margin": margins.change,
        "length_margin": margins.length,
        "recency_margin": margins.recency,
        "closest_margin": margins.closest,
        "weakest_margin": margins.weakest,
        "evidence_per_met_leaf": sum(min(len(leaf.evidence), 5) for leaf in met) / len(met) if met else 0.0,
        "evidence_age_days": float(min(min(ages, default=730), 730)),
        "branches_met": float(
            sum(r.status is Status.MET for r in criteria if root is not None and r.parent == root.criterion_id)
        ),
        "uncertain_share": sum(f.assertion.uncertain for f in own) / len(own) if own else 0.0,
        "planned_treatments": float(len({f.concept for f in facts if f.course is Course.PLANNED})),
        "treatments_done": float(
            len(
                {f.concept for f in facts if f.course is not None and f.course in _DONE and f.assertion.is_patients_own}
            )
        ),
        "undated_documents": float(sum(document.date is None for document in request.documents)),
        "documents": float(len(request.documents)),
    }
    return FeatureVector(SCHEMA, tuple(values[spec.name] for spec in SCHEMA.features))


_DONE = frozenset({Course.COMPLETED, Course.ONGOING, Course.FAILED, Course.NOT_TOLERATED, Course.STATED})


def _age_days(fact: Fact, request: AuthorizationRequest) -> int:
    dates = {document.document_id: document.date for document in request.documents}
    when = fact.ended or fact.date or dates.get(fact.document_id) or date.min
    return max((request.received_at.date() - when).days, 0)
