"""What a plan asks of the coverage policies: every criterion, or the national ones only, and which common customs it has not.

::

    default: {reading: strict}
    plans:
      PPO-1: {reading: national}
      HMO-2: {without: {knee-mri: [persistent-after-care]}}

``reading: national`` keeps what a national rule (NCD, CFR, CMS manual) says; ``strict`` keeps everything and is the default.
``without`` leaves out single criteria whose basis is only ``common``. A policy of which nothing national would remain is
read in full. What always goes to a nurse stays whatever a plan asks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from features.errors import PolicyError
from features.policy import CoveragePolicy, Criterion, PolicySet

CriteriaRead = Literal["strict", "national"]


@dataclass(frozen=True, slots=True)
class PlanSetting:
    """One plan's reading, and by policy the criteria it does not ask for."""

    reading: CriteriaRead = "strict"
    without: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Settings by plan id; ``default`` for every other plan. ``hash`` changes when the file does."""

    default: PlanSetting = PlanSetting()
    plans: Mapping[str, PlanSetting] = field(default_factory=dict)
    hash: str = "none"

    def of(self, plan_id: str | None) -> PlanSetting:
        """The settings of a plan."""
        return self.plans.get(plan_id, self.default) if plan_id is not None else self.default

    def applied(self, policy: CoveragePolicy, plan_id: str | None) -> CoveragePolicy:
        """The policy as that plan asks it. Its version says so: ``2026.1+national``."""
        setting = self.of(plan_id)
        without = setting.without.get(policy.policy_id, frozenset())
        if setting.reading == "strict" and not without:
            return policy
        kept = _kept(policy.criteria, setting.reading, without)
        if kept is None or kept == policy.criteria:
            return policy
        left_out = hashlib.sha256(" ".join(sorted(without)).encode()).hexdigest()[:6]
        mark = f"{setting.reading}.without.{left_out}" if without else setting.reading
        return policy.model_copy(update={"criteria": kept, "version": f"{policy.version}+{mark}"})


def _kept(node: Criterion, reading: CriteriaRead, without: frozenset[str]) -> Criterion | None:
    """The node without what the plan does not ask for; None where nothing of it remains."""
    if node.id in without:
        return None
    if node.is_leaf:
        return node if reading == "strict" or node.basis == "national" else None
    kept = [part for child in node.children if (part := _kept(child, reading, without)) is not None]
    if not kept:
        return None
    if node.none_of is not None:
        return node
    children = tuple(kept)
    if node.all_of is not None:
        return node.model_copy(update={"all_of": children})
    if node.any_of is not None:
        return node.model_copy(update={"any_of": children})
    return node.model_copy(update={"of": children, "at_least": min(node.at_least or 1, len(children))})


@lru_cache(maxsize=4)
def _read_file(path: Path, changed: int) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PolicyError(f"{path.name}: not valid YAML near line {mark.line + 1 if mark else '?'}") from None
    if not isinstance(data, dict) or set(data) - {"default", "plans"}:
        raise PolicyError(f"{path.name}: must be a mapping with default and plans")
    return data


def plan_settings_path() -> Path | None:
    """The file GREENLANE_PLANS names; None where it names none."""
    named = os.environ.get("GREENLANE_PLANS")
    return Path(named) if named else None


def load_plan_settings(path: Path | None, policies: PolicySet) -> PlanSettings:
    """Settings from a file (none: every plan is read strictly). Raises PolicyError naming file, plan and entry."""
    if path is None:
        return PlanSettings()
    try:
        data = _read_file(path, path.stat().st_mtime_ns)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    except OSError:
        raise PolicyError(f"{path.name}: the plan settings cannot be read") from None
    plans = data.get("plans") or {}
    if not isinstance(plans, dict):
        raise PolicyError(f"{path.name}: plans must be a mapping of plan ids")
    return PlanSettings(
        _setting(data.get("default") or {}, f"{path.name}: default", policies),
        {str(plan): _setting(entry or {}, f"{path.name}: {plan}", policies) for plan, entry in plans.items()},
        digest,
    )


def _setting(data: Any, where: str, policies: PolicySet) -> PlanSetting:
    if not isinstance(data, dict) or set(data) - {"reading", "without"}:
        raise PolicyError(f"{where}: has reading and without, nothing else")
    reading = data.get("reading", "strict")
    if reading not in ("strict", "national"):
        raise PolicyError(f"{where}: reading must be strict or national")
    without = data.get("without") or {}
    if not isinstance(without, dict):
        raise PolicyError(f"{where}: without must name policies and their criteria")
    return PlanSetting(
        reading, {str(policy): _left_out(str(policy), ids, where, policies) for policy, ids in without.items()}
    )


def _left_out(policy_id: str, ids: Any, where: str, policies: PolicySet) -> frozenset[str]:
    policy = policies.get(policy_id)
    if policy is None:
        raise PolicyError(f"{where}: without: {policy_id}: there is no such policy")
    nodes = {node.id: node for node in policy.criteria.walk()}
    for criterion in ids if isinstance(ids, list) else [ids]:
        node = nodes.get(str(criterion))
        if node is None or node is policy.criteria:
            raise PolicyError(f"{where}: without: {policy_id}: {criterion}: there is no such criterion")
        if any(part.is_leaf and part.basis != "common" for part in node.walk()):
            raise PolicyError(f"{where}: without: {policy_id}: {criterion}: only common practice can be left out")
    return frozenset(str(criterion) for criterion in (ids if isinstance(ids, list) else [ids]))
