"""What each tenant works with: its own store, people, drafts, actions and numbers, made when somebody of it first comes.

The model, the reading of files, locks and metrics are the application's and shared. Whoever asks is led to one room
here, and nothing in it can reach another tenant's cases.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta

from serving.batches import Batches
from serving.case_actions import CaseActions
from serving.drafts import DraftStore
from serving.event_feed import EventFeed
from serving.idempotency import IdempotencyKeys
from serving.people_store import PeopleStore, tenant_of_sign_in
from serving.service import AuthorizationService
from serving.store import Store
from serving.tenant_store import TenantStore
from serving.tenants import DEFAULT_TENANT
from serving.webhook_address import AddressRule
from serving.webhooks import Webhooks
from serving.worklist_counts import WorklistCounts


@dataclass(frozen=True, slots=True)
class TenantRoom:
    """Everything one tenant works with."""

    tenant: str
    store: Store
    service: AuthorizationService
    people: PeopleStore
    drafts: DraftStore
    actions: CaseActions
    worklist_counts: WorklistCounts
    event_feed: EventFeed
    webhooks: Webhooks
    batches: Batches
    idempotency_keys: IdempotencyKeys


class TenantRooms:
    """The rooms of an application. ``service`` is the default tenant's. Safe to share between threads."""

    def __init__(
        self,
        store: Store,
        service: AuthorizationService,
        *,
        undo_window: timedelta,
        addresses: AddressRule,
        keys_kept: timedelta,
    ) -> None:
        self._store = store
        self._addresses = addresses
        self._service = service
        self._people = PeopleStore(store)
        self._undo_window = undo_window
        self._keys_kept = keys_kept
        self._lock = threading.Lock()
        self._rooms: dict[str, TenantRoom] = {}
        self.tenants = TenantStore(store)

    def of(self, tenant: str) -> TenantRoom:
        """The room of a tenant that is there; whether it is active is asked of who comes in."""
        with self._lock:
            if tenant not in self._rooms:
                self._rooms[tenant] = self._room(tenant)
            return self._rooms[tenant]

    def of_sign_in(self, token: str) -> TenantRoom | None:
        """The room of who holds a browser's sign-in token, None where it is nobody's of an active tenant.

        The token may have ended: what it still opens is for the room to say.
        """
        tenant = tenant_of_sign_in(self._store, token) if token else None
        return self.of(tenant) if tenant is not None else None

    def of_organization(self, name: str) -> TenantRoom | None:
        """The room of the organization that somebody names who signs in; where they name none, the default one's."""
        tenant = name.strip().casefold() or DEFAULT_TENANT
        return self.of(tenant) if self.tenants.is_active(tenant) else None

    def _room(self, tenant: str) -> TenantRoom:
        is_default = tenant == self._store.tenant
        store = self._store if is_default else self._store.of_tenant(tenant)
        service = self._service if is_default else self._service.of_tenant(tenant)
        return TenantRoom(
            tenant=tenant,
            store=store,
            service=service,
            people=self._people if is_default else self._people.of_tenant(tenant),
            drafts=DraftStore(store),
            actions=CaseActions(store, undo_window=self._undo_window),
            worklist_counts=WorklistCounts(store),
            event_feed=EventFeed(store),
            webhooks=Webhooks(store, self._addresses),
            batches=Batches(store, service),
            idempotency_keys=IdempotencyKeys(store, kept=self._keys_kept),
        )
