"""An entry of the trail in plain words: "Ann Lee opened the evidence for “Conservative care was tried”"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.fact_words import spoken
from serving.roles import Role
from serving.sights import Sight
from serving.trail import Entry
from serving.work import ActionKind

NOBODY = "greenlane itself"
"""Who did what nobody signed in did: the command line, the service."""

_DONE: dict[str, str] = {
    Sight.CASE_OPENED: "opened the case",
    Sight.SCORE_OPENED: "opened the score",
    ActionKind.CLAIMED: "claimed the case",
    ActionKind.RELEASED: "released the case",
    ActionKind.ASSIGNED: "assigned the case",
    ActionKind.FACT_CORRECTED: "confirmed or corrected a fact",
    ActionKind.NOTED: "wrote a note to the file",
    ActionKind.INFORMATION_REQUESTED: "asked the provider for information",
    ActionKind.APPROVED: "approved as requested",
    ActionKind.APPROVED_MODIFIED: "approved with the provider's agreed change",
    ActionKind.REFERRED: "referred the case to a medical director",
    ActionKind.RETURNED: "returned the case to the nurse",
    ActionKind.DETERMINED_ADVERSELY: "recorded an adverse determination",
    ActionKind.REOPENED: "reopened the case",
    ActionKind.EXTENDED: "took more time, as the turnaround rule allows",
    ActionKind.MADE_EXPEDITED: "made the case expedited",
    ActionKind.NOT_EXPEDITED: "did not grant expedited review: the standard time holds",
    ActionKind.UNDONE: "undid an action",
    "request_updated": "took in an update of the request",
    "request_cancelled": "took in that the request was cancelled",
    "signed_in": "signed in",
    "signed_out": "signed out",
    "person_added": "let somebody sign in from now on",
    "tenant_added": "let an organization share the service from now on",
    "tenant_changed": "changed the organization",
    "key_added": "gave an intake system an API key",
    "key_rotated": "gave an API key a new secret",
    "key_revoked": "ended an API key",
    "triage_retried": "had the request read again",
    "trail_verified": "had the trail verified",
    "trail_exported": "exported the trail",
    "trail_opened": "opened the case's trail",
    "hold_placed": "placed a legal hold",
    "hold_released": "released a legal hold",
    "contents_erased": "erased what the case said",
    "member_exported": "exported the case for its member",
}


def action_words(action: str) -> str:
    """A kind of entry in words, for a list of them."""
    return spoken(action)


def role_words(role: str | None) -> str:
    """A role in words; empty where there is none."""
    return spoken(role) if role in set(Role) else ""


def entry_words(entry: Entry, statements: Mapping[str, str]) -> str:
    """What the entry says was done, without who did it. ``statements`` are the policy's sentences by criterion id."""
    facts = entry.facts
    match entry.action:
        case Sight.EVIDENCE_OPENED:
            return f"opened the evidence for {_evidence(facts, statements)}"
        case Sight.DOCUMENT_OPENED:
            return f"opened document {facts.get('document', '')}".strip()
        case Sight.CASE_LEFT:
            return f"left the case after {duration(facts.get('seconds'))} of looking at it"
        case "trail_verified":
            return _verified(facts)
    return _DONE.get(entry.action, spoken(entry.action))


def duration(seconds: object) -> str:
    """Seconds as people say them."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return "an unknown time"
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes < 10 else f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def versions_words(entry: Entry) -> str:
    """The versions an entry names: policy, model, pipeline. Empty where it names none."""
    facts = entry.facts
    nested = facts.get("versions")
    found: Mapping[str, Any] = nested if isinstance(nested, dict) else facts
    parts = []
    if isinstance(revision := facts.get("revision", found.get("revision")), int):
        parts.append(f"revision {revision}")
    if isinstance(policy := found.get("policy"), dict):
        parts.append(f"policy {policy.get('policy_id')} {policy.get('version')}")
    if isinstance(model := found.get("model"), dict):
        parts.append(f"model {model.get('name')} {model.get('version')}")
    if isinstance(pipeline := found.get("pipeline_version"), str):
        parts.append(f"pipeline {pipeline}")
    return ", ".join(parts)


def _evidence(facts: Mapping[str, Any], statements: Mapping[str, str]) -> str:
    criterion_id = facts.get("criterion_id")
    if isinstance(criterion_id, str):
        return f"“{statements.get(criterion_id, spoken(criterion_id))}”"
    return f"fact {facts.get('fact_id')}, which no criterion uses"


def _verified(facts: Mapping[str, Any]) -> str:
    reached, broken = facts.get("to"), facts.get("broken")
    if broken:
        return f"had the trail verified up to entry {reached}: it does not hold at entry {facts.get('first')}"
    return f"had the trail verified up to entry {reached}: it holds"
