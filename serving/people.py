"""People who may sign in, and who is signed in. Values only; serving/people_store.py keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.roles import Permission, Role, may
from serving.tenants import DEFAULT_TENANT

IDLE_LIMIT = timedelta(minutes=15)
"""Automatic logoff (45 CFR 164.312(a)(2)(iii)): so long without a request ends a sign-in."""

WARNED_BEFORE = timedelta(minutes=2)
"""So long before the end the page warns; WCAG 2.2.1 asks for 20 seconds at least."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in."""

    person_id: str
    sign_in_name: str
    display_name: str
    role: Role
    team: str | None = None
    active: bool = True
    by_oidc: bool = False
    """They come through the identity provider, which also says their role."""
    tenant: str = DEFAULT_TENANT

    def may(self, permission: Permission) -> bool:
        """Whether the person's role holds the permission."""
        return may(self.role, permission)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person in one signed-in browser. ``form_token`` must come back with every form the browser posts."""

    person: Person
    sign_in_id: str
    form_token: str
    last_seen_at: datetime

    @property
    def ends_at(self) -> datetime:
        """When it ends if the person does nothing more."""
        return self.last_seen_at + IDLE_LIMIT
