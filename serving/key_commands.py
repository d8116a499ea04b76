"""``greenlane keys``: the API keys of intake systems. A key is printed once, when it is made or rotated."""

from __future__ import annotations

import getpass
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from serving.opened_store import OfTenant, opened_store

if TYPE_CHECKING:
    from serving.api_keys import ApiKey
    from serving.key_store import NewKey

keys_app = typer.Typer(help="API keys of intake systems.", no_args_is_help=True, rich_markup_mode=None)

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3660)

_KeyId = Annotated[str, typer.Argument(help="As printed by `keys list`.")]


def span(text: str) -> timedelta:
    """A span such as 30m, 24h or 90d; 0 is none. Raises typer.BadParameter."""
    found = re.fullmatch(r"([0-9]{1,6})([mhd]?)", text.strip())
    if found is None or (not found[2] and int(found[1]) != 0):
        raise typer.BadParameter("must be a span such as 30m, 24h or 90d")
    given = timedelta(**{_UNITS[found[2] or "m"]: int(found[1])})
    if given > _LONGEST:
        raise typer.BadParameter("must be ten years at most")
    return given


@keys_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name of the intake system, such as 'East clinics'.")],
    scope: Annotated[
        list[str],
        typer.Option("--scope", help="What it may do: submit, read, preview, events. May be given again."),
    ],
    tenant: OfTenant = "default",
    expires_in: Annotated[
        str | None,
        typer.Option("--expires-in", metavar="SPAN", help="So long it is valid, such as 90d; else for ever."),
    ] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option("--requests-per-minute", help="Calls a minute; 0: any number. Else as the settings say."),
    ] = None,
    body_limit: Annotated[
        int | None, typer.Option("--body-limit", metavar="BYTES", help="Largest body. Else as the settings say.")
    ] = None,
) -> None:
    """Let an intake system call from now on."""
    from serving.api_keys import Scope
    from serving.key_store import KeyStore

    unknown = sorted(set(scope) - set(Scope))
    if unknown:
        raise typer.BadParameter(f"the scopes are {', '.join(Scope)}", param_hint="--scope")
    now = datetime.now(UTC)
    expires_at = now + span(expires_in) if expires_in is not None else None
    with opened_store() as store:
        made = KeyStore(store).add(
            name,
            tenant,
            {Scope(each) for each in scope},
            requests_per_minute=requests_per_minute,
            body_limit=body_limit,
            expires_at=expires_at,
            created_by=getpass.getuser(),
            now=now,
        )
    _show(made)


@keys_app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only of this tenant.")] = None,
) -> None:
    """Print every key: id, tenant, scopes, how it stands, last used, limits, name, tab-separated."""
    from serving.key_store import KeyStore

    now = datetime.now(UTC)
    with opened_store() as store:
        for key in KeyStore(store).every(tenant):
            typer.echo("\t".join(_columns(key, now)))


@keys_app.command("rotate")
def rotate(
    key_id: _KeyId,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="SPAN", help="So long the secret before is valid too; 0: not at all.")
    ] = "24h",
) -> None:
    """Give a key a new secret at once; the one before stays valid for a while, so that nobody is locked out."""
    from serving.key_store import KeyStore

    with opened_store() as store:
        made = KeyStore(store).rotate(key_id, overlap=span(overlap), now=datetime.now(UTC))
    _show(made)
    until = made.key.earlier_until
    typer.echo(
        f"the secret before is valid until {until:%Y-%m-%d %H:%M} UTC" if until else "the secret before has ended"
    )


@keys_app.command("revoke")
def revoke(key_id: _KeyId) -> None:
    """End a key at once, with every secret it has."""
    from serving.key_store import KeyStore

    with opened_store() as store:
        key = KeyStore(store).revoke(key_id, now=datetime.now(UTC))
    typer.echo(f"{key.key_id}: revoked")


def _show(made: NewKey) -> None:
    typer.echo(f"{made.key.key_id}: {made.key.name}, {_scopes(made.key)}, tenant {made.key.tenant}")
    typer.echo(f"key (shown this once): {made.token}")


def _columns(key: ApiKey, now: datetime) -> tuple[str, ...]:
    until = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "valid"
    state = {None: until, "the key was revoked": "revoked"}.get(key.refusal(now), "expired")
    used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "not used yet"
    limits = [
        f"{key.requests_per_minute} a minute" if key.requests_per_minute is not None else "",
        f"{key.body_limit} bytes" if key.body_limit is not None else "",
    ]
    return (
        key.key_id,
        key.tenant,
        _scopes(key),
        state,
        used,
        ", ".join(limit for limit in limits if limit) or "-",
        key.name,
    )


def _scopes(key: ApiKey) -> str:
    return "+".join(sorted(key.scopes))
