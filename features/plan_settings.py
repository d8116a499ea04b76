"""What a plan asks of the coverage policies (every criterion, or the national ones only, and which common customs it has
not), and where and as what it does business, which sets its clocks.

::

    default: {reading: strict, time_zone: America/New_York}
    plans:
      PPO-1: {reading: national, line_of_business: commercial, state: TX, time_zone: America/Chicago}
      HMO-2: {without: {knee-mri: [persistent-after-care]}}

``reading: national`` keeps what a national rule (NCD, CFR, CMS manual) says; ``strict`` keeps everything and is the default.
``without`` leaves out single criteria whose basis is only ``common``. A policy of which nothing national would remain is
read in full. What always goes to a nurse stays whatever a plan asks. What ``line_of_business``, ``state`` and ``time_zone``
do stands in docs/clocks.md; a plan that leaves one out has that of ``default``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import yaml

from features.errors import PolicyError
from features.lines_of_business import LINES_OF_BUSINESS, LineOfBusiness
from features.policy import CoveragePolicy, Criterion, PolicySet

CriteriaRead = Literal["strict", "national"]
_STATE = re.compile("[A-Z]{2}")


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
        return _shortened(policy, setting.reading, without) or policy


@dataclass(frozen=True, slots=True)
class PlanPlace:
    """Where a plan does business and as what. ``time_zone`` is an IANA name; ``state`` two letters, where its law holds.

    ``line_of_business`` None: only the request says it.
    """

    line_of_business: LineOfBusiness | None = None
    state: str | None = None
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class PlanPlaces:
    """Places by plan id; ``default`` for every other plan."""

    default: PlanPlace = PlanPlace()
    plans: Mapping[str, PlanPlace] = field(default_factory=dict)

    def of(self, plan_id: str | None) -> PlanPlace:
        """The place of a plan."""
        return self.plans.get(plan_id, self.default) if plan_id is not None else self.default


@lru_cache(maxsize=256)
def _shortened(policy: CoveragePolicy, reading: CriteriaRead, without: frozenset[str]) -> CoveragePolicy | None:
    """The policy without what a plan does not ask for, made once; None where it stays as it is."""
    kept = _kept(policy.criteria, reading, without)
    if kept is None or kept == policy.criteria:
        return None
    left_out = hashlib.sha256(" ".join(sorted(without)).encode()).hexdigest()[:6]
    mark = f"{reading}.without.{left_out}" if without else reading
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
    plans = _plans(data, path)
    for plan, entry in plans.items():
        _place(entry or {}, f"{path.name}: {plan}", PlanPlace())
    _place(data.get("default") or {}, f"{path.name}: default", PlanPlace())
    return PlanSettings(
        _setting(data.get("default") or {}, f"{path.name}: default", policies),
        {str(plan): _setting(entry or {}, f"{path.name}: {plan}", policies) for plan, entry in plans.items()},
        digest,
    )


def load_plan_places(path: Path | None) -> PlanPlaces:
    """Where the plans of a file do business (none: nothing is known of any). Raises PolicyError naming file, plan and entry.

    What plans ask of the policies is not looked at: a mistake there leaves the clocks right.
    """
    if path is None:
        return PlanPlaces()
    try:
        return _read_places(path, path.stat().st_mtime_ns)
    except OSError:
        raise PolicyError(f"{path.name}: the plan settings cannot be read") from None


@lru_cache(maxsize=4)
def _read_places(path: Path, changed: int) -> PlanPlaces:
    data = _read_file(path, changed)
    default = _place(data.get("default") or {}, f"{path.name}: default", PlanPlace())
    plans = _plans(data, path)
    return PlanPlaces(
        default, {str(plan): _place(entry or {}, f"{path.name}: {plan}", default) for plan, entry in plans.items()}
    )


def _plans(data: Mapping[str, Any], path: Path) -> dict[Any, Any]:
    plans = data.get("plans") or {}
    if not isinstance(plans, dict):
        raise PolicyError(f"{path.name}: plans must be a mapping of plan ids")
    return plans


def _require_known_keys(data: Any, where: str) -> None:
    if not isinstance(data, dict) or set(data) - {"reading", "without", "line_of_business", "state", "time_zone"}:
        raise PolicyError(f"{where}: has reading and without, line_of_business, state and time_zone, nothing else")


def _place(data: Any, where: str, default: PlanPlace) -> PlanPlace:
    _require_known_keys(data, where)
    line = data.get("line_of_business", default.line_of_business)
    if line not in (None, *LINES_OF_BUSINESS):
        raise PolicyError(f"{where}: line_of_business must be one of {', '.join(LINES_OF_BUSINESS)}")
    state = data.get("state", default.state)
    if state is not None and not (isinstance(state, str) and _STATE.fullmatch(state)):
        raise PolicyError(f"{where}: state must be two capital letters, such as TX")
    zone = data.get("time_zone", default.time_zone)
    try:
        if zone != "UTC":  # which needs no time zone database
            ZoneInfo(str(zone))
    except (OSError, ValueError, KeyError):  # KeyError: ZoneInfoNotFoundError; OSError: the name of a folder
        raise PolicyError(f"{where}: time_zone must be a name such as America/Chicago") from None
    return PlanPlace(line, state, str(zone))


def _setting(data: Any, where: str, policies: PolicySet) -> PlanSetting:
    _require_known_keys(data, where)
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
