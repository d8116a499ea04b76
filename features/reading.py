"""One request read from end to end: facts, policy, criteria, guards, features. Deterministic, without I/O."""

from __future__ import annotations

from features.criteria import context_of, evaluate, human_review
from features.extract import extract
from features.guards import request_guards, requested_side, unreadable
from features.lexicon import load_lexicon
from features.margins import margins
from features.plan_settings import PlanSettings
from features.policy import PolicySet, load_policies
from features.types import AuthorizationRequest, Fact, Reading
from features.vector import build_vector


def read(
    request: AuthorizationRequest, policies: PolicySet | None = None, plans: PlanSettings | None = None
) -> Reading:
    """Read ``request`` against the policy in force (the packaged policies by default), as its plan asks it."""
    facts = tuple(extract([document for document in request.documents if unreadable(document) is None]))
    return judge(request, facts, policies, plans)


def judge(
    request: AuthorizationRequest,
    facts: tuple[Fact, ...],
    policies: PolicySet | None = None,
    plans: PlanSettings | None = None,
) -> Reading:
    """The part of :func:`read` after the notes: these facts against the policy."""
    policy = (policies or load_policies()).covering(request)
    if policy is None:
        guards = request_guards(request, None, (), facts)
        return Reading(facts, None, (), guards, build_vector(request, facts, (), guards))
    if plans is not None:
        policy = plans.applied(policy, request.coverage.plan_id)
    context = context_of(request, requested_side(request), load_lexicon())
    criteria = evaluate(policy, facts, context)
    guards = (*request_guards(request, policy, criteria, facts), *human_review(policy, facts, context))
    vector = build_vector(request, facts, criteria, guards, margins(policy, criteria, facts, context))
    return Reading(facts, policy.reference, criteria, guards, vector)
