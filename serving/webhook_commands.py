"""``greenlane webhooks``: where events are sent, from the command line. Secrets are shown here alone, and once."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from serving.opened_store import OfTenant, opened_store
from serving.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from serving.webhooks import Undelivered, Webhooks, WebhookState

webhooks_app = typer.Typer(
    help="Systems that are told what happens to cases.", no_args_is_help=True, rich_markup_mode=None
)

_Id = Annotated[str, typer.Argument(help="As printed by `webhooks list`.")]


@webhooks_app.command("add")
def add(
    url: Annotated[str, typer.Argument(help="https://... that takes POST; http:// on this machine only.")],
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Kind of event; may be given again. All by default.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who adds it (default: the user of this machine).")] = None,
    tenant: OfTenant = DEFAULT_TENANT,
) -> None:
    """Send events to an address from now on, and print the secret that signs them."""
    from serving.events import EventKind

    known = {one.value: one for one in EventKind}
    unknown = [one for one in kind or [] if one not in known]
    if unknown:
        raise typer.BadParameter(f"must be one of {', '.join(known)}", param_hint="--kind")
    kinds = [known[one] for one in kind or []]
    with _webhooks(tenant) as webhooks:
        added, secret = webhooks.add(url, kinds, created_by=by or getpass.getuser(), now=datetime.now(UTC))
    typer.echo(f"{added.webhook_id}: added")
    _show(secret)


@webhooks_app.command("list")
def list_webhooks(tenant: OfTenant = DEFAULT_TENANT) -> None:
    """Print every webhook: id, state, waiting, failed, kinds, address, tab-separated."""
    with _webhooks(tenant) as webhooks:
        for state in webhooks.states():
            typer.echo("\t".join(_columns(state)))


@webhooks_app.command("remove")
def remove(webhook_id: _Id, tenant: OfTenant = DEFAULT_TENANT) -> None:
    """Send nothing more there; what was not delivered is dropped."""
    with _webhooks(tenant) as webhooks:
        webhooks.remove(webhook_id, now=datetime.now(UTC))
    typer.echo(f"{webhook_id}: removed")


@webhooks_app.command("rotate")
def rotate(
    webhook_id: _Id,
    overlap_hours: Annotated[
        float, typer.Option("--overlap-hours", min=0, max=720, help="So long the old secret signs too.")
    ] = 24,
    tenant: OfTenant = DEFAULT_TENANT,
) -> None:
    """Print a new secret. Until the overlap ends everything is signed with both, so that nothing is refused meanwhile."""
    with _webhooks(tenant) as webhooks:
        secret = webhooks.rotate(webhook_id, overlap=timedelta(hours=overlap_hours), now=datetime.now(UTC))
    _show(secret)


@webhooks_app.command("failures")
def failures(tenant: OfTenant = DEFAULT_TENANT) -> None:
    """Print what failed for a day: webhook, event, kind, case, queued, attempts, last answer. Exit 1 where any did."""
    with _webhooks(tenant) as webhooks:
        found = webhooks.failures(limit=1000)
    for one in found:
        typer.echo("\t".join(_failure_columns(one)))
    raise typer.Exit(1 if found else 0)


@webhooks_app.command("redeliver")
def redeliver(
    webhook_id: _Id,
    event: Annotated[
        str | None, typer.Option("--event", help="One event, also if it was delivered; else all that failed.")
    ] = None,
    tenant: OfTenant = DEFAULT_TENANT,
) -> None:
    """Try what failed for another day."""
    with _webhooks(tenant) as webhooks:
        count = webhooks.redeliver(webhook_id, event_id=event, now=datetime.now(UTC))
    typer.echo(f"{count} {'delivery' if count == 1 else 'deliveries'} queued again")


@contextmanager
def _webhooks(tenant: str) -> Iterator[Webhooks]:
    from serving.settings import load_settings
    from serving.webhook_address import AddressRule
    from serving.webhooks import Webhooks

    with opened_store(tenant) as store:
        yield Webhooks(store, AddressRule.of(load_settings()))


def _columns(state: WebhookState) -> tuple[str, ...]:
    webhook = state.webhook
    words = "failing" if webhook.failures_in_row else "in order"
    kinds = ",".join(webhook.kinds) or "all"
    return webhook.webhook_id, words, str(state.waiting), str(state.failed), kinds, webhook.url


def _failure_columns(one: Undelivered) -> tuple[str, ...]:
    queued = one.queued_at.isoformat(timespec="seconds")
    answer = one.last_answer or "-"
    return one.webhook_id, one.event_id, one.kind, one.authorization_id, queued, str(one.attempts), answer


def _show(secret: str) -> None:
    typer.echo(f"secret (shown this once): {secret}")
