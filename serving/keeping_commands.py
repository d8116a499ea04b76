"""``greenlane retention``, ``hold`` and ``member``: how long cases are kept, what must be, and what a member may ask for."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.opened_store import opened_store

if TYPE_CHECKING:
    from serving.erasing import Erasure
    from serving.legal_holds import LegalHold
    from serving.people import Person
    from serving.store import Store

retention_app = typer.Typer(help="How long closed cases are kept.", no_args_is_help=True, rich_markup_mode=None)
hold_app = typer.Typer(help="Legal holds: what is on one is never erased.", no_args_is_help=True, rich_markup_mode=None)
member_app = typer.Typer(
    help="What a member may ask for: their record, and its erasure.", no_args_is_help=True, rich_markup_mode=None
)

_Tenant = Annotated[str, typer.Option("--tenant", help="Whose cases.")]
_By = Annotated[str | None, typer.Option("--by", help="Who does it (default: the user of this machine).")]
_Why = Annotated[str, typer.Option("--why", help="Reason, kept beside it.")]
_Member = Annotated[
    str, typer.Option("--member-id", help="The member's id. - asks for it, or reads it from standard input.")
]
_DEFAULT = "default"


@retention_app.command("due")
def retention_due_command(tenant: _Tenant = _DEFAULT) -> None:
    """Count the closed cases whose time is over, by line of business, and those of them that a hold keeps."""
    from serving.retention import retention_due

    with opened_store() as store:
        lines = retention_due(store.of_tenant(tenant), _years(), now=datetime.now(UTC))
    for line in lines:
        named = line.line_of_business or "-"
        typer.echo(f"{named}\tafter {line.years} years\t{line.cases} due\t{line.held} of them on hold")
    if not lines:
        typer.echo("nothing is due")


@retention_app.command("apply")
def retention_apply(
    yes: Annotated[bool, typer.Option("--yes", help="Erase. Without it, nothing happens.")] = False,
    by: _By = None,
    tenant: _Tenant = _DEFAULT,
) -> None:
    """Erase what those cases said, except on hold. Interrupted, it goes on where it stopped; the service may run."""
    from serving.erasing import apply_retention

    if not yes:
        raise typer.BadParameter("erased is erased; say --yes, after greenlane retention due", param_hint="--yes")
    with opened_store() as store:
        done = list(apply_retention(store.of_tenant(tenant), _years(), by=_who(by), now=datetime.now(UTC)))
        _tell(store, done)


@hold_app.command("place")
def hold_place(
    why: _Why,
    member: Annotated[
        str | None,
        typer.Option("--member", help="Everything of this member, also what comes later; - asks for the id."),
    ] = None,
    authorization: Annotated[str | None, typer.Option("--authorization", help="One case, by our id.")] = None,
    by: _By = None,
    tenant: _Tenant = _DEFAULT,
) -> None:
    """Keep everything of a member, or one case, until the hold is released."""
    from serving.legal_holds import place_hold

    with opened_store() as store:
        hold = place_hold(
            store.of_tenant(tenant),
            member_id=_asked(member) if member is not None else None,
            authorization_id=authorization,
            why=why,
            by=_who(by),
            now=datetime.now(UTC),
        )
    typer.echo(f"{hold.hold_id}: keeps {_counted(hold.cases, 'case')} of today")


@hold_app.command("release")
def hold_release(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="As printed by `hold list`.")],
    why: _Why,
    by: _By = None,
    tenant: _Tenant = _DEFAULT,
) -> None:
    """End a hold. What its time is over for is erased by the next `retention apply`, not by this."""
    from serving.legal_holds import release_hold

    with opened_store() as store:
        release_hold(store.of_tenant(tenant), hold_id, why=why, by=_who(by), now=datetime.now(UTC))
    typer.echo(f"{hold_id}: released")


@hold_app.command("list")
def hold_list(
    every: Annotated[bool, typer.Option("--all", help="Those that were released too.")] = False,
    tenant: _Tenant = _DEFAULT,
) -> None:
    """Print the holds that stand: id, since when, by whom, on what, how many cases, why; tab-separated."""
    from serving.legal_holds import holds

    with opened_store() as store:
        for hold in holds(store.of_tenant(tenant), released=every):
            typer.echo("\t".join(_columns(hold)))


@member_app.command("export")
def member_export(
    out: Annotated[Path, typer.Option("--out", help="File to write: .zip or .json. It will hold notes.")],
    member_id: _Member = "-",
    tenant: _Tenant = _DEFAULT,
) -> None:
    """Write everything kept about a member: requests, documents, results, decisions, letters and who saw them."""
    from serving.member_record import export_member

    with opened_store() as store:
        done = export_member(store.of_tenant(tenant), _asked(member_id), out, now=datetime.now(UTC))
    typer.echo(f"{_counted(done.cases, 'request')} with {_counted(done.documents, 'document')} in {out}")


@member_app.command("erase")
def member_erase(
    why: _Why,
    yes: Annotated[bool, typer.Option("--yes", help="Erase. Without it, nothing happens.")] = False,
    member_id: _Member = "-",
    by: _By = None,
    despite_retention: Annotated[
        bool, typer.Option("--despite-retention", help="Also what must still be kept; two people must approve.")
    ] = False,
    approved_by: Annotated[
        list[str] | None, typer.Option("--approved-by", help="Sign-in name of somebody who approved; give it twice.")
    ] = None,
    tenant: _Tenant = _DEFAULT,
) -> None:
    """Erase everything a member's closed requests said. Ids, codes, times, routes and decisions stay."""
    from serving.erasing import erase_member

    if not yes:
        raise typer.BadParameter("erased is erased; say --yes, after greenlane member export", param_hint="--yes")
    with opened_store() as opened:
        store = opened.of_tenant(tenant)
        approvers = _people(store, approved_by or [])
        done = erase_member(
            store,
            _asked(member_id),
            _years(),
            why=why,
            by=_who(by),
            now=datetime.now(UTC),
            despite_retention=despite_retention,
            approvers=approvers,
        )
        _tell(store, [done])


def _years() -> dict[str, int]:
    from serving.settings import load_settings, retention_table

    return retention_table(load_settings().retention_years)


def _asked(member_id: str) -> str:
    """The id; one that is ``-`` comes from the terminal or standard input, where no list of processes shows it."""
    if member_id != "-":
        return member_id
    given = typer.prompt("Member id", err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise typer.BadParameter("no id was given", param_hint="--member-id")
    return str(given).strip()


def _who(by: str | None) -> str:
    import getpass

    return by or getpass.getuser()


def _people(store: Store, names: list[str]) -> list[Person]:
    from serving.errors import UnknownPersonError
    from serving.people_store import PeopleStore

    found = [(name, PeopleStore(store).named(name)) for name in names]
    unknown = [name for name, person in found if person is None]
    if unknown:
        raise UnknownPersonError(f"--approved-by: nobody signs in as {', '.join(unknown)}")
    return [person for _, person in found if person is not None]


def _columns(hold: LegalHold) -> tuple[str, ...]:
    on = f"member {hold.member_id}" if hold.member_id is not None else f"authorization {hold.authorization_id}"
    state = f"released {hold.released_at:%Y-%m-%d} by {hold.released_by}" if hold.released_at else "stands"
    return hold.hold_id, f"{hold.placed_at:%Y-%m-%d}", hold.placed_by, on, _counted(hold.cases, "case"), state, hold.why


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _tell(store: Store, done: list[Erasure]) -> None:
    from serving.scrubbing import scrub, what_is_left

    cases = sum(erasure.cases for erasure in done)
    documents = sum(erasure.documents for erasure in done)
    typer.echo(f"{_counted(cases, 'case')} erased, with {_counted(documents, 'document')}")
    if done:
        left = what_is_left(store.engine, scrubbed=scrub(store.engine))
        if left is not None:
            typer.echo(f"note: {left}")
