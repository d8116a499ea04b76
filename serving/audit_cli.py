"""``greenlane audit``: proof that the trail was not changed, an anchor to keep elsewhere, and the entries themselves."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from serving.opened_store import OfTenant, opened_store

audit_app = typer.Typer(
    help="The trail: who saw and did what, when.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class TrailFormat(StrEnum):
    """How ``show`` prints."""

    TABLE = "table"
    JSONL = "jsonl"


@audit_app.command("verify")
def audit_verify(
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="NUMBER:HASH", help="An anchor kept elsewhere, which must still hold."),
    ] = None,
) -> None:
    """Compute every hash again. Exit 1 names the first entry that does not hold and counts them."""
    from serving.trail_chain import START, parse_anchor, verify

    anchor = parse_anchor(since) if since is not None else START
    with opened_store() as store:
        state = verify(store, anchor=anchor)
    if state.first is not None:
        typer.echo(str(state.first))
        places = "1 place" if state.broken == 1 else f"{state.broken} places"
        typer.echo(f"{state.checked} entries read, {places} broken")
        raise typer.Exit(1)
    kept = f"; nothing up to entry {anchor.number} was changed or removed since the anchor" if since else ""
    typer.echo(f"{state.checked} entries hold{kept}")
    typer.echo(f"head {state.head}")


@audit_app.command("anchor")
def audit_anchor() -> None:
    """Print the newest entry's number and hash in one line, to keep where this database's keepers cannot change it."""
    from serving.trail_chain import head_of

    with opened_store() as store:
        typer.echo(str(head_of(store)))


@audit_app.command("show")
def audit_show(
    case: Annotated[str | None, typer.Option("--case", metavar="ID", help="Only of this case (our id).")] = None,
    person: Annotated[
        str | None, typer.Option("--person", metavar="NAME", help="Only by who signs in under this name.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only from then on (UTC)."),
    ] = None,
    output: Annotated[
        TrailFormat | None, typer.Option("--format", help="Table on a terminal, JSON Lines otherwise.")
    ] = None,
    tenant: OfTenant = "default",
) -> None:
    """Print entries, oldest first."""
    from serving.trail_output import entry_table, json_lines, trail_filter

    chosen = output or (TrailFormat.TABLE if sys.stdout.isatty() else TrailFormat.JSONL)
    with opened_store(tenant) as store:
        wanted = trail_filter(store, case, person, since.replace(tzinfo=UTC) if since else None)
        if chosen is TrailFormat.JSONL:
            for line in json_lines(store, wanted):
                typer.echo(line)
        else:
            from serving.terminal import show

            show(entry_table(store, wanted))
