"""Keeping people: the administrator's page and the command line do the same, and both leave a trail."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from databases import database_in
from fastapi.testclient import TestClient
from running_server import ROOT, RunningServer
from serving_cases import routed
from signing_in import PASSWORD, add_person, sign_in, sign_in_again
from sqlalchemy import select
from test_cli import Done, process
from typer.testing import CliRunner

from serving.app import create_app
from serving.cli import app as commands
from serving.errors import PersonRefusedError
from serving.people import Person
from serving.people_store import PeopleStore, generated_password
from serving.roles import PERMISSIONS, Role
from serving.settings import Settings
from serving.tables import TrailRow


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path)
    with TestClient(create_app(settings, triage=routed), follow_redirects=False) as client:
        yield client


@pytest.fixture
def people(client: TestClient) -> PeopleStore:
    store: PeopleStore = client.app.state.people
    return store


def changes(client: TestClient) -> list[tuple[str, str | None, dict[str, object]]]:
    query = select(TrailRow).where(TrailRow.action.in_(("person_added", "person_changed"))).order_by(TrailRow.number)
    with client.app.state.store.reading() as session:
        return [(row.action, row.person_id, json.loads(row.details)) for row in session.scalars(query)]


def shown_password(html: str) -> str:
    found = re.search(r'<code class="password">([^<]+)</code>', html)
    assert found is not None
    return found.group(1)


def test_somebody_added_on_the_page_signs_in_with_the_password_shown_once(
    client: TestClient, people: PeopleStore
) -> None:
    who = sign_in(client, Role.ADMINISTRATOR)
    form = {"form_token": who.form_token, "sign_in_name": "Ann", "display_name": " Ann  Lee ", "role": "nurse"}
    answer = client.post("/people", data={**form, "team": "East"})
    password = shown_password(answer.text)
    added = people.with_password("ann", password)
    assert added == Person(added.person_id if added else "", "ann", "Ann Lee", Role.NURSE, "East")
    assert password not in client.get("/people").text
    assert changes(client)[-1] == (
        "person_added",
        who.person.person_id,
        {"person_id": added.person_id, "role": "nurse"},
    )


def test_role_team_and_name_are_changed_and_hold_from_the_next_page_on(client: TestClient, people: PeopleStore) -> None:
    who = sign_in(client, Role.ADMINISTRATOR)
    ann = add_person(client.app, Role.NURSE, "ann", team="East")
    token = people.sign_in(ann, now=datetime.now(UTC))
    form = {"form_token": who.form_token, "display_name": "Ann Roe", "role": "auditor", "team": ""}
    assert client.post(f"/people/{ann.person_id}", data=form).headers["location"] == "/people"
    now = people.signed_in(token, now=datetime.now(UTC))
    assert now is not None
    assert (now.person.display_name, now.person.role, now.person.team) == ("Ann Roe", Role.AUDITOR, None)
    action, by, details = changes(client)[-1]
    assert (action, by) == ("person_changed", who.person.person_id)
    assert details["changed"] == ["display_name", "role", "team"]


def test_a_trail_of_people_holds_no_names(client: TestClient, people: PeopleStore) -> None:
    ann = add_person(client.app, Role.NURSE, "ann")
    people.change(ann.person_id, display_name="Secret Name", password="another long password", now=datetime.now(UTC))
    assert not re.search(
        "secret|name_|ann|password ", json.dumps(changes(client)).lower().replace('"display_name"', "")
    )


def test_making_somebody_inactive_ends_their_sign_ins_at_once(client: TestClient, people: PeopleStore) -> None:
    who = sign_in(client, Role.ADMINISTRATOR)
    ann = add_person(client.app, Role.NURSE, "ann")
    tokens = [people.sign_in(ann, now=datetime.now(UTC)) for _ in range(2)]
    client.post(f"/people/{ann.person_id}", data={"form_token": who.form_token, "active": "no"})
    people.change(ann.person_id, active=True, now=datetime.now(UTC))
    assert [people.signed_in(token, now=datetime.now(UTC)) for token in tokens] == [None, None]
    assert people.with_password("ann", PASSWORD) is not None


def test_a_new_password_ends_the_old_one_and_every_sign_in(client: TestClient, people: PeopleStore) -> None:
    who = sign_in(client, Role.ADMINISTRATOR)
    ann = add_person(client.app, Role.NURSE, "ann")
    token = people.sign_in(ann, now=datetime.now(UTC))
    answer = client.post(f"/people/{ann.person_id}/password", data={"form_token": who.form_token})
    assert people.with_password("ann", PASSWORD) is None
    assert people.with_password("ann", shown_password(answer.text)) is not None
    assert people.signed_in(token, now=datetime.now(UTC)) is None


@pytest.mark.parametrize("change", [{"active": "no"}, {"display_name": "A", "role": "nurse", "team": ""}])
def test_the_last_administrator_stays(client: TestClient, people: PeopleStore, change: dict[str, str]) -> None:
    who = sign_in(client, Role.ADMINISTRATOR)
    path = f"/people/{who.person.person_id}"
    refused = client.post(path, data={"form_token": who.form_token, **change})
    assert refused.status_code == 422
    assert "last administrator" in refused.text
    assert people.person(who.person.person_id) == who.person
    assert client.get("/people").status_code == 200

    second = add_person(client.app, Role.ADMINISTRATOR, "second")
    assert client.post(path, data={"form_token": who.form_token, **change}).status_code == 303
    with pytest.raises(PersonRefusedError):
        people.change(second.person_id, active=False, now=datetime.now(UTC))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("sign_in_name", "admin", "sign_in_name: somebody has this name already"),
        ("sign_in_name", "ADMIN", "sign_in_name: somebody has this name already"),
        ("sign_in_name", "two words", "sign_in_name: must be"),
        ("sign_in_name", "", "sign_in_name: must be"),
        ("display_name", " \u202e ", "display_name: must be"),
        ("role", "king", "role: choose one"),
        ("team", "t" * 65, "team: must be"),
    ],
)
def test_what_cannot_be_kept_is_said_and_what_was_typed_stays(
    client: TestClient, field: str, value: str, said: str
) -> None:
    who = sign_in(client, Role.ADMINISTRATOR, "admin")
    form = {"form_token": who.form_token, "sign_in_name": "bob", "display_name": "Bob Roe", "role": "lead", "team": "W"}
    refused = client.post("/people", data={**form, field: value})
    assert refused.status_code == 422
    assert said in refused.text
    if field != "display_name":
        assert 'value="Bob Roe"' in refused.text
    assert len(changes(client)) == 1


def test_who_comes_by_the_identity_provider_has_no_password_and_no_role_of_ours(
    client: TestClient, people: PeopleStore
) -> None:
    who = sign_in(client, Role.ADMINISTRATOR)
    now = datetime.now(UTC)
    ann = people.come_by_oidc("issuer u-1", name="ann", display_name="Ann", role=Role.NURSE, now=now)
    assert client.post(f"/people/{ann.person_id}/password", data={"form_token": who.form_token}).status_code == 422
    form = {"form_token": who.form_token, "display_name": "Ann", "role": "administrator", "team": "East"}
    assert client.post(f"/people/{ann.person_id}", data=form).status_code == 303
    assert (people.person(ann.person_id).role, people.person(ann.person_id).team) == (Role.NURSE, "East")
    with pytest.raises(PersonRefusedError):
        people.change(ann.person_id, role=Role.LEAD, now=now)


def test_the_header_leads_only_where_the_role_may_go(client: TestClient) -> None:
    places = {"/": "read_cases", "/numbers": "read_reports", "/trail": "read_trail", "/people": "keep_people"}
    for role in (Role.NURSE, Role.LEAD, Role.AUDITOR, Role.ADMINISTRATOR):
        who = sign_in_again(client, add_person(client.app, role))
        page = client.get("/people" if role is Role.ADMINISTRATOR else "/").text
        led = set(re.findall(r'<a href="([^"]+)"[^>]*>(?:Worklist|Numbers|Trail|People)</a>', page))
        allowed = {path for path, permission in places.items() if permission in PERMISSIONS[role]}
        assert led == allowed
        assert who.person.display_name in page


def test_generated_passwords_are_long_and_never_the_same() -> None:
    made = {generated_password() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"([a-hj-km-np-z2-9]{4}-){3}[a-hj-km-np-z2-9]{4}", password) for password in made)


def greenlane(tmp_path: Path, *arguments: str, stdin: str = "") -> Done:
    result = CliRunner().invoke(
        commands,
        ["people", *arguments],
        input=stdin,
        env={"GREENLANE_DATABASE_URL": database_in(tmp_path)},
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return Done(result.exit_code, result.stdout, result.stderr)


def test_people_are_added_listed_and_changed_from_the_command_line(tmp_path: Path, client: TestClient) -> None:
    people: PeopleStore = client.app.state.people
    added = greenlane(tmp_path, "add", "ann", "--role", "nurse", "--display", "Ann Lee", "--team", "East")
    password = added.stdout.rpartition(": ")[2].strip()
    assert people.with_password("ann", password) is not None
    given = greenlane(tmp_path, "add", "bob", "--role", "lead", "--display", "Bob", "--password-stdin", stdin=PASSWORD)
    assert PASSWORD not in given.stdout
    assert people.with_password("bob", PASSWORD) is not None
    assert greenlane(tmp_path, "list").stdout.splitlines() == [
        "ann\tnurse\tEast\tactive\tAnn Lee",
        "bob\tlead\t-\tactive\tBob",
    ]
    changed = greenlane(tmp_path, "change", "ann", "--role", "lead", "--team", "", "--state", "inactive")
    assert changed.stdout == "ann\tlead\t-\tinactive\tAnn Lee\n"
    renewed = greenlane(tmp_path, "change", "bob", "--new-password").stdout.rpartition(": ")[2].strip()
    assert people.with_password("bob", PASSWORD) is None
    assert people.with_password("bob", renewed) is not None
    assert [(action, by) for action, by, _ in changes(client)] == [("person_added", None)] * 2 + [
        ("person_changed", None)
    ] * 2


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["add", "ann", "--role", "king", "--display", "A"], "", "king"),
        (["add", "ann", "--role", "nurse", "--display", "A", "--password-stdin"], "short\n", "password: needs"),
        (["change", "nobody", "--role", "nurse"], "", "nobody has this sign-in name"),
    ],
)
def test_a_command_about_people_that_cannot_be_done_exits_2(
    tmp_path: Path, arguments: list[str], stdin: str, said: str
) -> None:
    done = greenlane(tmp_path, *arguments, stdin=stdin)
    assert done.returncode == 2
    assert said in done.stderr
    assert "short" not in done.stderr
    assert greenlane(tmp_path, "list").stdout == ""


def test_demo_people_are_refused_where_others_can_reach_the_service(tmp_path: Path) -> None:
    done = process("serve", "--demo-people", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)  # noqa: S104  (it is refused)
    assert done.returncode == 2
    assert done.stderr.startswith("greenlane: --demo-people: only where")
    assert not (tmp_path / ".greenlane").exists()


@pytest.mark.slow
def test_demo_people_are_printed_once_and_can_sign_in(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, "--demo-people")
    try:
        server.start()
        server.stop()
        server.start()
        said = (tmp_path / "server.log").read_text()
        shown = dict(re.findall(r"^  (\S+) +((?:\w{4}-){3}\w{4}) ", said, re.MULTILINE))
        assert shown.keys() == {role.value.replace("_", "-") for role in Role}
        assert said.count("shown this once") == 1
        assert "are there already" in said
        with httpx.Client(base_url=server.url) as browser:
            page = browser.get("/sign-in").text
            token = re.search(r'name="form_token" value="([^"]+)"', page)
            assert token is not None
            form = {"form_token": token[1], "name": "nurse", "password": shown["nurse"], "next": "/"}
            assert browser.post("/sign-in", data=form).headers["location"] == "/"
            assert "Demo nurse" in browser.get("/").text
    finally:
        server.close()


def test_the_command_line_answers_without_the_packages_of_the_service() -> None:
    code = "import sys; import serving.cli; print({'sqlalchemy', 'argon2', 'pydantic', 'httpx2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"
