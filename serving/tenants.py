"""Tenants: organizations that share one service and see nothing of each other. Values only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

DEFAULT_TENANT = "default"
"""The tenant that is there from the beginning; who needs only one needs to know nothing of tenants."""

LONGEST_TENANT = 64
_SHAPE = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organization. Nobody of an inactive one gets in, neither people nor intake systems; nothing of it is lost."""

    tenant: str
    display_name: str
    created_at: datetime
    active: bool = True


def is_tenant_id(text: str) -> bool:
    """Whether ``text`` can be a tenant's id: small letters, digits and hyphens."""
    return len(text) <= LONGEST_TENANT and _SHAPE.fullmatch(text) is not None
