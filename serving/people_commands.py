"""``greenlane people``: who may sign in, from the command line. The first administrator comes from here."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from serving.opened_store import OfTenant, opened_store
from serving.roles import Role

if TYPE_CHECKING:
    from serving.people import Person

people_app = typer.Typer(help="People who may sign in.", no_args_is_help=True, rich_markup_mode=None)


class _State(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"


_Name = Annotated[str, typer.Argument(help="The name the person signs in with.")]
_FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input; else one is made and printed.")
]


@people_app.command("add")
def add(
    name: _Name,
    role: Annotated[Role, typer.Option("--role", help="What they may do (docs/people.md).")],
    display: Annotated[str, typer.Option("--display", help="Name shown on pages, such as 'Ann Lee'.")],
    team: Annotated[str | None, typer.Option("--team", help="Team, for the worklist.")] = None,
    password_stdin: _FromStdin = False,
    tenant: OfTenant = "default",
) -> None:
    """Let somebody sign in."""
    from serving.people_store import PeopleStore

    password, shown = _password(from_stdin=password_stdin)
    with opened_store(tenant) as store:
        added = PeopleStore(store).add(name, display, role, password=password, team=team, now=datetime.now(UTC))
    typer.echo(f"{added.sign_in_name}: added as {added.role.value}")
    _show(shown)


@people_app.command("list")
def list_people(tenant: OfTenant = "default") -> None:
    """Print everybody: sign-in name, role, team, active or inactive, display name, tab-separated."""
    from serving.people_store import PeopleStore

    with opened_store(tenant) as store:
        for person in PeopleStore(store).everybody():
            typer.echo("\t".join(_columns(person)))


@people_app.command("change")
def change(
    name: _Name,
    role: Annotated[Role | None, typer.Option("--role", help="Another role.")] = None,
    display: Annotated[str | None, typer.Option("--display", help="Another name shown on pages.")] = None,
    team: Annotated[str | None, typer.Option("--team", help="Another team; '' for none.")] = None,
    state: Annotated[_State | None, typer.Option("--state", help="Whether they may sign in.")] = None,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Make a new password and print it; ends their sign-ins.")
    ] = False,
    password_stdin: _FromStdin = False,
    tenant: OfTenant = "default",
) -> None:
    """Change role, team, name, password, or whether somebody may sign in at all."""
    from serving.errors import UnknownPersonError
    from serving.people_store import PeopleStore

    wanted = new_password or password_stdin
    password, shown = _password(from_stdin=password_stdin) if wanted else (None, None)
    with opened_store(tenant) as store:
        people = PeopleStore(store)
        person = people.named(name)
        if person is None:
            raise UnknownPersonError("NAME: nobody has this sign-in name; greenlane people list prints them")
        changed = people.change(
            person.person_id,
            display_name=display,
            role=role,
            team=team,
            active=None if state is None else state is _State.ACTIVE,
            password=password,
            now=datetime.now(UTC),
        )
    typer.echo("\t".join(_columns(changed)))
    _show(shown)


def _columns(person: Person) -> tuple[str, ...]:
    state = _State.ACTIVE if person.active else _State.INACTIVE
    return person.sign_in_name, person.role.value, person.team or "-", state.value, person.display_name


def _password(*, from_stdin: bool) -> tuple[str, str | None]:
    """The password, and what of it is to be printed."""
    from serving.people_store import generated_password

    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n"), None
    made = generated_password()
    return made, made


def _show(password: str | None) -> None:
    if password is not None:
        typer.echo(f"password (shown this once): {password}")
